"""Join the tables of a month to one, with only what is known before departure."""

import logging
from collections.abc import Mapping

import polars as pl
from pydantic import BaseModel

from ..contract import FLIGHT_KEY, is_late
from ..plan import read_plan
from ..source import Source
from ..workspace import Run, Workspace, write_parquet

log = logging.getLogger(__name__)

SCHEDULE = ("year", "month", "day", "hour", "minute", "sched_dep_time", "sched_arr_time")
ROUTE = ("tailnum", "dest", "distance")
WEATHER = (
    "temp",
    "dewp",
    "humid",
    "wind_dir",
    "wind_speed",
    "wind_gust",
    "precip",
    "pressure",
    "visib",
)
LABEL = "late"


class Features(BaseModel):
    """The joined table of a month."""

    rows: int
    columns: list[str]


def features(run: Run, month: str) -> Features:
    """Join the tables of `month`, leave cancelled flights out, and add the label `late`.

    No statistic is fitted here: what a model learns from data, it learns in `train`.

    Writes `features/<month>.parquet`.
    """
    workspace, plan = Workspace(run), read_plan(run)
    tables = Source(str(workspace.raw)).tables(month)
    late = is_late(plan.params.late_minutes)
    labels = tables["flights"].select(*FLIGHT_KEY, late.alias(LABEL)).drop_nulls(LABEL)
    # A carrier may be missing: rows of the same table belong together all the same.
    joined = join(tables).join(
        labels, on=FLIGHT_KEY, how="inner", nulls_equal=True, maintain_order="left"
    )
    write_parquet(workspace.features(month), joined)
    log.info("features %s: wrote %d rows, %d columns", month, joined.height, joined.width)
    return Features(rows=joined.height, columns=joined.columns)


def join(tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Return one row for each flight, with what is known of it before departure.

    The weather is that of the full hour before the scheduled one: a reading of the same hour may
    be younger than the departure.

    Args:
        tables: `flights`, `weather`, `planes` and `airports`, as the contract has them.

    Returns:
        The flight's key, schedule and route, with weather, plane and destination beside them;
        missing where they are not known.
    """
    weather = tables["weather"].select(pl.col("time_hour").dt.offset_by("1h"), "origin", *WEATHER)
    planes = tables["planes"].select(
        "tailnum", pl.col("year").alias("plane_year"), "engines", "seats"
    )
    airports = tables["airports"].select(
        pl.col("faa").alias("dest"),
        pl.col("lat").alias("dest_lat"),
        pl.col("lon").alias("dest_lon"),
    )
    return (
        tables["flights"]
        .select(*FLIGHT_KEY, *SCHEDULE, *ROUTE)
        .join(weather, on=["time_hour", "origin"], how="left", maintain_order="left")
        .join(planes, on="tailnum", how="left", maintain_order="left")
        .join(airports, on="dest", how="left", maintain_order="left")
    )
