"""The data contract: the sample passes, and every rule, broken alone, is found and named.

The cases come from the schemas themselves: a rule that is added there is broken here too, and one
of a new kind fails until `violations` knows how to break it.
"""

import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from {{{ cookiecutter.package_name }}}.contract import (
    CONTRACT,
    FLIGHT_KEY,
    WEATHER_KEY,
    Finding,
    Rule,
    find_faults,
)
from {{{ cookiecutter.package_name }}}.source import MONTHLY, UNDATED, Source

MONTH = "2013-06"
SCHEMAS = {name: schema(MONTH) for name, schema in CONTRACT.items()}
COLUMNS = [(name, column) for name, schema in SCHEMAS.items() for column in schema.columns]
RULES = [
    pytest.param(table, column, rule, id=f"{table}.{column}-{rule.what}")
    for table, column in COLUMNS
    for rule in SCHEMAS[table].columns[column].metadata["rules"]
    if rule.what != "missing"
]

Tables = dict[str, pl.DataFrame]


@pytest.fixture(scope="module")
def tables(source: Path) -> Tables:
    """The tables of a month that is as good as real data are."""
    files = Source(str(source)).files(MONTH)
    return {name.split("/")[0]: pl.read_parquet(str(file)) for name, file in files.items()}


def found(tables: Tables, **changed: pl.DataFrame) -> list[str]:
    return [str(finding) for finding in find_faults(tables | changed, MONTH)]


