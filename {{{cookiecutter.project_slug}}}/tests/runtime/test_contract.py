"""Faults of tables are found and named, whichever tables the team's module has.

The cases come from its schemas. What its own rules allow is in `tests/test_tables.py`.
"""

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest

from {{{ cookiecutter.package_name }}}.runtime import room
from {{{ cookiecutter.package_name }}}.runtime.periods import bounds
from {{{ cookiecutter.package_name }}}.runtime.schema import (
    at_least_rows,
    at_most,
    column,
    within,
)
from {{{ cookiecutter.package_name }}}.runtime.source.contract import find_faults
from {{{ cookiecutter.package_name }}}.runtime.source.reader import Source

from .conftest import MAIN, P, allowed_missing
from .damage import of_another_type

PERIOD, ANOTHER = P[6], P[7]
TABLES = room.tables().TABLES
DATED = room.tables().DATED
COLUMNS = [(table, name) for table, schema in TABLES.items() for name in schema.columns]
LIMITED = [place for place in COLUMNS if allowed_missing(*place) < 1]
FEWEST = {
    name: check.statistics["fewest"]
    for name, schema in TABLES.items()
    for check in schema.checks
    if "fewest" in check.statistics
}

Tables = dict[str, pl.DataFrame]


@pytest.fixture(scope="module")
def tables(source: Path) -> Tables:
    """The tables of a period that breaks no rule."""
    return Source(str(source)).tables(PERIOD, TABLES)


def found(tables: Tables) -> list[str]:
    return [str(finding) for finding in find_faults(tables, PERIOD, TABLES)]


def share(count: int, rows: int) -> str:
    """Return a share as findings write it: of a few among very many, how many."""
    return f"{count / rows:.1%}" if count / rows >= 0.001 else f"{count} of {rows:,}"


