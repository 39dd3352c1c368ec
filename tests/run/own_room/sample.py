"""Write made-up rentals of six months."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

STATIONS = {"north": 20, "south": 40}


def main(target: Path) -> None:
    """Write all partitions below `target`, which appears when they are complete."""
    part = target.with_name(f"{target.name}.part")
    chance = np.random.default_rng(1)
    for month in range(1, 7):
        start, end = datetime(2013, month, 3, tzinfo=UTC), datetime(2013, month, 26, tzinfo=UTC)
        hours = pl.datetime_range(start, end, "1h", eager=True, time_unit="us").alias("hour")
        rentals = pl.DataFrame(hours).join(pl.DataFrame({"station": [*STATIONS]}), how="cross")
        docks = rentals["station"].replace_strict(STATIONS).to_numpy()
        warm = chance.normal(10 + month, 5, rentals.height)
        rented = np.maximum(0, 2 * warm + docks + chance.normal(0, 5, rentals.height))
        folder = part / f"rentals/month=2013-{month:02d}"
        folder.mkdir(parents=True)
        rentals.with_columns(
            pl.Series("temperature", warm), pl.Series("demand", rented.round())
        ).write_parquet(folder / "rentals.parquet")
    (part / "stations").mkdir()
    stations = pl.DataFrame({"station": [*STATIONS], "docks": [*STATIONS.values()]})
    stations.write_parquet(part / "stations/stations.parquet")
    part.replace(target)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