def replaced(rows: pl.DataFrame, column: str, value: pl.Expr, count: int) -> pl.DataFrame:
    """Put `value` into `count` rows that have one in `column`, far from each other."""
    there = pl.col(column).is_not_null()
    step = max(rows[column].count() // max(count, 1), 1)
    chosen = there & (there.cum_sum() % step == 0) & (there.cum_sum() <= count * step)
    changed = pl.when(chosen).then(value).otherwise(pl.col(column))
    return rows.with_columns(changed.cast(rows.schema[column]).alias(column))


def one_too_many(rows: pl.DataFrame, share: float) -> int:
    return int(share * rows.height) + 1


def allowed_missing(table: str, column: str) -> float:
    (share,) = [
        rule.allowed
        for rule in SCHEMAS[table].columns[column].metadata["rules"]
        if rule.what == "missing"
    ]
    return float(share)


def told(count: int, rows: int) -> str:
    """Say which share of the rows breaks a rule; of a few among very many, how many."""
    return f"{count / rows:.1%}" if count / rows >= 0.001 else f"{count} of {rows:,}"


def allowance(share: float) -> str:
    return f"{share:.1%} allowed" if share else "none allowed"


def violations(column: str, what: str) -> list[pl.Expr]:
    """Return values that break a rule: each end of a range, for one."""
    if limits := re.fullmatch(r"outside (\S+) to (\S+)", what):
        low, high = map(float, limits.groups())
        return [pl.lit(low - 1), pl.lit(high + 1)]
    if what == f"outside {MONTH} by New York's clocks":
        return [pl.col(column).dt.offset_by(by) for by in ("-30d", "30d")]
    if what == f"not the {column} of `time_hour` by New York's clocks":
        return [pl.col(column) - 1, pl.col(column) + 1]
    if what == "not EWR, JFK or LGA":
        return [pl.lit("BOS")]
    pytest.fail(f"no value is known here that breaks the rule {what!r}: add one")


def test_the_sample_passes(tables: Tables) -> None:
    assert found(tables) == []


def test_rules_are_found_in_the_schemas() -> None:
    assert set(SCHEMAS) == {"flights", "weather", "planes", "airports"} == {*MONTHLY, *UNDATED}
    assert len(COLUMNS) >= 30
    assert len(RULES) >= 20


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_missing_column(tables: Tables, table: str, column: str) -> None:
    assert found(tables, **{table: tables[table].drop(column)}) == [
        f"{table}.{column}: the column is missing"
    ]


def test_renamed_column(tables: Tables) -> None:
    assert found(tables, flights=tables["flights"].rename({"hour": "Hour"})) == [
        "flights.hour: the column is missing"
    ]


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_wrong_type(tables: Tables, table: str, column: str) -> None:
    rows = tables[table]
    text = rows.schema[column] == pl.String
    wrong = pl.int_range(pl.len()) if text else pl.col(column).cast(pl.String)
    changed = rows.with_columns(wrong.alias(column))
    assert found(tables, **{table: changed}) == [
        f"{table}.{column}: its type is {changed.schema[column]}, not {rows.schema[column]}"
    ]


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_too_many_missing(tables: Tables, table: str, column: str) -> None:
    rows, allowed = tables[table], allowed_missing(table, column)
    count = one_too_many(rows, allowed)
    more = count - rows[column].null_count()
    assert found(tables, **{table: replaced(rows, column, pl.lit(None), more)}) == [
        f"{table}.{column}: {told(count, rows.height)} are missing, {allowance(allowed)}"
    ]


def test_as_many_missing_as_allowed(tables: Tables) -> None:
    for table, column in COLUMNS:
        rows = tables[table]
        if column in (SCHEMAS[table].unique or []):
            continue  # rows that lack part of their key may repeat each other
        more = int(allowed_missing(table, column) * rows.height) - rows[column].null_count()
        tables = tables | {table: replaced(rows, column, pl.lit(None), more)}
    assert found(tables) == []


@pytest.mark.parametrize(("table", "column", "rule"), RULES)
def test_values_that_break_a_rule(tables: Tables, table: str, column: str, rule: Rule) -> None:
    rows = tables[table]
    count = one_too_many(rows, rule.allowed)
    for value in violations(column, rule.what):
        findings = found(tables, **{table: replaced(rows, column, value, count)})
        many = told(count, rows[column].count())
        assert f"{table}.{column}: {many} are {rule.what}, {allowance(rule.allowed)}" in findings
        # With an hour of another month, the columns that tell of the same hour differ from it.
        assert len(findings) == 1 or (table, column) == ("flights", "time_hour")


def test_a_few_exceptions_are_allowed(tables: Tables) -> None:
    rows = tables["flights"]
    assert found(tables, flights=replaced(rows, "distance", pl.lit(0), 1)) == []


@pytest.mark.parametrize("table", SCHEMAS)
def test_duplicates(tables: Tables, table: str) -> None:
    rows = tables[table]
    key = {"flights": FLIGHT_KEY, "weather": WEATHER_KEY, "planes": ["tailnum"]}
    assert found(tables, **{table: pl.concat([rows, rows.head(3)])}) == [
        f"{table}: 3 rows repeat the {', '.join(key.get(table, ['faa']))} of another"
    ]


@pytest.mark.parametrize("table", SCHEMAS)
def test_too_few_rows(tables: Tables, table: str) -> None:
    (check,) = SCHEMAS[table].checks
    fewest = check.statistics["fewest"]
    # Those with a value, so that what is missing stays a small share.
    rows = tables[table].sort(pl.sum_horizontal(pl.all().is_null()))
    assert found(tables, **{table: rows.head(fewest - 1)}) == [
        f"{table}: {fewest - 1:,} rows, at least {fewest:,} are expected"
    ]
    assert found(tables, **{table: rows.head(fewest)}) == []


def test_empty_tables(tables: Tables) -> None:
    findings = found({name: rows.clear() for name, rows in tables.items()})
    assert [text.split(":")[0] for text in findings] == list(SCHEMAS)


def test_another_month(tables: Tables) -> None:
    """All that tells of the time is of one month, and not of the one it was delivered as."""
    findings = find_faults(tables, "2013-07")
    assert {(finding.table, finding.column) for finding in findings} == {
        ("flights", "time_hour"),
        ("weather", "time_hour"),
    }
    assert all("100.0% are outside 2013-07" in str(finding) for finding in findings)


@pytest.mark.parametrize("zone", [None, "America/New_York"])
def test_another_time_zone_is_another_type(tables: Tables, zone: str | None) -> None:
    hours = pl.col("time_hour")
    hours = hours.dt.convert_time_zone(zone) if zone else hours.dt.replace_time_zone(None)
    (finding,) = found(tables, flights=tables["flights"].with_columns(hours))
    assert finding.startswith("flights.time_hour: its type is Datetime(")


def test_local_hours_that_pass_as_utc(tables: Tables) -> None:
    hours = pl.col("time_hour").dt.convert_time_zone("America/New_York").dt.replace_time_zone("UTC")
    findings = found(tables, flights=tables["flights"].with_columns(hours))
    assert any("100.0% are not the hour of `time_hour`" in finding for finding in findings)


@pytest.mark.parametrize("column", ["year", "month", "day"])
def test_a_single_date_that_is_none_is_found(tables: Tables, column: str) -> None:
    """No model could be fitted on it."""
    flights = replaced(tables["flights"], column, pl.lit(99), 1)
    (finding,) = found(tables, flights=flights)
    assert finding.startswith(f"flights.{column}: 1 of ")
    assert finding.endswith("none allowed")


def test_not_a_number_is_out_of_range(tables: Tables) -> None:
    weather = tables["weather"].with_columns(temp=pl.lit(float("nan")))
    assert found(tables, weather=weather) == [
        "weather.temp: 100.0% are outside -40 to 130, 0.1% allowed"
    ]


def test_ignored_columns_may_be_missing(tables: Tables) -> None:
    without: dict[str, Any] = tables | {"flights": tables["flights"].drop("arr_delay")}
    assert find_faults(without, MONTH, ignore=("arr_delay",)) == []


def test_a_finding_of_a_whole_table_names_no_column() -> None:
    finding = Finding(table="flights", column=None, message="it is odd")
    assert str(finding) == "flights: it is odd"
