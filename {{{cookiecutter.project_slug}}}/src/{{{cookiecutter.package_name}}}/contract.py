"""What good data is: the columns, types and limits that every month is held against.

Written with Pandera. Real data are never spotless, so each rule allows a share of exceptions; the
shares below are those of the sample's year, with room.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import pandera.polars as pa
import polars as pl
from pandera.api.polars.types import PolarsData
from pandera.config import ValidationDepth, config_context
from pydantic import BaseModel

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


def at_most(share: float, violation: Callable[[pl.Expr], pl.Expr], what: str) -> pa.Check:
    """Return the rule that `violation` holds for at most `share` of a column's rows."""

    def holds(data: PolarsData) -> pl.LazyFrame:
        broken = violation(pl.col(data.key)).mean().fill_null(0.0)
        return data.lazyframe.select(broken <= share)

    return pa.Check(
        holds, statistics={"share": share, "violation": violation, "what": what}, ignore_na=False
    )


def column(dtype: Any, *rules: pa.Check, missing: float = 0.05) -> pa.Column:
    """Return the contract of a column of which at most the share `missing` is missing."""
    return pa.Column(dtype, [at_most(missing, pl.Expr.is_null, "missing"), *rules], nullable=True)


def within(low: float, high: float, exceptions: float = 0.001) -> pa.Check:
    """Return the rule that values lie between `low` and `high`, both included."""
    return at_most(
        exceptions, lambda values: ~values.is_between(low, high), f"outside {low:g} to {high:g}"
    )


def belongs_to(month: str) -> pa.Check:
    """Return the rule that hours lie in `month`, by New York's clocks."""

    def elsewhere(hours: pl.Expr) -> pl.Expr:
        return hours.dt.convert_time_zone(LOCAL_TIME).dt.strftime("%Y-%m") != month

    return at_most(0.0, elsewhere, f"outside {month} by New York's clocks")


def on_the_clock(part: str) -> pa.Check:
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
        # First the columns and their types: the rules hold for columns that are as they should be.
        for depth in (ValidationDepth.SCHEMA_ONLY, ValidationDepth.DATA_ONLY):
            try:
                with config_context(validation_depth=depth):
                    contract.validate(tables[name], lazy=True)
            except pa.errors.SchemaErrors as errors:
                findings += [_describe(error, name, tables[name]) for error in errors.schema_errors]
                break
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
    elif "share" in statistics:
        broken = rows.select(statistics["violation"](pl.col(str(about)))).to_series()
        share, count = float(cast("float", broken.mean())), broken.sum()
        # Of a few among many thousands, say how many: 0.0% is not what is wrong.
        many = f"{share:.1%}" if share >= 0.001 else f"{count:,} of {broken.count():,}"
        allowed = f"{statistics['share']:.1%}" if statistics["share"] else "none"
        message = f"{many} are {statistics['what']}, {allowed} allowed"
    else:
        message = " ".join(str(error).split())
    return Finding(table=name, column=None if about == name else about, message=message)
