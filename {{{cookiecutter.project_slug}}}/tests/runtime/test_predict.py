"""`make predict`: the champion's probabilities of a month, or one sentence why not."""

import shutil

import numpy as np
import polars as pl
import pytest

from {{{ cookiecutter.package_name }}} import tracking
from {{{ cookiecutter.package_name }}}.contract import (
    FLIGHT_KEY,
    KNOWN_AFTER_DEPARTURE,
)
from {{{ cookiecutter.package_name }}}.errors import BadInput
from {{{ cookiecutter.package_name }}}.steps.predict import predict
from {{{ cookiecutter.package_name }}}.workspace import (
    Workspace,
    read_parquet,
)

from .conftest import Project


def test_every_flight_is_scored(released: Project) -> None:
    file = predict(released.params, "2013-07")
    assert str(file) == "predictions/2013-07.parquet"
    table = read_parquet(file)
    assert table.columns == [*FLIGHT_KEY, "probability", "version"]
    flights = pl.read_parquet(released.delivered("flights", "2013-07"))
    assert flights["arr_delay"].null_count() > 0  # cancelled ones are scored as well
    assert table.select(FLIGHT_KEY).equals(flights.select(FLIGHT_KEY))
    assert table["probability"].is_between(0, 1).all()
    assert table["probability"].n_unique() > 1000
    assert table["version"].unique().to_list() == ["1"]


def test_the_scores_are_those_of_the_evaluation(released: Project) -> None:
    judged = read_parquet(Workspace(released.plan("2013-04")).scores)
    now = read_parquet(predict(released.params, "2013-04"))
    both = judged.join(now, on=FLIGHT_KEY, suffix="_now")
    assert both.height == judged.height
    np.testing.assert_allclose(both["probability"], both["probability_now"], rtol=0, atol=1e-12)


def test_a_month_that_has_not_flown_yet_is_scored(released: Project) -> None:
    released.deliver("flights", "2013-07", lambda rows: rows.drop(KNOWN_AFTER_DEPARTURE))
    assert read_parquet(predict(released.params, "2013-07")).height > 3000


def test_after_a_rollback_the_other_version_scores(evaluated: Project) -> None:
    from {{{ cookiecutter.package_name }}}.steps.release import release

    release(evaluated.plan("2013-05"))
    assert read_parquet(predict(evaluated.params, "2013-07"))["version"][0] == "2"
    tracking.rollback(evaluated.params.model_name)
    assert read_parquet(predict(evaluated.params, "2013-07"))["version"][0] == "1"


def refused(project: Project, period: str = "2013-07") -> str:
    with pytest.raises(BadInput) as refusal:
        predict(project.params, period)
    assert not (project.folder / "predictions").exists()
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


def test_without_a_champion(project: Project) -> None:
    assert refused(project).endswith("is released yet: run `make run` first.")


@pytest.mark.parametrize("period", ["2014-07", "2013-7"])
def test_a_period_that_is_not_there(released: Project, period: str) -> None:
    assert period in refused(released, period)


def test_a_month_that_breaks_the_contract(released: Project) -> None:
    released.deliver("flights", "2013-07", lambda rows: rows.drop("dest"))
    assert refused(released) == (
        "2013-07 breaks the data contract: flights.dest: the column is missing."
    )


def test_a_file_that_is_not_parquet(released: Project) -> None:
    released.delivered("weather", "2013-07").write_bytes(b"PAR1 cut off")
    sentence = "2013-07 cannot be scored: weather/month=2013-07/weather.parquet is not readable"
    assert sentence in refused(released)


def test_a_table_that_was_not_delivered(released: Project) -> None:
    shutil.rmtree(released.delivered("weather", "2013-07").parent)
    assert refused(released) == (
        "2013-07 breaks the data contract: weather: no file was delivered."
    )
