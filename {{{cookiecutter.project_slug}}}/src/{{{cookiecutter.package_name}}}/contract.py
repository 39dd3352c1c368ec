"""What good data is: the columns, types and limits that every month is held against.

Columns, types, keys and the number of rows are Pandera's. The rules for values stand beside them,
but it is `find_faults` that looks at them, at all of a table in one pass: as so many checks of
Pandera's they took most of the time of a run's data work. Real data are never spotless, so a rule
allows a share of exceptions; the shares below are those of the sample's year, with room.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pandera.polars as pa
import polars as pl
from pandera.config import ValidationDepth, config_context
from pydantic import BaseModel

from .months import shift

LOCAL_TIME = "America/New_York"
UTC_TIME = pl.Datetime("us", "UTC")

OUTCOME = "arr_delay"
"""The column of the first monthly table that tells what came true; missing where nothing did."""

LATE_SHARES = (0.01, 0.99)
"""The least and the greatest share of a month's flights that may be late: with none, or with all,
there is nothing to tell apart, and no AUC."""

KNOWN_AFTER_DEPARTURE = ("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time")
"""Columns that do not exist yet when a prediction is wanted: never a feature."""

FLIGHT_KEY = ("time_hour", "origin", "carrier", "flight")
WEATHER_KEY = ("time_hour", "origin")


class Finding(BaseModel):
    """One way in which a table breaks the contract."""

    table: str
    column: str | None
    message: str

    def __str__(self) -> str:
        """Say it in one line: `flights.dest: 33.3% are missing, 5.0% allowed`."""
        return f"{self.table}{f'.{self.column}' if self.column else ''}: {self.message}"


@dataclass(frozen=True)
class Rule:
    """Of a column's values, at most the share `allowed` may be `what`."""

    allowed: float
    violation: Callable[[pl.Expr], pl.Expr]
    """Takes the column; is true where a value breaks the rule, missing where there is none."""
    what: str


def at_most(share: float, violation: Callable[[pl.Expr], pl.Expr], what: str) -> Rule:
    """Return the rule that `violation` holds for at most `share` of a column's values."""
    return Rule(share, violation, what)


def column(dtype: Any, *rules: Rule, missing: float = 0.05) -> pa.Column:
    """Return the contract of a column of which at most the share `missing` is missing."""
    present = at_most(missing, pl.Expr.is_null, "missing")
    return pa.Column(dtype, nullable=True, metadata={"rules": [present, *rules]})


def within(low: float, high: float, exceptions: float = 0.001) -> Rule:
    """Return the rule that values lie between `low` and `high`, both included."""
    return at_most(
        exceptions, lambda values: ~values.is_between(low, high), f"outside {low:g} to {high:g}"
    )


def belongs_to(month: str) -> Rule:
    """Return the rule that hours lie in `month`, by New York's clocks."""
    start, end = (
        datetime(int(first[:4]), int(first[5:]), 1, tzinfo=ZoneInfo(LOCAL_TIME)).astimezone(UTC)
        for first in (month, shift(month, 1))
    )
    return at_most(
        0.0,
        lambda hours: ~hours.is_between(start, end, closed="left"),
        f"outside {month} by New York's clocks",
    )


def on_the_clock(part: str) -> Rule:
    """Return the rule that a column is the `part` of `time_hour`, by New York's clocks."""

    def another(values: pl.Expr) -> pl.Expr:
        clock = pl.col("time_hour").dt.convert_time_zone(LOCAL_TIME).dt
        told: pl.Expr = getattr(clock, part)()
        return values != told

    return at_most(0.0, another, f"not the {part} of `time_hour` by New York's clocks")


def table(rows: int) -> dict[str, Any]:
    """Return the rules of a whole table: enough rows."""
    enough = pa.Check(
        lambda data: data.lazyframe.select(pl.len() >= rows), statistics={"fewest": rows}
    )
    return {"checks": [enough], "strict": False}


