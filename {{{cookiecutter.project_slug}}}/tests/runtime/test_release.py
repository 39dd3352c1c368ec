"""Evaluate, release and roll back: which version is the champion, and why."""

import shutil
from typing import Any

import polars as pl
import pytest
from filelock import FileLock, Timeout

from {{{ cookiecutter.package_name }}}.runtime import room
from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput
from {{{ cookiecutter.package_name }}}.runtime.files import read_json, read_parquet
from {{{ cookiecutter.package_name }}}.runtime.registry import registry, store
from {{{ cookiecutter.package_name }}}.runtime.results import (
    Champion,
    Evaluation,
    Release,
)
from {{{ cookiecutter.package_name }}}.runtime.run.plan import read_plan
from {{{ cookiecutter.package_name }}}.runtime.run.run_dir import Run, RunDir
from {{{ cookiecutter.package_name }}}.runtime.steps import release as release_step
from {{{ cookiecutter.package_name }}}.runtime.steps.evaluate import decide, evaluate
from {{{ cookiecutter.package_name }}}.runtime.steps.release import release

from .conftest import P, Project, V, champion_of

HEADLINE = room.evaluation().HEADLINE
PREDICTION = room.model().PREDICTION


def rule(patch: pytest.MonkeyPatch, *, release: bool) -> None:
    """Replace the team's rule by one that always decides alike."""
    patch.setattr(room.evaluation(), "decide", lambda *_: (release, "the rule decided"))


def version_of(project: Project, alias: str = "champion") -> str | None:
    """Return the version that has an alias."""
    version = store.aliased(project.params.model_name, alias)
    return None if version is None else version.version


def versions(project: Project) -> int:
    return len([*store.versions(project.params.model_name)])


def evaluation_of(run: Run) -> Evaluation:
    return read_json(RunDir(run).evaluation, Evaluation)


def check_second_release(project: Project) -> None:
    """Check that version 2 is the champion, after version 1."""
    assert (version_of(project), version_of(project, "previous")) == (V[2], V[1])
    assert versions(project) == 2


# The decision


