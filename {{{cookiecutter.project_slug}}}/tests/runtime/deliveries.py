"""What the source of the tests holds: deliveries of twelve periods."""

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from {{{ cookiecutter.package_name }}}.runtime import room
from {{{ cookiecutter.package_name }}}.runtime.periods import (
    PARTITIONS,
    bounds,
    period_of,
    shift,
)

FIRST = period_of(date(2013, 1, 7))
DEPOTS = {"north": 5.0, "south": 12.0}
MOMENTS = 400
"""Parcels of a period and depot."""

MAIN = room.tables().MAIN
TIME = room.tables().DATED[MAIN]


def write_source(folder: Path) -> None:
    """Write `<table>/[<partition>=<period>/]<table>.parquet`, the same each time."""
    chance = np.random.default_rng(1)
    for number in range(12):
        period = shift(FIRST, number)
        start, end = bounds(period, room.tables().TIME_ZONE)
        times = [start + (end - start) * n / MOMENTS for n in range(MOMENTS)]
        traffic = pl.DataFrame(
            {TIME: times, "density": chance.uniform(0, 1, MOMENTS)},
            schema_overrides={TIME: pl.Datetime("us", "UTC")},
        )
        parcels = traffic.join(pl.DataFrame({"depot": [*DEPOTS]}), how="cross")
        weight, noise = (chance.uniform(0, 30, parcels.height), chance.normal(0, 5, parcels.height))
        lost = chance.uniform(0, 1, parcels.height) < 0.03
        minutes = (
            60 * parcels["density"]
            + parcels["depot"].replace_strict(DEPOTS, return_dtype=pl.Float64)
            + 2 * weight
            + np.abs(noise)
        )
        parcels = parcels.select(
            TIME,
            "depot",
            pl.Series("weight", weight),
            pl.Series("minutes", minutes.to_numpy()).set(pl.Series(lost), None),
        )
        for name, table in ((MAIN, parcels), ("traffic", traffic)):
            place = folder / name / f"{PARTITIONS[0]}={period}"
            place.mkdir(parents=True)
            table.write_parquet(place / f"{name}.parquet")
    (folder / "depots").mkdir()
    depots = pl.DataFrame({"depot": [*DEPOTS], "distance": [*DEPOTS.values()]})
    depots.write_parquet(folder / "depots/depots.parquet")