def with_nulls(rows: pl.DataFrame, column: str, count: int) -> pl.DataFrame:
    """Return rows of which `count` lack a column, far from each other."""
    present = pl.col(column).is_not_null()
    more = count - rows[column].null_count()
    step = max(rows[column].count() // max(more, 1), 1)
    lost = present & (present.cum_sum() % step == 0) & (present.cum_sum() <= more * step)
    return rows.with_columns(pl.when(~lost).then(column).alias(column))


def test_good_tables(tables: Tables) -> None:
    assert found(tables) == []


@pytest.mark.parametrize("table", TABLES)
def test_missing_table(tables: Tables, table: str) -> None:
    others = {name: rows for name, rows in tables.items() if name != table}
    assert found(others) == [f"{table}: no file was delivered"]


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_missing_column(tables: Tables, table: str, column: str) -> None:
    without = tables | {table: tables[table].drop(column)}
    assert found(without) == [f"{table}.{column}: the column is missing"]


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_wrong_type(tables: Tables, table: str, column: str) -> None:
    rows = tables[table]
    changed = of_another_type(rows, column)
    assert found(tables | {table: changed}) == [
        f"{table}.{column}: its type is {changed.schema[column]}, not {rows.schema[column]}"
    ]


@pytest.mark.parametrize(("table", "column"), LIMITED)
def test_too_many_missing(tables: Tables, table: str, column: str) -> None:
    rows, allowed = tables[table], allowed_missing(table, column)
    count = int(allowed * rows.height) + 1
    allowance = f"{allowed:.1%}" if allowed else "none"
    assert (
        f"{table}.{column}: {share(count, rows.height)} are missing, {allowance} allowed"
        in found(tables | {table: with_nulls(rows, column, count)})
    )


def test_as_many_missing_as_allowed(tables: Tables) -> None:
    for table, name in LIMITED:
        if name in (TABLES[table].unique or []):
            continue  # rows that lack part of their key may repeat each other
        rows = tables[table]
        count = int(allowed_missing(table, name) * rows.height)
        tables = tables | {table: with_nulls(rows, name, count)}
    assert found(tables) == []


@pytest.mark.parametrize("table", [name for name, schema in TABLES.items() if schema.unique])
def test_duplicates(tables: Tables, table: str) -> None:
    rows = tables[table]
    first = rows.head(3)
    twice = tables | {table: pl.concat([rows, first])}
    key = ", ".join(TABLES[table].unique or [])
    assert f"{table}: {first.height} rows repeat the {key} of another" in found(twice)


@pytest.mark.parametrize(("table", "fewest"), FEWEST.items())
def test_too_few_rows(tables: Tables, table: str, fewest: int) -> None:
    # Those with a value, so that what is missing stays a small share.
    rows = tables[table].sort(pl.sum_horizontal(pl.all().is_null()))
    assert found(tables | {table: rows.head(fewest - 1)}) == [
        f"{table}: {fewest - 1:,} rows, at least {fewest:,} are expected"
    ]
    assert found(tables | {table: rows.head(fewest)}) == []


def test_empty_tables(tables: Tables) -> None:
    findings = found({name: rows.clear() for name, rows in tables.items()})
    assert [text.split(":")[0] for text in findings] == list(FEWEST)


def test_another_period(tables: Tables) -> None:
    findings = find_faults(tables, ANOTHER, TABLES)
    assert {(finding.table, finding.column) for finding in findings} == set(DATED.items())
    assert all(f"100.0% are outside {ANOTHER}" in str(finding) for finding in findings)


def test_ignored_columns_may_be_missing(tables: Tables) -> None:
    afterwards = room.tables().KNOWN_AFTERWARDS
    without = tables | {MAIN: tables[MAIN].drop(afterwards)}
    assert find_faults(without, PERIOD, TABLES, ignore=afterwards) == []


def test_only_the_named_tables_are_checked(tables: Tables) -> None:
    assert find_faults({MAIN: tables[MAIN]}, PERIOD, [MAIN]) == []


# The rules that `schema.py` offers, on a table of our own

MOMENT = pl.Datetime("us", "UTC")


@pytest.fixture
def orders(monkeypatch: pytest.MonkeyPatch) -> pl.DataFrame:
    """A table of 2000 rows that breaks no rule; the room has it alone."""
    colour = at_most(0.0, lambda values: values == "grey", "grey")
    schema = pa.DataFrameSchema(
        {
            "at": column(MOMENT, missing=0.0),
            "price": column(pl.Float64, within(1, 5, exceptions=0.01)),
            "colour": column(pl.String, colour, missing=0.5),
        },
        checks=[at_least_rows(3)],
    )
    names = SimpleNamespace(TABLES={"orders": schema}, DATED={"orders": "at"}, TIME_ZONE="UTC")
    monkeypatch.setattr(room, "tables", lambda: names)
    last_minute = bounds(PERIOD, "UTC")[1] - timedelta(minutes=1)
    return pl.DataFrame(
        {
            "at": [last_minute] * 2000,
            "price": [1.0, 5.0] * 1000,
            "colour": ["red", None] * 1000,
        },
        schema={"at": MOMENT, "price": pl.Float64, "colour": pl.String},
    )


def faults(orders: pl.DataFrame) -> list[str]:
    return [str(finding) for finding in find_faults({"orders": orders}, PERIOD, ["orders"])]


def with_first(orders: pl.DataFrame, count: int, column: str, value: object) -> pl.DataFrame:
    """Put a value into the first rows of a column."""
    first = pl.int_range(pl.len()) < count
    return orders.with_columns(pl.when(first).then(pl.lit(value)).otherwise(column).alias(column))


def test_the_ends_of_a_range_belong_to_it(orders: pl.DataFrame) -> None:
    assert faults(orders) == []


@pytest.mark.parametrize("price", [0.99, 5.01, float("nan"), float("inf")])
def test_exceptions_are_allowed_up_to_a_share(orders: pl.DataFrame, price: float) -> None:
    assert faults(with_first(orders, 20, "price", price)) == []
    assert faults(with_first(orders, 30, "price", price)) == [
        "orders.price: 1.5% are outside 1 to 5, 1.0% allowed"
    ]


def test_a_few_among_many_are_counted(orders: pl.DataFrame) -> None:
    many = pl.concat([orders] * 2)
    assert faults(with_first(many, 1, "colour", "grey")) == [
        "orders.colour: 1 of 2,000 are grey, none allowed"
    ]


@pytest.mark.parametrize(
    ("dtype", "what"),
    [(pl.Datetime("us"), "it has no time zone"), (pl.Date, "its type is Date")],
)
def test_a_time_without_a_zone_is_a_finding(orders: pl.DataFrame, dtype: Any, what: str) -> None:
    """Of data and schema alike: a column that only one of them has so is of a wrong type."""
    schema = room.tables().TABLES["orders"]
    room.tables().TABLES["orders"] = schema.update_column("at", dtype=dtype)
    assert faults(orders.cast({"at": dtype})) == [
        f"orders.at: {what}: deliver times with a zone, and declare them in tables.py, "
        'as in pl.Datetime("us", "UTC")'
    ]


def test_a_time_that_the_schema_does_not_name(orders: pl.DataFrame) -> None:
    room.tables().TABLES["orders"] = room.tables().TABLES["orders"].remove_columns(["at"])
    assert faults(orders) == []
    assert faults(orders.drop("at")) == ["orders.at: the column is missing"]


def test_a_moment_after_the_period(orders: pl.DataFrame) -> None:
    later = orders.with_columns(pl.col("at").dt.offset_by("1m"))
    assert faults(later) == [f"orders.at: 100.0% are outside {P[6]} in UTC, none allowed"]