def test_the_decision(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    run, metrics = project.plan(P[5]), {HEADLINE: 0.5}

    def decided(period: str | None, *, better: bool) -> tuple[bool, str]:
        """Decide beside a champion of a period; one of a later period is not compared."""
        rule(monkeypatch, release=better)
        if period is None:
            return decide(run, read_plan(run), metrics, None, None)
        champion = Champion(version="7", run_id="other", period=period, metrics=metrics)
        compared = metrics if period <= run.period else None
        return decide(run, read_plan(run), metrics, champion, compared)

    said = "the rule decided"
    later = f"the champion, version 7, is of a later period, {P[6]}, and {P[5]} never replaces it"
    assert decided(None, better=True) == (True, f"{said}, and there is no champion yet")
    assert decided(None, better=False) == (False, said)
    assert decided(P[4], better=True) == (True, f"{said} of version 7")
    assert decided(P[4], better=False) == (False, f"{said} of version 7")
    assert decided(P[6], better=True) == (False, later)
    assert decided(P[6], better=False) == (False, said)


def test_the_champion_is_evaluated_on_the_same_period(evaluated: Project) -> None:
    run = evaluated.plan(P[5])
    found = evaluation_of(run)
    assert found.champion == registry.champion(evaluated.params.model_name)
    assert found.champion is not None
    assert found.champion_metrics is not None
    assert set(found.champion_metrics) == set(found.metrics) == set(found.champion.metrics)
    # Not as it was evaluated on the period before.
    assert found.champion_metrics[HEADLINE] != found.champion.metrics[HEADLINE]
    scores = read_parquet(RunDir(run).scores)
    assert found.rows == scores.height == read_parquet(RunDir(run).features(P[5])).height


def test_a_headline_that_measure_does_not_return_is_refused(
    evaluated: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, ours = evaluated.plan(P[5]), room.evaluation()
    monkeypatch.setattr(ours, "measure", lambda *_: {"rmse": 2.0, "mae": 1.0})
    monkeypatch.setattr(ours, "HEADLINE", "mea")
    with pytest.raises(BadInput, match=r"returned mae, rmse, and no `mea`, which `HEADLINE` names"):
        evaluate(run)


@pytest.mark.parametrize("undefined", [{}, {HEADLINE: float("nan"), "other": 1.0}], ids=str)
def test_without_a_defined_headline_nothing_is_released(
    evaluated: Project, monkeypatch: pytest.MonkeyPatch, undefined: dict[str, float]
) -> None:
    run = evaluated.plan(P[5])
    monkeypatch.setattr(room.evaluation(), "measure", lambda *_: undefined)
    found = evaluate(run)
    assert (found.release, found.reason.endswith(f"is not defined on {P[5]}")) == (False, True)


def test_slices_are_the_larger_values_of_each_column(evaluated: Project) -> None:
    run = evaluated.plan(P[5])
    found, rows = evaluation_of(run).slices, read_parquet(RunDir(run).features(P[5]))
    for by in room.evaluation().SLICES:
        counts = {str(value): count for value, count in rows[by].value_counts().rows()}
        parts = [part for part in found if part.by == by]
        assert [part.rows for part in parts] == sorted(
            (count for count in counts.values() if count >= 100), reverse=True
        )
        assert all(counts[part.value] == part.rows for part in parts)
        assert all(HEADLINE in part.metrics for part in parts)


def test_a_champion_that_cannot_score_is_named(
    released: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def predict(_model: Any, rows: pl.DataFrame) -> Any:
        return rows["a former column"]

    run = released.work(P[5], last="train")
    ours = room.model().predict
    champion = object()
    monkeypatch.setattr(registry, "load_model", lambda *_: champion)
    monkeypatch.setattr(
        room.model(), "predict", lambda m, rows: (predict if m is champion else ours)(m, rows)
    )
    with pytest.raises(
        BadInput, match=rf"Version {V[1]} of .* cannot score these rows .*former column"
    ):
        evaluate(run)


# The release


def test_what_is_not_good_enough_is_not_released(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule(monkeypatch, release=False)
    run = project.work(P[4], last="release")
    done = read_json(RunDir(run).release, Release)
    assert done == Release(released=False, reason="the rule decided", champion=None)
    assert registry.champion(project.params.model_name) is None


def test_the_first_release(released: Project) -> None:
    now, run = champion_of(released), released.plan(P[4])
    assert (now.version, now.run_id, now.period) == (V[1], run.run_id, P[4])
    assert now.metrics == evaluation_of(run).metrics
    assert version_of(released, "previous") is None


def test_releasing_twice_changes_nothing(evaluated: Project) -> None:
    run = evaluated.plan(P[5])
    assert evaluation_of(run).release
    first = release(run)
    assert first.released
    assert first.champion is not None
    assert first.champion.run_id == run.run_id
    assert release(run) == first
    check_second_release(evaluated)
    RunDir(run).release.unlink()  # as if it was killed before it wrote this
    assert release(run) == first
    assert read_json(RunDir(run).release, Release) == first
    check_second_release(evaluated)
    registry.promote(evaluated.params.model_name, first.champion.version)
    check_second_release(evaluated)


def test_the_champion_stays_where_the_challenger_is_not_better(
    released: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule(monkeypatch, release=False)
    run = released.work(P[5])
    done = read_json(RunDir(run).release, Release)
    assert not done.released
    assert done.champion == registry.champion(released.params.model_name)
    assert (version_of(released), versions(released)) == (V[1], 1)
    result = released.result(run)
    assert result.status == "kept_champion"
    assert result.champion_after == result.champion_before is not None
    assert result.reason.startswith("the rule decided")


@pytest.mark.parametrize("fatal", ["register", "load_model", "promote", "set_alias"])
def test_a_release_that_was_killed_is_resumed(
    evaluated: Project, monkeypatch: pytest.MonkeyPatch, fatal: str
) -> None:
    """The alias `previous` is set before `champion`: it is killed between the two."""
    run = evaluated.plan(P[5])
    module: Any = store if fatal == "set_alias" else registry
    ours = getattr(module, fatal)

    def killed(*args: Any) -> None:
        if "previous" not in args:
            raise KeyboardInterrupt
        ours(*args)

    with monkeypatch.context() as patch:
        patch.setattr(module, fatal, killed)
        with pytest.raises(KeyboardInterrupt):
            release(run)
    assert version_of(evaluated) == V[1]
    assert not RunDir(run).release.exists()
    assert release(run).released
    check_second_release(evaluated)


def test_after_another_release_the_challenger_is_evaluated_again(evaluated: Project) -> None:
    run = evaluated.plan(P[5])
    before = evaluation_of(run)
    evaluated.tune(seed=evaluated.params.seed + 1)
    other = evaluated.work(P[5], last="release")  # another run for the same period
    assert version_of(evaluated) == V[2]
    done = release(run)
    after = evaluation_of(run)
    assert before.champion is not None
    assert before.champion.version == V[1]
    assert after.champion is not None
    assert (after.champion.version, after.champion.run_id) == (V[2], other.run_id)
    assert done.released is after.release


def test_a_champion_of_a_later_period_stays(evaluated: Project) -> None:
    run = evaluated.plan(P[5])
    assert evaluation_of(run).release
    later = evaluated.work(P[6], last="release")
    done = release(run)
    assert not done.released
    assert done.champion is not None
    assert done.champion.run_id == later.run_id
    assert version_of(evaluated) == V[2]
    assert "never replaces it" in evaluation_of(run).reason


def test_a_model_that_scores_differently_when_loaded_is_not_released(evaluated: Project) -> None:
    """Let the scores of the evaluation be those of another model."""
    run = evaluated.plan(P[5])
    scores = RunDir(run).scores
    table = read_parquet(scores)
    table.with_columns(pl.col(PREDICTION) + 1e-6).write_parquet(str(scores))
    with pytest.raises(RuntimeError, match="scores differently when loaded from the registry"):
        release(run)
    assert version_of(evaluated) == V[1]
    assert version_of(evaluated, "previous") is None
    assert not RunDir(run).release.exists()


def test_one_release_at_a_time(evaluated: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release_step, "LOCK_SECONDS", 0.1)
    run = evaluated.plan(P[5])
    with FileLock(evaluated.folder / "runs/.release.lock"), pytest.raises(Timeout):
        release(run)
    assert version_of(evaluated) == V[1]


def test_a_run_without_its_directory_finds_its_version(project: Project) -> None:
    run = project.work(P[4])
    shutil.rmtree(run.folder)
    result = project.result(project.work(P[4]))
    assert result.status == "released"
    assert result.reason == "the champion is of this very run"
    assert versions(project) == 1


# The rollback


def test_rolling_back_and_forth(evaluated: Project) -> None:
    name = evaluated.params.model_name
    release(evaluated.plan(P[5]))
    before, after = registry.rollback(name)
    assert (before.version, after.version) == (V[2], V[1])
    assert (version_of(evaluated), version_of(evaluated, "previous")) == (V[1], V[2])
    assert registry.was_rolled_back(name, V[2])
    before, after = registry.rollback(name)
    assert (before.version, after.version) == (V[1], V[2])
    assert (version_of(evaluated), version_of(evaluated, "previous")) == (V[2], V[1])
    assert not registry.was_rolled_back(name, V[2])
    assert registry.was_rolled_back(name, V[1])


def test_nothing_to_roll_back_to(released: Project) -> None:
    with pytest.raises(BadInput, match="cannot be rolled back: no version was champion before"):
        registry.rollback(released.params.model_name)
    assert version_of(released) == V[1]


def test_a_resumed_run_does_not_undo_a_rollback(evaluated: Project) -> None:
    run = evaluated.plan(P[5])
    release(run)
    RunDir(run).release.unlink()  # as if it was killed before it wrote this
    registry.rollback(evaluated.params.model_name)
    done = release(run)
    assert not done.released
    assert done.reason == f"version {V[2]}, of this run, was rolled back"
    assert (version_of(evaluated), versions(evaluated)) == (V[1], 2)
