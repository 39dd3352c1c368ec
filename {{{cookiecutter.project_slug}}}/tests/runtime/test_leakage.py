"""Nothing of the period reaches the model, and nothing known afterwards reaches a prediction.

A model is evaluated on the rows of its period: what it learns may not depend on them.
"""

import shutil
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from {{{ cookiecutter.package_name }}}.runtime import room
from {{{ cookiecutter.package_name }}}.runtime.files import read_json, read_parquet
from {{{ cookiecutter.package_name }}}.runtime.periods import bounds
from {{{ cookiecutter.package_name }}}.runtime.registry import store
from {{{ cookiecutter.package_name }}}.runtime.registry.pickling import load_model
from {{{ cookiecutter.package_name }}}.runtime.results import Evaluation
from {{{ cookiecutter.package_name }}}.runtime.run.run_dir import Run, RunDir

from .conftest import KEY, MAIN, OUTCOME, REQUIRED, P, Project, copy_of, enter

PERIOD = P[5]
WINDOW = (P[2], P[3], P[4])
LABEL = room.features().LABEL


@pytest.fixture(scope="module")
def trained_folder(fresh: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which the run for the period has come as far as its training."""
    folder = shutil.copytree(fresh, tmp_path_factory.mktemp("trained") / "project")
    with pytest.MonkeyPatch.context() as patch:
        enter(folder, patch).work(PERIOD, last="train")
    return folder


@pytest.fixture
def trained(trained_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The same, of the test's own."""
    return enter(copy_of(trained_folder, tmp_path), monkeypatch)


def rows_of(run: Run, period: str = PERIOD) -> pl.DataFrame:
    return read_parquet(RunDir(run).features(period))


def predicted(run: Run, rows: pl.DataFrame) -> pl.Series:
    """Return what the model of a run predicts for rows with their label."""
    model = load_model(RunDir(run).model.read_bytes())
    return pl.Series("prediction", room.model().predict(model, rows.drop(LABEL)))


def permuted(rows: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """Give every row the values of another, in these columns."""
    other = rows.select(columns).sample(fraction=1, shuffle=True, seed=1)
    return rows.with_columns(other)


def test_outcomes_of_the_period_change_no_prediction(trained: Project) -> None:
    before = trained.plan(PERIOD)
    afterwards = room.tables().KNOWN_AFTERWARDS
    trained.deliver(MAIN, PERIOD, lambda rows: permuted(rows, *afterwards))
    after = trained.work(PERIOD, last="train")
    assert before.run_id != after.run_id
    # Whether a row has an outcome is known afterwards, too: compare those that have one both times.
    first, second = (
        rows_of(run).with_columns(predicted(run, rows_of(run))) for run in (before, after)
    )
    both = first.join(second, on=KEY, suffix="_after")
    assert both.height > first.height / 2
    assert (both[LABEL] != both[f"{LABEL}_after"]).mean() > 0.1  # type: ignore[operator]
    np.testing.assert_array_equal(both["prediction"], both["prediction_after"])


def test_values_of_the_period_do_not_change_the_model(trained: Project) -> None:
    before = trained.plan(PERIOD)
    trained.deliver(MAIN, PERIOD, lambda rows: permuted(rows, REQUIRED, OUTCOME))
    after = trained.work(PERIOD, last="train")
    rows = rows_of(before)
    assert not rows.equals(rows_of(after))
    np.testing.assert_array_equal(predicted(before, rows), predicted(after, rows))


def test_values_of_the_window_do_change_the_model(trained: Project) -> None:
    """The test above could not fail if nothing ever changed the model."""
    before = trained.plan(PERIOD)
    trained.deliver(MAIN, WINDOW[-1], lambda rows: permuted(rows, OUTCOME))
    after = trained.work(PERIOD, last="train")
    rows = rows_of(before)
    assert not predicted(before, rows).equals(predicted(after, rows))


def test_the_rows_of_a_period_do_not_depend_on_other_periods(trained: Project) -> None:
    before = trained.plan(PERIOD)
    for table in room.tables().DATED:
        for period in (PERIOD, *WINDOW[:-1]):
            trained.deliver(table, period, lambda rows: rows.sample(fraction=0.9, seed=1))
    after = trained.work(PERIOD, last="features")
    assert not rows_of(before).equals(rows_of(after))
    assert_frame_equal(rows_of(before, WINDOW[-1]), rows_of(after, WINDOW[-1]))


def test_a_champion_of_another_cadence_may_have_seen_the_period(
    released: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is of a day within the period, as after a change of the cadence."""
    day = bounds(PERIOD, "UTC")[0].date() + timedelta(days=1)
    champion = store.aliased(released.params.model_name, "champion")
    assert champion is not None
    other = champion.model_copy(update={"tags": champion.tags | {"period": day.isoformat()}})
    monkeypatch.setattr(store, "aliased", lambda *_: other)
    run = released.work(PERIOD, last="evaluate")
    evaluation = read_json(RunDir(run).evaluation, Evaluation)
    assert evaluation.champion_metrics is None
    assert f"is of a later period, {day}, and {PERIOD} never replaces it" in evaluation.reason


def test_the_champion_is_never_compared_on_what_it_was_trained_on(project: Project) -> None:
    project.work(P[6])  # trained on P[3] to P[5]
    run = project.work(PERIOD, last="evaluate")
    evaluation = read_json(RunDir(run).evaluation, Evaluation)
    assert evaluation.champion is not None
    assert evaluation.champion_metrics is None
    assert not evaluation.release
