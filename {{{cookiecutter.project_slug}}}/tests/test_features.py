"""The rows: one for each flight, with what is known before departure, and the label."""

import polars as pl
import pytest
from polars.testing import assert_series_equal

from {{{ cookiecutter.package_name }}}.features import check_labels, join, label
from {{{ cookiecutter.package_name }}}.params import FeatureParams
from {{{ cookiecutter.package_name }}}.tables import FLIGHT_KEY, HOUR, OUTCOME

Tables = dict[str, pl.DataFrame]

{% if cookiecutter.problem == "binary" %}
PARAMS = FeatureParams(late_minutes=15)
{% else %}
PARAMS = FeatureParams(longest_delay=180)
{% endif %}


def test_a_row_for_each_flight_in_their_order(tables: Tables) -> None:
    assert join(tables).select(FLIGHT_KEY).equals(tables["flights"].select(FLIGHT_KEY))


def test_a_flight_whose_key_is_not_whole_is_kept(tables: Tables) -> None:
    flights = tables["flights"].with_columns(carrier=pl.lit(None, pl.String))
    assert join(tables | {"flights": flights}).height == flights.height


def test_the_weather_is_that_of_the_hour_before(tables: Tables) -> None:
    number = pl.col(HOUR).dt.epoch("s") // 3600
    weather = tables["weather"].with_columns(temp=number.cast(pl.Float64))
    rows = join(tables | {"weather": weather}).drop_nulls("temp")
    assert rows.height > 500
    assert rows.select((number - 1 == pl.col("temp")).all()).item()


@pytest.mark.parametrize(
    ("table", "key", "columns"),
    [
        ("weather", "origin", ["temp", "visib"]),
        ("planes", "tailnum", ["plane_year", "engines", "seats"]),
        ("airports", "faa", ["dest_lat", "dest_lon"]),
    ],
)
def test_what_is_not_known_is_missing(
    tables: Tables, table: str, key: str, columns: list[str]
) -> None:
    others = tables[table].with_columns(pl.col(key) + "?")
    rows = join(tables | {table: others})
    assert rows.height == tables["flights"].height
    assert rows.select(pl.col(columns).is_null().all()).row(0) == (True,) * len(columns)


{% if cookiecutter.problem == "binary" %}
def test_a_cancelled_flight_has_no_label() -> None:
    flights = pl.DataFrame({OUTCOME: [None, -5, 15, 16]}, schema={OUTCOME: pl.Int64})
    expected = pl.Series(OUTCOME, [None, False, False, True])
    assert_series_equal(flights.select(label(PARAMS)).to_series(), expected)


def test_late_is_what_the_parameter_says() -> None:
    flights = pl.DataFrame({OUTCOME: [59, 60, 61]})
    labels = flights.select(label(FeatureParams(late_minutes=60))).to_series()
    assert labels.to_list() == [False, False, True]


def test_the_labels_of_the_sample_pass(tables: Tables) -> None:
    assert check_labels(tables["flights"].select(label(PARAMS)).to_series(), PARAMS) is None


@pytest.mark.parametrize(("late", "share"), [(True, "100.0%"), (False, "0.0%"), (None, "0.0%")])
def test_a_period_in_which_all_or_none_are_late(late: bool | None, share: str) -> None:
    labels = pl.Series([late] * 1000, dtype=pl.Boolean)
    assert check_labels(labels, PARAMS) == (
        f"{share} are more than 15 minutes late, 1.0% to 99.0% are expected"
    )
{% else %}
def test_the_label_is_the_delay_and_a_cancelled_flight_has_none() -> None:
    flights = pl.DataFrame({OUTCOME: [None, -5, 180, 181]}, schema={OUTCOME: pl.Int64})
    expected = pl.Series(OUTCOME, [None, -5.0, 180.0, 180.0])
    assert_series_equal(flights.select(label(PARAMS)).to_series(), expected)


def test_the_longest_delay_is_what_the_parameter_says() -> None:
    flights = pl.DataFrame({OUTCOME: [59, 60, 61]})
    labels = flights.select(label(FeatureParams(longest_delay=60))).to_series()
    assert labels.to_list() == [59, 60, 60]


def test_the_labels_of_the_sample_pass(tables: Tables) -> None:
    assert check_labels(tables["flights"].select(label(PARAMS)).to_series(), PARAMS) is None


@pytest.mark.parametrize("delay", [-31, 121])
def test_a_period_whose_mean_delay_is_not_expected(delay: int) -> None:
    assert check_labels(pl.Series([float(delay)] * 1000), PARAMS) == (
        f"the mean delay is {delay} minutes, -30 to 120 are expected"
    )
{% endif %}
