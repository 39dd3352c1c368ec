"""Evaluate, release, roll back: which version is the champion, and why."""

import shutil
from typing import Any

import mlflow
import polars as pl
import pytest

from {{{ cookiecutter.package_name }}} import tracking
from {{{ cookiecutter.package_name }}}.errors import BadInput
from {{{ cookiecutter.package_name }}}.params import EvaluateParams
from {{{ cookiecutter.package_name }}}.results import Champion, Result
from {{{ cookiecutter.package_name }}}.steps import (
    release as release_step,
)
from {{{ cookiecutter.package_name }}}.steps.evaluate import (
    Evaluation,
    decide,
    evaluate,
)
from {{{ cookiecutter.package_name }}}.steps.release import (
    Release,
    release,
)
from {{{ cookiecutter.package_name }}}.steps.train import Training
from {{{ cookiecutter.package_name }}}.workspace import (
    Run,
    Workspace,
    read_json,
    read_parquet,
)

from .conftest import Project

LIMITS = EvaluateParams(min_auc=0.6, min_gain=0.01)
CHAMPION = Champion(version="7", run_id="2013-04-0123abcd", period="2013-04", metrics={"auc": 0.9})


def champion(project: Project, alias: str = "champion") -> str | None:
    """Return the version that has an alias."""
    model = mlflow.MlflowClient().get_registered_model(project.params.model_name)
    version = model.aliases.get(alias)
    return None if version is None else str(version)


def versions(project: Project) -> int:
    name = project.params.model_name
    return len(mlflow.MlflowClient().search_model_versions(f"name = '{name}'"))


def evaluation_of(run: Run) -> Evaluation:
    return read_json(Workspace(run).evaluation, Evaluation)


@pytest.mark.parametrize(
    ("auc", "before", "champion_auc", "released", "why"),
    [
        (0.59, None, None, False, "AUC 0.5900 is below the floor of 0.6000"),
        (0.59, CHAMPION, 0.5, False, "below the floor"),
        (0.60, None, None, True, "reaches the floor, and there is no champion yet"),
        (0.72, CHAMPION, 0.70, True, "better than the champion: AUC 0.7200 against 0.7000"),
        (0.709, CHAMPION, 0.70, False, "not better than the champion by more than 0.01"),
        (0.69, CHAMPION, 0.70, False, "AUC 0.6900 against 0.7000 of version 7"),
        (0.99, CHAMPION, None, False, "of a later period, 2013-04, and 2013-03 never replaces it"),
    ],
)
def test_the_decision(
    auc: float, before: Champion | None, champion_auc: float | None, released: bool, why: str
) -> None:
    champion_metrics = None if champion_auc is None else {"auc": champion_auc}
    decision, reason = decide(LIMITS, "2013-03", {"auc": auc}, before, champion_metrics)
    assert decision is released
    assert why in reason


def test_a_champion_of_before_is_scored_on_the_same_period(evaluated: Project) -> None:
    run = evaluated.plan("2013-05")
    found = evaluation_of(run)
    assert found.champion == tracking.champion(evaluated.params.model_name)
    assert found.champion is not None
    assert found.champion_metrics is not None
    assert set(found.champion_metrics) == set(found.metrics) == set(found.champion.metrics)
    # As judged on May, not as it was judged on April.
    assert found.champion_metrics["auc"] != found.champion.metrics["auc"]
    assert found.rows == read_parquet(Workspace(run).scores).height > 3000


def test_slices_add_up(evaluated: Project) -> None:
    found = evaluation_of(evaluated.plan("2013-05"))
    origins = [part for part in found.slices if part.by == "origin"]
    assert sum(part.rows for part in origins) == found.rows
    assert [part.rows for part in origins] == sorted((part.rows for part in origins), reverse=True)
    assert {part.value for part in origins} == {"EWR", "JFK", "LGA"}
    assert len([part for part in found.slices if part.by == "carrier"]) >= 5


def test_below_the_floor_nothing_is_released(project: Project) -> None:
    project.tune(evaluate__min_auc=0.99)
    run = project.work("2013-04", last="release")
    assert read_json(Workspace(run).release, Release) == Release(
        released=False, reason=evaluation_of(run).reason, champion=None
    )
    assert tracking.champion(project.params.model_name) is None


def test_the_first_release(released: Project) -> None:
    now = tracking.champion(released.params.model_name)
    run = released.plan("2013-04")
    assert now is not None
    assert (now.version, now.run_id, now.period) == ("1", run.run_id, "2013-04")
    assert now.metrics == evaluation_of(run).metrics
    assert champion(released, "previous") is None


