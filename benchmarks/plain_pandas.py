"""The data work of a run, written plainly in pandas, with the same contract.

Run with the environment of a rendered project: `python plain_pandas.py SOURCE TARGET`. It
copies the files with their checksums, reads all months into one table, checks each month by the
rules of `tables.py`, joins, and writes Parquet by month. Prints the seconds by step and the
peak of memory in MB, as JSON.
"""

import hashlib
import json
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

NEW_YORK = "America/New_York"
KEYS = {
    "flights": ["time_hour", "origin", "carrier", "flight"],
    "weather": ["time_hour", "origin"],
    "planes": ["tailnum"],
    "airports": ["faa"],
}
FEWEST = {"flights": 1000, "weather": 1000, "planes": 100, "airports": 100}
WEATHER = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust"]
WEATHER += ["precip", "pressure", "visib"]
NUMBER, TEXT, TIME = "if", "O", "M"  # as NumPy calls the kinds of types
Rule = tuple[str, float, float | None, float | None]
RULES: dict[str, dict[str, Rule]] = {  # kind, share that may be missing, lowest, highest
    "flights": {
        "year": (NUMBER, 0, None, None),
        "month": (NUMBER, 0, 1, 12),
        "day": (NUMBER, 0, 1, 31),
        "hour": (NUMBER, 0, 0, 23),
        "minute": (NUMBER, 0, 0, 59),
        "time_hour": (TIME, 0, None, None),
        "sched_dep_time": (NUMBER, 0.05, 0, 2400),
        "sched_arr_time": (NUMBER, 0.05, 0, 2400),
        "carrier": (TEXT, 0.05, None, None),
        "flight": (NUMBER, 0.05, None, None),
        "tailnum": (TEXT, 0.05, None, None),
        "origin": (TEXT, 0.05, None, None),
        "dest": (TEXT, 0.05, None, None),
        "distance": (NUMBER, 0.05, 10, 6000),
        "dep_time": (NUMBER, 0.1, 0, 2400),
        "dep_delay": (NUMBER, 0.1, -120, 1440),
        "arr_time": (NUMBER, 0.1, 0, 2400),
        "arr_delay": (NUMBER, 0.1, -180, 1440),
        "air_time": (NUMBER, 0.1, 5, 1440),
    },
    "weather": {
        "time_hour": (TIME, 0, None, None),
        "origin": (TEXT, 0.05, None, None),
        "temp": (NUMBER, 0.05, -40, 130),
        "dewp": (NUMBER, 0.05, -60, 100),
        "humid": (NUMBER, 0.05, 0, 100),
        "wind_dir": (NUMBER, 0.05, 0, 360),
        "wind_speed": (NUMBER, 0.05, 0, 150),
        "wind_gust": (NUMBER, 0.98, 0, 200),
        "precip": (NUMBER, 0.05, 0, 10),
        "pressure": (NUMBER, 0.25, 900, 1100),
        "visib": (NUMBER, 0.05, 0, 10),
    },
    "planes": {
        "tailnum": (TEXT, 0, None, None),
        "year": (NUMBER, 0.05, 1940, 2100),
        "engines": (NUMBER, 0.05, 1, 8),
        "seats": (NUMBER, 0.05, 1, 900),
    },
    "airports": {
        "faa": (TEXT, 0, None, None),
        "lat": (NUMBER, 0.05, -90, 90),
        "lon": (NUMBER, 0.05, -180, 180),
    },
}


def copy(source: Path, target: Path, month: str) -> None:
    """Copy the files of a month, and note their checksums and rows."""
    noted = {}
    for table in KEYS:
        folder = source / table / f"month={month}"
        for file in (folder if folder.exists() else source / table).glob("*.parquet"):
            content = file.read_bytes()
            copied = target / "raw" / month / table / file.name
            copied.parent.mkdir(parents=True, exist_ok=True)
            copied.write_bytes(content)
            noted[f"{table}/{file.name}"] = hashlib.sha256(content).hexdigest()
    (target / "raw" / month / "checksums.json").write_text(json.dumps(noted))