def flights(month: str) -> pa.DataFrameSchema:
    """Return the contract of a month's scheduled departures. About 3 % are cancelled."""
    return pa.DataFrameSchema(
        {
            "year": column(pl.Int64, on_the_clock("year"), missing=0.0),
            "month": column(pl.Int64, on_the_clock("month"), missing=0.0),
            "day": column(pl.Int64, on_the_clock("day"), missing=0.0),
            "hour": column(pl.Int64, on_the_clock("hour"), missing=0.0),
            "minute": column(pl.Int64, within(0, 59), missing=0.0),
            "time_hour": column(UTC_TIME, belongs_to(month), missing=0.0),
            "sched_dep_time": column(pl.Int64, within(0, 2400)),
            "sched_arr_time": column(pl.Int64, within(0, 2400)),
            "carrier": column(pl.String),
            "flight": column(pl.Int64),
            "tailnum": column(pl.String),
            "origin": column(
                pl.String,
                at_most(
                    0.0, lambda codes: ~codes.is_in(["EWR", "JFK", "LGA"]), "not EWR, JFK or LGA"
                ),
            ),
            "dest": column(pl.String),
            "distance": column(pl.Int64, within(10, 6000)),
            # Cancelled flights have none of these.
            "dep_time": column(pl.Int64, within(0, 2400), missing=0.1),
            "dep_delay": column(pl.Int64, within(-120, 1440), missing=0.1),
            "arr_time": column(pl.Int64, within(0, 2400), missing=0.1),
            "arr_delay": column(pl.Int64, within(-180, 1440), missing=0.1),
            "air_time": column(pl.Int64, within(5, 1440), missing=0.1),
        },
        unique=list(FLIGHT_KEY),
        name="flights",
        **table(rows=1000),
    )


def weather(month: str) -> pa.DataFrameSchema:
    """Return the contract of a month's hourly weather at the three airports."""
    return pa.DataFrameSchema(
        {
            "time_hour": column(UTC_TIME, belongs_to(month), missing=0.0),
            "origin": column(pl.String),
            "temp": column(pl.Float64, within(-40, 130)),
            "dewp": column(pl.Float64, within(-60, 100)),
            "humid": column(pl.Float64, within(0, 100)),
            "wind_dir": column(pl.Int64, within(0, 360)),
            "wind_speed": column(pl.Float64, within(0, 150)),  # 1048 mph, once, in February
            "wind_gust": column(pl.Float64, within(0, 200), missing=0.98),  # only when it gusts
            "precip": column(pl.Float64, within(0, 10)),
            "pressure": column(pl.Float64, within(900, 1100), missing=0.25),
            "visib": column(pl.Float64, within(0, 10)),
        },
        unique=list(WEATHER_KEY),
        name="weather",
        **table(rows=1000),
    )


def planes(_month: str) -> pa.DataFrameSchema:
    """Return the contract of the planes known. About 16 % of flights are by others."""
    return pa.DataFrameSchema(
        {
            "tailnum": column(pl.String, missing=0.0),
            "year": column(pl.Int64, within(1940, 2100)),
            "engines": column(pl.Int64, within(1, 8)),
            "seats": column(pl.Int64, within(1, 900)),
        },
        unique=["tailnum"],
        name="planes",
        **table(rows=100),
    )


def airports(_month: str) -> pa.DataFrameSchema:
    """Return the contract of the airports known."""
    return pa.DataFrameSchema(
        {
            "faa": column(pl.String, missing=0.0),
            "lat": column(pl.Float64, within(-90, 90)),
            "lon": column(pl.Float64, within(-180, 180)),
        },
        unique=["faa"],
        name="airports",
        **table(rows=100),
    )


CONTRACT = {"flights": flights, "weather": weather, "planes": planes, "airports": airports}


def find_faults(
    tables: Mapping[str, pl.DataFrame],
    month: str,
    *,
    names: Iterable[str] = tuple(CONTRACT),
    ignore: tuple[str, ...] = (),
) -> list[Finding]:
    """Hold the tables of a month against the contract.

    Args:
        tables: by name, as in `CONTRACT`.
        month: the month that they are said to be of.
        names: the tables to look at.
        ignore: columns that are not looked at, such as those that a prediction does without.

    Returns:
        What is wrong, or nothing.
    """
    findings = []
    for name in names:
        contract = CONTRACT[name](month)
        contract = contract.remove_columns([c for c in ignore if c in contract.columns])
        if name not in tables:
            findings.append(Finding(table=name, column=None, message="no file was delivered"))
            continue
        findings += _find_faults(contract, tables[name])
    return findings