def test_the_second_release_keeps_the_first_as_previous(evaluated: Project) -> None:
    run = evaluated.plan("2013-05")
    assert evaluation_of(run).release
    done = release(run)
    assert done.released
    assert done.champion is not None
    assert done.champion.run_id == run.run_id
    assert (champion(evaluated), champion(evaluated, "previous")) == ("2", "1")


def test_what_is_not_better_is_not_released(released: Project) -> None:
    released.tune(evaluate__min_gain=0.9)
    run = released.work("2013-05", last="release")
    done = read_json(Workspace(run).release, Release)
    assert not done.released
    assert done.champion == tracking.champion(released.params.model_name)
    assert (champion(released), versions(released)) == ("1", 1)


def test_releasing_twice_changes_nothing(evaluated: Project) -> None:
    run = evaluated.plan("2013-05")
    first = release(run)
    assert release(run) == first
    assert (champion(evaluated), champion(evaluated, "previous")) == ("2", "1")
    assert versions(evaluated) == 2


def test_killed_after_the_release_and_before_saying_so(evaluated: Project) -> None:
    run = evaluated.plan("2013-05")
    first = release(run)
    Workspace(run).release.unlink()
    assert release(run) == first
    assert read_json(Workspace(run).release, Release) == first
    assert (champion(evaluated), champion(evaluated, "previous")) == ("2", "1")
    assert versions(evaluated) == 2


@pytest.mark.parametrize("fatal", ["register", "load_model", "promote"])
def test_killed_on_the_way(evaluated: Project, monkeypatch: pytest.MonkeyPatch, fatal: str) -> None:
    run = evaluated.plan("2013-05")

    def killed(*args: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tracking, fatal, killed)
        with pytest.raises(KeyboardInterrupt):
            release(run)
    assert champion(evaluated) == "1"
    assert not Workspace(run).release.exists()
    assert release(run).released
    assert (champion(evaluated), champion(evaluated, "previous")) == ("2", "1")
    assert versions(evaluated) == 2


