"""Parcels, the traffic when they were sent, and the depots that send them."""

import pandera.polars as pa
import polars as pl

from .runtime.schema import at_least_rows, column, within

TIME_ZONE = "Asia/Tokyo"
MAIN = "parcels"
OUTCOME = "minutes"
KNOWN_AFTERWARDS: tuple[str, ...] = (OUTCOME,)
TIME = "sent_at"
MOMENT = pl.Datetime("us", "UTC")

PARCELS = pa.DataFrameSchema(
    {
        TIME: column(MOMENT, missing=0.0),
        "depot": column(pl.String, missing=0.0),
        "weight": column(pl.Float64, within(0, 50)),
        OUTCOME: column(pl.Float64, within(0, 1000), missing=0.1),  # a few are lost
    },
    unique=[TIME, "depot"],
    checks=[at_least_rows(500)],
)

TRAFFIC = pa.DataFrameSchema(
    {TIME: column(MOMENT, missing=0.0), "density": column(pl.Float64, within(0, 1))},
    unique=[TIME],
    checks=[at_least_rows(200)],
)

DEPOTS = pa.DataFrameSchema(
    {"depot": column(pl.String, missing=0.0), "distance": column(pl.Float64, within(0, 100))},
    unique=["depot"],
)

TABLES = {MAIN: PARCELS, "traffic": TRAFFIC, "depots": DEPOTS}
DATED = {MAIN: TIME, "traffic": TIME}
