"""The tables that the source delivers: columns, types, keys, and rules for their values.

The allowed shares are those of the sample's worst days. Two days of a blizzard exceed them.
"""

import pandera.polars as pa
import polars as pl

from .runtime.schema import Rule, at_least_rows, at_most, column, within

TIME_ZONE = "America/New_York"
"""Periods begin and end by the clocks of this zone."""

MAIN = "flights"
"""The table with one row for each thing to predict."""

OUTCOME = "arr_delay"
"""The column of `MAIN` that the label is made of, in minutes. Cancelled flights have none."""

KNOWN_AFTERWARDS: tuple[str, ...] = ("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time")
"""Columns of `MAIN` that do not exist yet when a prediction is made: never a feature."""

HOUR = "time_hour"
FLIGHT_KEY = [HOUR, "origin", "carrier", "flight"]
UTC_TIME = pl.Datetime("us", "UTC")
AIRPORTS = ["EWR", "JFK", "LGA"]


def matches_hour(part: str) -> Rule:
    """Return the rule that a column is the `part` of `time_hour` in `TIME_ZONE`."""

    def differs(values: pl.Expr) -> pl.Expr:
        clock = pl.col(HOUR).dt.convert_time_zone(TIME_ZONE).dt
        expected: pl.Expr = getattr(clock, part)()
        return values != expected

    return at_most(0.0, differs, f"not the {part} of `{HOUR}` in {TIME_ZONE}")


FLIGHTS = pa.DataFrameSchema(
    {
        "year": column(pl.Int64, matches_hour("year"), missing=0.0),
        "month": column(pl.Int64, matches_hour("month"), missing=0.0),
        "day": column(pl.Int64, matches_hour("day"), missing=0.0),
        "hour": column(pl.Int64, matches_hour("hour"), missing=0.0),
        "minute": column(pl.Int64, within(0, 59), missing=0.0),
        HOUR: column(UTC_TIME, missing=0.0),
        "sched_dep_time": column(pl.Int64, within(0, 2400)),
        "sched_arr_time": column(pl.Int64, within(0, 2400)),
        "carrier": column(pl.String),
        "flight": column(pl.Int64),
        "tailnum": column(pl.String, missing=0.1),
        "origin": column(
            pl.String, at_most(0.0, lambda code: ~code.is_in(AIRPORTS), "not EWR, JFK or LGA")
        ),
        "dest": column(pl.String),
        "distance": column(pl.Int64, within(10, 6000, exceptions=0.002)),
        # About 3 % of flights are cancelled and have none of these; on a bad day, 23 %.
        "dep_time": column(pl.Int64, within(0, 2400), missing=0.25),
        "dep_delay": column(pl.Int64, within(-120, 1440), missing=0.25),
        "arr_time": column(pl.Int64, within(0, 2400), missing=0.25),
        "arr_delay": column(pl.Int64, within(-180, 1440), missing=0.25),
        "air_time": column(pl.Int64, within(5, 1440), missing=0.25),
    },
    unique=FLIGHT_KEY,
    checks=[at_least_rows(500)],
)

MEASUREMENTS = {
    "temp": column(pl.Float64, within(-40, 130)),
    "dewp": column(pl.Float64, within(-60, 100)),
    "humid": column(pl.Float64, within(0, 100)),
    "wind_dir": column(pl.Int64, within(0, 360), missing=0.2),
    "wind_speed": column(pl.Float64, within(0, 150)),  # 1048 mph, once, in February
    "wind_gust": column(pl.Float64, within(0, 200), missing=1.0),  # only when it gusts
    "precip": column(pl.Float64, within(0, 10)),
    "pressure": column(pl.Float64, within(900, 1100), missing=0.75),
    "visib": column(pl.Float64, within(0, 10)),
}
"""What the weather stations measure, every hour."""

WEATHER = pa.DataFrameSchema(
    {HOUR: column(UTC_TIME, missing=0.0), "origin": column(pl.String)} | MEASUREMENTS,
    unique=[HOUR, "origin"],
    checks=[at_least_rows(50)],
)

PLANES = pa.DataFrameSchema(  # about 16 % of flights are by others
    {
        "tailnum": column(pl.String, missing=0.0),
        "year": column(pl.Int64, within(1940, 2100)),
        "engines": column(pl.Int64, within(1, 8)),
        "seats": column(pl.Int64, within(1, 900)),
    },
    unique=["tailnum"],
    checks=[at_least_rows(100)],
)

DESTINATIONS = pa.DataFrameSchema(
    {
        "faa": column(pl.String, missing=0.0),
        "lat": column(pl.Float64, within(-90, 90)),
        "lon": column(pl.Float64, within(-180, 180)),
    },
    unique=["faa"],
    checks=[at_least_rows(100)],
)

TABLES = {MAIN: FLIGHTS, "weather": WEATHER, "planes": PLANES, "airports": DESTINATIONS}
"""The schema of each table."""

DATED = {MAIN: HOUR, "weather": HOUR}
"""Tables that are delivered period by period, each with the column that says when."""