def test_killed_between_the_two_aliases(
    evaluated: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = evaluated.plan("2013-05")
    set_alias = mlflow.MlflowClient.set_registered_model_alias

    def killed(client: Any, name: str, alias: str, version: str) -> None:
        if alias == "champion":
            raise KeyboardInterrupt
        set_alias(client, name, alias, version)

    with monkeypatch.context() as patch:
        patch.setattr(mlflow.MlflowClient, "set_registered_model_alias", killed)
        with pytest.raises(KeyboardInterrupt):
            release(run)
    assert champion(evaluated) == "1"
    assert release(run).released
    assert (champion(evaluated), champion(evaluated, "previous")) == ("2", "1")


def test_a_champion_that_changed_meanwhile_is_judged_anew(evaluated: Project) -> None:
    run = evaluated.plan("2013-05")
    before = evaluation_of(run)
    evaluated.tune(seed=7)
    other = evaluated.work("2013-05", last="release")  # another run of the same period
    assert champion(evaluated) == "2"
    done = release(run)
    after = evaluation_of(run)
    assert before.champion is not None
    assert before.champion.version == "1"
    assert after.champion is not None
    assert (after.champion.version, after.champion.run_id) == ("2", other.run_id)
    assert done.released is after.release


def test_a_later_champion_that_came_meanwhile_stays(evaluated: Project) -> None:
    run = evaluated.plan("2013-05")
    assert evaluation_of(run).release
    later = evaluated.work("2013-06", last="release")
    done = release(run)
    assert not done.released
    assert done.champion is not None
    assert done.champion.run_id == later.run_id
    assert champion(evaluated) == "2"
    assert "never replaces it" in evaluation_of(run).reason


def test_a_model_that_scores_differently_when_loaded_is_not_released(
    evaluated: Project,
) -> None:
    """Let the registry hold another model than the one that was judged."""
    run = evaluated.plan("2013-05")
    scores = Workspace(run).scores
    table = read_parquet(scores)
    (table.with_columns(table["probability"] + 1e-6)).write_parquet(str(scores))
    with pytest.raises(RuntimeError, match="scores differently when loaded from the registry"):
        release(run)
    assert champion(evaluated) == "1"
    assert champion(evaluated, "previous") is None
    assert not Workspace(run).release.exists()


def test_one_release_at_a_time(evaluated: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from filelock import FileLock, Timeout

    monkeypatch.setattr(release_step, "LOCK_SECONDS", 0.1)
    run = evaluated.plan("2013-05")
    with FileLock(evaluated.folder / "runs/.release.lock"), pytest.raises(Timeout):
        release(run)
    assert champion(evaluated) == "1"
    assert release(run).released


def test_rolling_back_and_forth(evaluated: Project) -> None:
    name = evaluated.params.model_name
    release(evaluated.plan("2013-05"))
    before, after = tracking.rollback(name)
    assert (before.version, after.version) == ("2", "1")
    assert (champion(evaluated), champion(evaluated, "previous")) == ("1", "2")
    before, after = tracking.rollback(name)
    assert (before.version, after.version) == ("1", "2")
    assert (champion(evaluated), champion(evaluated, "previous")) == ("2", "1")


def test_no_version_to_roll_back_to(released: Project) -> None:
    with pytest.raises(BadInput, match="No version was champion before this one"):
        tracking.rollback(released.params.model_name)
    assert champion(released) == "1"


def test_nothing_to_roll_back(project: Project) -> None:
    with pytest.raises(BadInput, match="cannot roll back"):
        tracking.rollback(project.params.model_name)


def test_a_run_started_again_leaves_a_rollback_as_it_is(evaluated: Project) -> None:
    run = evaluated.plan("2013-05")
    release(run)
    Workspace(run).release.unlink()  # as if it was killed before it could write it
    tracking.rollback(evaluated.params.model_name)
    done = release(run)
    assert not done.released
    assert done.reason == "version 2, of this run, was rolled back"
    assert (champion(evaluated), versions(evaluated)) == ("1", 2)


def test_rolled_forward_again_it_is_no_longer_marked(evaluated: Project) -> None:
    release(evaluated.plan("2013-05"))
    name = evaluated.params.model_name
    tracking.rollback(name)
    assert tracking.was_rolled_back(name, "2")
    tracking.rollback(name)
    assert not tracking.was_rolled_back(name, "2")
    assert tracking.was_rolled_back(name, "1")


def test_a_run_whose_folder_was_removed_finds_its_version(project: Project) -> None:
    run = project.work("2013-04")
    shutil.rmtree(run.folder)
    result = read_json(Workspace(project.work("2013-04")).result, Result)
    assert result.status == "released"
    assert result.reason == "the champion is of this very run"
    assert versions(project) == 1


def test_a_champion_that_cannot_score_is_named(
    released: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Former:
        def predict_proba(self, table: pl.DataFrame) -> Any:
            return table["a column of last month"]

    run = released.work("2013-05", last="train")
    monkeypatch.setattr(tracking, "load_model", lambda *_: Former())
    with pytest.raises(BadInput, match=r"version 1 of .*, cannot score this table .*of last month"):
        evaluate(run)


def test_what_is_no_number_is_not_released() -> None:
    limits = EvaluateParams(min_auc=0.6, min_gain=0.0)
    released, _ = decide(limits, "2013-05", {"auc": float("nan")}, None, None)
    assert not released


@pytest.mark.parametrize(
    ("address", "page"),
    [
        ("https://ada:secret@tracker.example/mlflow/", "https://tracker.example/mlflow/#/exp"),
        ("postgresql://ada:secret@db.example/mlflow", None),
    ],
)
def test_no_password_in_the_address_of_the_page(
    released: Project, monkeypatch: pytest.MonkeyPatch, address: str, page: str | None
) -> None:
    run = released.plan("2013-04")
    tracker_id = read_json(Workspace(run).training, Training).tracker_id
    kept = mlflow.get_run(tracker_id)
    monkeypatch.setattr("mlflow.get_run", lambda _: kept)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    found = tracking.page_of(tracker_id)
    assert found == page or (page is not None and found is not None and found.startswith(page))


def test_the_address_that_people_reach_the_page_by(
    released: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a stack, a run reaches the tracker by a name that only the stack knows."""
    run = released.plan("2013-04")
    tracker_id = read_json(Workspace(run).training, Training).tracker_id
    kept = mlflow.get_run(tracker_id)
    monkeypatch.setattr("mlflow.get_run", lambda _: kept)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow:5000")
    monkeypatch.setenv("MLFLOW_UI_URL", "https://tracker.example/")
    found = tracking.page_of(tracker_id)
    assert found is not None
    assert found.startswith("https://tracker.example/#/experiments/")
