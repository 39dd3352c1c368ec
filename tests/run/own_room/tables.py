"""Bikes rented by hour and station."""

import pandera.polars as pa
import polars as pl

from .runtime.schema import at_least_rows, column, within

TIME_ZONE = "Europe/Berlin"
MAIN = "rentals"
OUTCOME = "demand"
KNOWN_AFTERWARDS: tuple[str, ...] = ("demand",)
HOUR = "hour"

RENTALS = pa.DataFrameSchema(
    {
        HOUR: column(pl.Datetime("us", "UTC"), missing=0.0),
        "station": column(pl.String, missing=0.0),
        "temperature": column(pl.Float64, within(-40, 60)),
        "demand": column(pl.Float64, within(0, 1000), missing=0.1),
    },
    unique=[HOUR, "station"],
    checks=[at_least_rows(500)],
)

STATIONS = pa.DataFrameSchema(
    {"station": column(pl.String, missing=0.0), "docks": column(pl.Int64, within(1, 100))},
    unique=["station"],
)

TABLES = {MAIN: RENTALS, "stations": STATIONS}
DATED = {MAIN: HOUR}