def is_late(minutes: int) -> pl.Expr:
    """Return what the model foretells: missing where the outcome is."""
    return pl.col(OUTCOME) > minutes


def find_one_sided(flights: pl.DataFrame, minutes: int) -> list[Finding]:
    """Hold the share of late flights against `LATE_SHARES`, in a month without other faults."""
    share, (least, greatest) = flights.select(is_late(minutes).mean()).item(), LATE_SHARES
    if least <= share <= greatest:
        return []
    expected = f"{least:.1%} to {greatest:.1%} are expected"
    message = f"{share:.1%} are more than {minutes} minutes late, {expected}"
    return [Finding(table="flights", column=OUTCOME, message=message)]


def _find_faults(contract: pa.DataFrameSchema, rows: pl.DataFrame) -> list[Finding]:
    """Hold one table against its contract: first columns and types, on which all else relies."""
    return _ask_pandera(contract, rows, ValidationDepth.SCHEMA_ONLY) or [
        *_broken_rules(contract, rows),
        *_ask_pandera(contract, rows, ValidationDepth.DATA_ONLY),
    ]


def _ask_pandera(
    contract: pa.DataFrameSchema, rows: pl.DataFrame, depth: ValidationDepth
) -> list[Finding]:
    try:
        with config_context(validation_depth=depth):
            contract.validate(rows, lazy=True)
    except pa.errors.SchemaErrors as errors:
        return [_describe(error, str(contract.name), rows) for error in errors.schema_errors]
    return []


def _broken_rules(contract: pa.DataFrameSchema, rows: pl.DataFrame) -> list[Finding]:
    """Hold the values of all columns against their rules."""
    rules: list[tuple[str, Rule]] = [
        (name, rule)
        for name, column in contract.columns.items()
        for rule in (column.metadata or {}).get("rules", [])
    ]
    broken = rows.select(
        rule.violation(pl.col(name)).alias(str(number)) for number, (name, rule) in enumerate(rules)
    )
    shares = broken.mean().row(0)
    findings = []
    for number, (name, rule) in enumerate(rules):
        share = shares[number] or 0.0  # None where there is no value
        if share > rule.allowed:
            values = broken.to_series(number)
            # Of a few among many thousands, say how many: 0.0% is not what is wrong.
            many = f"{share:.1%}" if share >= 0.001 else f"{values.sum():,} of {values.count():,}"
            allowed = f"{rule.allowed:.1%}" if rule.allowed else "none"
            message = f"{many} are {rule.what}, {allowed} allowed"
            findings.append(Finding(table=str(contract.name), column=name, message=message))
    return findings


def _describe(error: pa.errors.SchemaError, name: str, rows: pl.DataFrame) -> Finding:
    """Put what Pandera found into words that an operator understands."""
    reason, check = error.reason_code, error.check
    statistics = getattr(check, "statistics", None) or {}
    about = error.schema.name if error.schema is not None else None
    if reason is pa.errors.SchemaErrorReason.COLUMN_NOT_IN_DATAFRAME:
        about, message = str(error.failure_cases), "the column is missing"
    elif reason is pa.errors.SchemaErrorReason.WRONG_DATATYPE:
        expected = error.schema.dtype
        message = f"its type is {rows.schema[str(about)]}, not {expected}"
    elif reason is pa.errors.SchemaErrorReason.DUPLICATES:
        key = error.schema.unique
        repeated = rows.height - rows.n_unique(subset=key)
        message = f"{repeated:,} rows repeat the {', '.join(key)} of another"
    elif "fewest" in statistics:
        message = f"{rows.height:,} rows, at least {statistics['fewest']:,} are expected"
    else:
        message = " ".join(str(error).split())
    return Finding(table=name, column=None if about == name else about, message=message)
