"""Features and train: labelled rows, and a model that the same data give again."""

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal, assert_series_equal
from sklearn.dummy import DummyRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from {{{ cookiecutter.package_name }}}.runtime import room
from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput
from {{{ cookiecutter.package_name }}}.runtime.files import read_json, read_parquet
from {{{ cookiecutter.package_name }}}.runtime.registry.pickling import load_model
from {{{ cookiecutter.package_name }}}.runtime.results import (
    FeatureTable,
    Snapshot,
    Training,
)
from {{{ cookiecutter.package_name }}}.runtime.run.plan import read_plan
from {{{ cookiecutter.package_name }}}.runtime.run.run_dir import Run, RunDir
from {{{ cookiecutter.package_name }}}.runtime.source.content import sha256
from {{{ cookiecutter.package_name }}}.runtime.steps.train import train

from .conftest import MAIN, OTHER_TRAIN, OUTCOME, P, Project, advance, drop_a_third
from .tracked import logged, runs

LABEL = room.features().LABEL
TIME = room.tables().DATED[MAIN]

# features


def test_a_labelled_row_for_each_row_with_an_outcome(project: Project) -> None:
    run = project.work(P[6], last="features")
    rows = read_parquet(RunDir(run).features(P[5]))
    known = pl.read_parquet(project.delivered(MAIN, P[5])).filter(pl.col(OUTCOME).is_not_null())
    assert rows.height == known.height
    same = [name for name in rows.drop(LABEL).columns if name in known.columns]
    assert_frame_equal(rows.select(same), known.select(same))
    label = room.features().label(project.params.features).alias(LABEL)
    assert_series_equal(rows[LABEL], known.select(label).to_series())
    assert not set(rows.drop(LABEL).columns) & set(room.tables().KNOWN_AFTERWARDS)
    table = read_json(RunDir(run).step_result("features", P[5]), FeatureTable)
    checksum = sha256(RunDir(run).features(P[5]).read_bytes())
    assert table == FeatureTable(rows=rows.height, columns=rows.columns, sha256=checksum)


def test_a_join_that_loses_rows_is_refused(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = project.work(P[6], last="snapshot")
    join = room.features().join
    monkeypatch.setattr(room.features(), "join", lambda tables: join(tables).head(-1))
    with pytest.raises(BadInput, match=r"`join` in features\.py returned .*: let it return"):
        advance(run, "features")


def test_a_slice_by_a_column_that_rows_lack_is_refused_before_training(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room.evaluation(), "SLICES", ("holliday",))
    sentence = r"`SLICES` in evaluation\.py names `holliday`, which `join` does not return: it"
    with pytest.raises(BadInput, match=sentence):
        project.work(P[4], last="features")


# train


def predictions(run: Run) -> Any:
    """Return what the run's model predicts for its period."""
    model = load_model(RunDir(run).model.read_bytes())
    rows = read_parquet(RunDir(run).features(run.period))
    return room.model().predict(model, rows.drop(LABEL))


def test_training_twice_gives_the_same_model(project: Project) -> None:
    run = project.work(P[4], last="train")
    first = predictions(run)
    train(run)
    np.testing.assert_array_equal(predictions(run), first)
    project.tune(runs="others")
    np.testing.assert_array_equal(predictions(project.work(P[4], last="train")), first)
    assert len(np.unique(first)) > 1


def test_parameters_reach_the_model(project: Project) -> None:
    first = predictions(project.work(P[4], last="train"))
    project.tune(train=OTHER_TRAIN)
    second = predictions(project.work(P[4], last="train"))
    assert np.abs(second - first).max() > 0


def use_derived(patch: pytest.MonkeyPatch, derive: Callable[[Any], Any]) -> None:
    """Replace the model by one that derives its columns so, and whose rows hold the time."""
    model = Pipeline([("derive", FunctionTransformer(derive)), ("predict", DummyRegressor())])
    patch.setattr(room.features(), "join", lambda tables: tables[MAIN].select(TIME))
    patch.setattr(room.evaluation(), "SLICES", ())
    patch.setattr(room.model(), "build_model", lambda *_: model)
    patch.setattr(room.model(), "PREDICT_METHOD", "predict")


def test_a_model_may_read_times(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    use_derived(monkeypatch, lambda rows: pl.DataFrame(rows).select(pl.col(TIME).dt.hour()))
    run = project.work(P[4], last="train")
    model = load_model(RunDir(run).model.read_bytes())
    given = pl.Series(TIME, ["2013-04-01T12:00:00"]).str.to_datetime().to_frame()
    assert len(model.predict(given.to_pandas())) == 1  # as a model server calls it


def test_a_model_that_no_server_can_call_is_refused(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_derived(monkeypatch, lambda rows: rows.select(pl.col(TIME).dt.hour()))
    with pytest.raises(
        BadInput,
        match=r"`predict` cannot score rows as a model server passes them \(AttributeError",
    ):
        project.work(P[4], last="train")


def test_a_lack_of_memory_is_no_bad_input(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def derive(rows: Any) -> Any:
        if isinstance(rows, pl.DataFrame):  # when it is fitted; a server passes pandas
            return rows.select(pl.col(TIME).dt.hour())
        raise MemoryError

    use_derived(monkeypatch, derive)
    with pytest.raises(MemoryError):
        project.work(P[4], last="train")


def test_only_good_periods_are_trained_on(project: Project) -> None:
    project.deliver(MAIN, P[4], drop_a_third)
    run = project.work(P[6], last="train")
    training = read_json(RunDir(run).training, Training)
    assert training.periods == [P[3], P[5]]
    heights = [read_parquet(RunDir(run).features(period)).height for period in training.periods]
    assert training.rows == sum(heights)
    assert not RunDir(run).features(P[4]).exists()


def test_training_is_tracked_once(project: Project) -> None:
    run = project.work(P[4], last="train")
    first = read_json(RunDir(run).training, Training)
    again = train(run)
    assert again.tracker_id == first.tracker_id
    assert again.tracker_url == first.tracker_url
    assert runs(project.params.model_name) == [first.tracker_id]
    tracked = logged(first.tracker_id)
    assert tracked.tags["run_id"] == run.run_id
    assert tracked.tags["code_version"] == read_plan(run).code_version
    snapshot = read_json(RunDir(run).snapshot, Snapshot)
    assert tracked.tags["data_version"] == snapshot.data_version
    assert tracked.params["alpha"] == str(project.params.train.model_dump()["alpha"])
