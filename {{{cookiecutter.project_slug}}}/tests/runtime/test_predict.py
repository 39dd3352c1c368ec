"""`make predict`: the champion's predictions for a period, or one sentence why not."""

import shutil

import numpy as np
import polars as pl
import pytest

from {{{ cookiecutter.package_name }}}.runtime import room
from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput
from {{{ cookiecutter.package_name }}}.runtime.files import read_parquet
from {{{ cookiecutter.package_name }}}.runtime.registry import registry
from {{{ cookiecutter.package_name }}}.runtime.run.run_dir import RunDir
from {{{ cookiecutter.package_name }}}.runtime.steps.predict import predict
from {{{ cookiecutter.package_name }}}.runtime.steps.release import release

from .conftest import KEY, MAIN, REQUIRED, Project

PREDICTION = room.model().PREDICTION


def test_every_row_is_scored(released: Project) -> None:
    """Also those without an outcome, and where nothing is known yet that is known afterwards."""
    file = predict(released.params, "2013-06")
    assert str(file) == "predictions/2013-06.parquet"
    scored = read_parquet(file)
    assert scored.columns == [*KEY, PREDICTION, "version"]
    rows = pl.read_parquet(released.delivered(MAIN, "2013-06"))
    assert scored.select(KEY).equals(rows.select(KEY))
    assert scored[PREDICTION].is_finite().all()
    assert scored[PREDICTION].n_unique() > 1
    assert scored["version"].unique().to_list() == ["1"]
    released.deliver(MAIN, "2013-06", lambda rows: rows.drop(room.tables().KNOWN_AFTERWARDS))
    assert read_parquet(predict(released.params, "2013-06")).equals(scored)


def test_the_predictions_are_those_of_the_evaluation(released: Project) -> None:
    evaluated = read_parquet(RunDir(released.plan("2013-04")).scores)
    now = read_parquet(predict(released.params, "2013-04"))
    both = evaluated.join(now, on=KEY, suffix="_now")
    assert both.height == evaluated.height
    np.testing.assert_allclose(both[PREDICTION], both[f"{PREDICTION}_now"], rtol=0, atol=1e-12)


def test_after_a_rollback_the_other_version_scores(evaluated: Project) -> None:
    release(evaluated.plan("2013-05"))
    assert read_parquet(predict(evaluated.params, "2013-06"))["version"][0] == "2"
    registry.rollback(evaluated.params.model_name)
    assert read_parquet(predict(evaluated.params, "2013-06"))["version"][0] == "1"


def refused(project: Project, period: str = "2013-06") -> str:
    with pytest.raises(BadInput) as refusal:
        predict(project.params, period)
    assert not (project.folder / "predictions").exists()
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


def test_without_a_champion(project: Project) -> None:
    assert refused(project).endswith("is released yet: run `make run` first.")


@pytest.mark.parametrize("period", ["2099-07", "2013-6"])
def test_a_period_that_was_not_delivered(released: Project, period: str) -> None:
    assert period in refused(released, period)


def test_data_that_break_the_contract(released: Project) -> None:
    file = released.delivered(MAIN, "2013-06")
    released.deliver(MAIN, "2013-06", lambda rows: rows.drop(REQUIRED))
    contract = "2013-06 breaks the data contract"
    assert refused(released) == f"{contract}: {MAIN}.{REQUIRED}: the column is missing."
    file.write_bytes(b"PAR1 truncated")
    assert refused(released).startswith(f"2013-06 cannot be scored: {MAIN}/")
    assert refused(released).endswith(".parquet is not readable as Parquet.")
    file.unlink()
    assert refused(released) == f"{contract}: {MAIN}: no file was delivered."
    shutil.rmtree(file.parent)
    assert refused(released).startswith("The source has no 2013-06")
