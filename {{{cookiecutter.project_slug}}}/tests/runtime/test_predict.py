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

from .conftest import KEY, MAIN, NEVER, REQUIRED, P, Project, V

PREDICTION = room.model().PREDICTION


def test_every_row_is_scored(released: Project) -> None:
    """Also those without an outcome, and where nothing is known yet that is known afterwards."""
    file = predict(released.params, P[6])
    assert str(file) == f"predictions/{P[6]}.parquet"
    scored = read_parquet(file)
    assert scored.columns == [*KEY, PREDICTION, "version"]
    rows = pl.read_parquet(released.delivered(MAIN, P[6]))
    assert scored.select(KEY).equals(rows.select(KEY))
    assert scored[PREDICTION].is_finite().all()
    assert scored[PREDICTION].n_unique() > 1
    assert scored["version"].unique().to_list() == [V[1]]
    released.deliver(MAIN, P[6], lambda rows: rows.drop(room.tables().KNOWN_AFTERWARDS))
    assert read_parquet(predict(released.params, P[6])).equals(scored)


def test_the_predictions_are_those_of_the_evaluation(released: Project) -> None:
    evaluated = read_parquet(RunDir(released.plan(P[4])).scores)
    now = read_parquet(predict(released.params, P[4]))
    both = evaluated.join(now, on=KEY, suffix="_now")
    assert both.height == evaluated.height
    np.testing.assert_allclose(both[PREDICTION], both[f"{PREDICTION}_now"], rtol=0, atol=1e-12)


def test_after_a_rollback_the_other_version_scores(evaluated: Project) -> None:
    release(evaluated.plan(P[5]))
    assert read_parquet(predict(evaluated.params, P[6]))["version"][0] == V[2]
    registry.rollback(evaluated.params.model_name)
    assert read_parquet(predict(evaluated.params, P[6]))["version"][0] == V[1]


def refused(project: Project, period: str = P[6]) -> str:
    with pytest.raises(BadInput) as refusal:
        predict(project.params, period)
    assert not (project.folder / "predictions").exists()
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


def test_without_a_champion(project: Project) -> None:
    assert refused(project).endswith("is released yet: run `make run` first.")


@pytest.mark.parametrize("period", [NEVER, "2013-6"])
def test_a_period_that_was_not_delivered(released: Project, period: str) -> None:
    assert period in refused(released, period)


def test_data_that_break_the_contract(released: Project) -> None:
    file = released.delivered(MAIN, P[6])
    released.deliver(MAIN, P[6], lambda rows: rows.drop(REQUIRED))
    contract = f"{P[6]} breaks the data contract"
    assert refused(released) == f"{contract}: {MAIN}.{REQUIRED}: the column is missing."
    file.write_bytes(b"PAR1 truncated")
    assert refused(released).startswith(f"{P[6]} cannot be scored: {MAIN}/")
    assert ".parquet is not readable as Parquet: " in refused(released)
    file.unlink()
    assert refused(released) == f"{contract}: {MAIN}: no file was delivered."
    shutil.rmtree(file.parent)
    assert refused(released).startswith(f"The source has no {P[6]}")
