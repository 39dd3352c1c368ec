"""The tables: the sample breaks no rule, and every rule for values, broken alone, is found.

The cases come from the schemas themselves: a rule that is added there is broken here too, and one
of a new kind fails until `violations` knows how to break it.
"""

import re
from typing import Any

import polars as pl
import pytest

from {{{ cookiecutter.package_name }}}.runtime.schema import Rule
from {{{ cookiecutter.package_name }}}.runtime.source.contract import find_faults
from {{{ cookiecutter.package_name }}}.tables import (
    DATED,
    HOUR,
    KNOWN_AFTERWARDS,
    TABLES,
    TIME_ZONE,
)

from .conftest import PERIOD

RULES = [
    pytest.param(table, name, rule, id=f"{table}.{name}-{rule.what}")
    for table, schema in TABLES.items()
    for name, column in schema.columns.items()
    for rule in column.metadata["rules"]
    if rule.what != "missing"
]

Tables = dict[str, pl.DataFrame]


def found(tables: Tables, **changed: pl.DataFrame) -> list[str]:
    """Return what is wrong with the tables once some are changed."""
    return [str(finding) for finding in find_faults(tables | changed, PERIOD, TABLES)]


def replaced(rows: pl.DataFrame, column: str, value: pl.Expr, count: int) -> pl.DataFrame:
    """Put `value` into `count` rows that have one in `column`, far from each other."""
    present = pl.col(column).is_not_null()
    step = max(rows[column].count() // max(count, 1), 1)
    chosen = present & (present.cum_sum() % step == 0) & (present.cum_sum() <= count * step)
    changed = pl.when(chosen).then(value).otherwise(pl.col(column))
    return rows.with_columns(changed.cast(rows.schema[column]).alias(column))


def violations(column: str, what: str) -> list[pl.Expr]:
    """Return values that break a rule: each end of a range, for one."""
    if limits := re.fullmatch(r"outside (\S+) to (\S+)", what):
        low, high = map(float, limits.groups())
        return [pl.lit(low - 1), pl.lit(high + 1)]
    if what == f"not the {column} of `{HOUR}` in {TIME_ZONE}":
        return [pl.col(column) - 1, pl.col(column) + 1]
    if what == "not EWR, JFK or LGA":
        return [pl.lit("BOS")]
    pytest.fail(f"no value is known here that breaks the rule {what!r}: add one")


def in_local_time(zone: str | None) -> pl.Expr:
    """Return the hours as clocks in New York show them, said to be of a zone."""
    return pl.col(HOUR).dt.convert_time_zone(TIME_ZONE).dt.replace_time_zone(zone)


def test_the_sample_passes(tables: Tables) -> None:
    assert found(tables) == []


def test_rules_are_found_in_the_schemas() -> None:
    assert set(TABLES) == {"flights", "weather", "planes", "airports"}
    assert len(RULES) >= 20


def test_what_is_known_afterwards() -> None:
    assert set(KNOWN_AFTERWARDS) == {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"}


@pytest.mark.parametrize(("table", "column", "rule"), RULES)
def test_values_that_break_a_rule(tables: Tables, table: str, column: str, rule: Rule) -> None:
    rows = tables[table]
    count = int(rule.allowed * rows.height) + 1
    for value in violations(column, rule.what):
        (finding,) = found(tables, **{table: replaced(rows, column, value, count)})
        assert finding.startswith(f"{table}.{column}: ")
        assert f" are {rule.what}, " in finding


def test_a_few_exceptions_are_allowed(tables: Tables) -> None:
    rows = tables["flights"]
    assert found(tables, flights=replaced(rows, "distance", pl.lit(0), 1)) == []


@pytest.mark.parametrize(("column", "value"), [("day", 31), ("month", 99), ("year", 99)])
def test_a_single_date_that_does_not_exist(tables: Tables, column: str, value: int) -> None:
    """No model could be fitted on it."""
    (finding,) = found(tables, flights=replaced(tables["flights"], column, pl.lit(value), 1))
    assert finding.startswith(f"flights.{column}: ")
    assert finding.endswith("none allowed")


@pytest.mark.parametrize("zone", [None, TIME_ZONE])
@pytest.mark.parametrize("table", DATED)
def test_another_time_zone_is_another_type(tables: Tables, table: str, zone: str | None) -> None:
    changed: dict[str, Any] = {table: tables[table].with_columns(in_local_time(zone))}
    (finding,) = found(tables, **changed)
    assert finding.startswith(f"{table}.{HOUR}: its type is Datetime(")


def test_local_hours_that_pass_as_utc(tables: Tables) -> None:
    findings = found(tables, flights=tables["flights"].with_columns(in_local_time("UTC")))
    assert any(f"100.0% are not the hour of `{HOUR}`" in finding for finding in findings)


def test_local_hours_of_the_weather_alone_that_pass_as_utc(tables: Tables) -> None:
    (finding,) = found(tables, weather=tables["weather"].with_columns(in_local_time("UTC")))
    assert f"are outside {PERIOD} in {TIME_ZONE}" in finding


def test_hours_a_year_ahead(tables: Tables) -> None:
    ahead = tables["flights"].with_columns(pl.col(HOUR).dt.offset_by("1y"))
    findings = found(tables, flights=ahead)
    assert f"flights.{HOUR}: 100.0% are outside {PERIOD} in {TIME_ZONE}, none allowed" in findings