def read(target: Path, months: list[str]) -> dict[str, pd.DataFrame]:
    """Return the copied tables: all months of a table in one, undated tables as last delivered."""
    raw = {month: target / "raw" / month for month in months}
    monthly = {
        table: pd.concat(
            [pd.read_parquet(raw[month] / table).assign(partition=month) for month in months],
            ignore_index=True,
        )
        for table in ("flights", "weather")
    }
    undated = ("planes", "airports")
    return monthly | {table: pd.read_parquet(raw[months[-1]] / table) for table in undated}


def faults(tables: dict[str, pd.DataFrame]) -> Iterator[str]:
    """Yield what breaks the contract, month by month."""
    for name, table in tables.items():
        by = table["partition"] if "partition" in table else pd.Series("all", index=table.index)
        if (by.value_counts() < FEWEST[name]).any():
            yield f"{name}: too few rows"
        if table.duplicated(KEYS[name]).any():
            yield f"{name}: repeated keys"
        for column, (kind, missing, low, high) in RULES[name].items():
            if column not in table.columns or table[column].dtype.kind not in kind:
                yield f"{name}.{column}: not there, or of another type"
                continue
            values = table[column]
            if (values.isna().groupby(by).mean() > missing).any():
                yield f"{name}.{column}: too many are missing"
            if low is not None and high is not None:
                outside = (values < low) | (values > high)
                if (outside.groupby(by).mean() > 0.001).any():
                    yield f"{name}.{column}: too many are out of range"
        yield from clock_faults(name, table, by)
    if not tables["flights"]["origin"].isin(["EWR", "JFK", "LGA"]).all():
        yield "flights.origin: not EWR, JFK or LGA"


def clock_faults(name: str, table: pd.DataFrame, by: pd.Series) -> Iterator[str]:
    """Yield times that disagree with New York's clocks."""
    if "time_hour" not in table:
        return
    local = table["time_hour"].dt.tz_convert(NEW_YORK).dt
    if (local.year * 100 + local.month != by.str.replace("-", "").astype(int)).any():
        yield f"{name}.time_hour: of another month"
    for part in ("year", "month", "day", "hour") if name == "flights" else ():
        if (getattr(local, part) != table[part]).any():
            yield f"{name}.{part}: not that of time_hour"


def join(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the flights that arrived, with weather, plane and destination."""
    schedule = ["year", "month", "day", "hour", "minute", "sched_dep_time", "sched_arr_time"]
    columns = ["partition", *KEYS["flights"], *schedule, "tailnum", "dest", "distance"]
    flights = tables["flights"].dropna(subset="arr_delay")
    weather = tables["weather"][["time_hour", "origin", *WEATHER]]
    planes = tables["planes"][["tailnum", "year", "engines", "seats"]]
    airports = tables["airports"][["faa", "lat", "lon"]]
    weather = weather.assign(time_hour=weather["time_hour"] + pd.Timedelta(hours=1))
    planes = planes.rename(columns={"year": "plane_year"})
    airports = airports.set_axis(["dest", "dest_lat", "dest_lon"], axis=1)
    return (
        flights[columns]
        .assign(late=flights["arr_delay"] > 15)
        .merge(weather, on=["time_hour", "origin"], how="left")
        .merge(planes, on="tailnum", how="left")
        .merge(airports, on="dest", how="left")
    )


def main(source: Path, target: Path) -> None:
    """Do the work on all months of a source."""
    folders = (source / "flights").glob("month=*")
    months = sorted(folder.name.removeprefix("month=") for folder in folders)
    (target / "features").mkdir(parents=True)
    started = time.perf_counter()
    for month in months:
        copy(source, target, month)
    copied = time.perf_counter()
    tables = read(target, months)
    if found := list(faults(tables)):
        sys.exit(f"The months break the contract: {found}")
    checked = time.perf_counter()
    for month, rows in join(tables).groupby("partition"):
        rows.to_parquet(target / "features" / f"{month}.parquet", index=False)
    took = {
        "ingest": copied - started,
        "validate": checked - copied,
        "features": time.perf_counter() - checked,
    }
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": took, "peak": peak}))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
