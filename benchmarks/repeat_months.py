"""Repeat the year of the sample under other years, so that a source has more months.

Run with the environment and in the folder of a rendered project:
`python repeat_months.py TARGET YEARS`.
"""

import shutil
import sys
from pathlib import Path

import polars as pl

SOURCE = Path("data/source")
NEW_YORK = "America/New_York"
KEYS = {
    "flights": ["time_hour", "origin", "carrier", "flight"],
    "weather": ["time_hour", "origin"],
}


def shifted(table: pl.DataFrame, key: list[str], years: int) -> pl.DataFrame:
    """Return the rows of a month some years later, at the same hours by New York's clocks.

    A few hours of weather are dropped: those that the clocks skip or repeat when they change, on
    days that differ from year to year.
    """
    clock = pl.col("time_hour").dt.convert_time_zone(NEW_YORK).dt.replace_time_zone(None)
    moved = clock.dt.offset_by(f"{years}y").dt.replace_time_zone(
        NEW_YORK, ambiguous="earliest", non_existent="null"
    )
    return (
        table.with_columns(pl.col("year") + years, moved.dt.convert_time_zone("UTC"))
        .drop_nulls("time_hour")
        .unique(key, keep="first", maintain_order=True)
    )


def main(target: Path, years: int) -> None:
    """Write the sample's months and the same months of the years after it."""
    for table, key in KEYS.items():
        for file in sorted((SOURCE / table).glob("*/*.parquet")):
            rows = pl.read_parquet(file)
            year, month = file.parent.name.removeprefix("month=").split("-")
            for later in range(years):
                folder = target / table / f"month={int(year) + later}-{month}"
                folder.mkdir(parents=True)
                shifted(rows, key, later).write_parquet(folder / file.name)
    for table in ("planes", "airports"):
        shutil.copytree(SOURCE / table, target / table)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
