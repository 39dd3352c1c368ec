"""What `make adopt` says of tables, without writing anything: run in a rendered project.

Each case changes a table of hourly rentals, written with a seed: `cnt` is `casual` + `registered`.
"""

import json
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from my_pipeline.runtime.errors import BadInput
from my_pipeline.tables import KNOWN_AFTERWARDS
from ops.adopt.__main__ import summary
from ops.adopt.profile import profile
from ops.adopt.table import read

FOLDER = Path(sys.argv[1])


def rentals() -> pl.DataFrame:
    """Return a row for each hour of half a year and four days, with what leaks look like."""
    chance = np.random.default_rng(1)
    hours = pl.datetime_range(date(2012, 1, 1), date(2012, 7, 4), "1h", eager=True)
    count, clock = len(hours), hours.dt.hour().cast(pl.Int64).to_numpy()
    casual = chance.poisson(20 + 10 * (clock > 12))
    registered = chance.poisson(100 + 8 * clock)
    total = casual + registered
    return pl.DataFrame(
        {
            "": range(count),
            "when": hours.dt.strftime("%Y-%m-%d %H:%M:%S"),
            "weather": chance.choice(["clear", "mist", "rain"], count),
            "holiday": clock == 3,
            "temp": chance.normal(15, 5, count).round(1),
            "note": [f"row {number}" for number in range(count)],
            "casual": casual,
            "registered": registered,
            "cnt": total,
            "revenue": 1.5 * total,
            "busy": np.where(total > 300, "yes", "no"),
            "billed": pl.Series(total > 200).set(pl.Series(total <= 300), None),
            "level": pl.Series(total // 100).cast(pl.String),
        }
    )


RENTALS = rentals()
Change = Callable[[pl.DataFrame], pl.DataFrame]
CASES: dict[str, tuple[Change, dict[str, Any]]] = {
    "rentals": (lambda rows: rows, {}),
    "busy": (lambda rows: rows, {"target": "busy"}),
    "no column": (lambda rows: rows, {"time": "day"}),
    "no target": (lambda rows: rows, {"target": "price"}),
    "no zone": (lambda rows: rows, {"zone": ""}),
    "unknown zone": (lambda rows: rows, {"zone": "Berlin"}),
    "skipped hour": (lambda rows: rows, {"zone": "Europe/Berlin"}),
    "number": (lambda rows: rows, {"time": "cnt"}),
    "other order": (
        lambda rows: rows.with_columns(
            pl.col("when").str.replace(r"^(\d+)-(\d+)-(\d+)", "$3.$2.$1")
        ),
        {},
    ),
    "no time": (lambda rows: rows.with_columns(when=pl.lit(None, pl.String)), {}),
    "some without time": (
        lambda rows: rows.with_columns(when=pl.when(pl.col("temp") < 20).then("when")),
        {},
    ),
    "classes": (lambda rows: rows, {"target": "weather"}),
    "two of many": (lambda rows: rows, {"problem": "binary"}),
    "one value": (lambda rows: rows.with_columns(cnt=pl.lit(1)), {}),
    "twice": (lambda rows: pl.concat([rows, rows.head(3)]), {}),
    "short": (lambda rows: rows.head(24 * 62), {}),
    "one column": (lambda rows: rows.select("cnt"), {}),
    "too large": (lambda rows: rows.with_columns(temp=pl.lit(2**64 - 1, pl.UInt64)), {}),
    "identified": (lambda rows: rows.with_columns(rental_id=pl.int_range(pl.len()).reverse()), {}),
    "numbered": (lambda rows: rows.with_columns(place=pl.int_range(7, pl.len() + 7)), {}),
    "paid": (
        lambda rows: rows.with_columns(fee=1.5 + (pl.col("temp") % 1) / 50).with_columns(
            paid=pl.col("registered") * pl.col("fee")
        ),
        {"target": "paid"},
    ),
    "self": (lambda rows: rows.rename({"temp": "self"}), {}),
    "no label": (lambda rows: rows.with_columns(busy=pl.lit(None, pl.String)), {"target": "busy"}),
    "no label in whole periods": (
        lambda rows: rows.with_columns(
            busy=pl.when(pl.col("when") >= "2012-07").then(pl.col("busy"))
        ),
        {"target": "busy"},
    ),
    "empty": (lambda rows: rows.with_columns(gone=pl.lit(None, pl.String)), {}),
    "NA": (lambda rows: rows.with_columns(region=pl.col("weather").replace("mist", "NA")), {}),
    "nothing": (lambda rows: rows.clear(), {}),
    "nothing known": (lambda rows: rows.select("when", "cnt").gather_every(7 * 24), {}),
}


def said(case: str) -> str:
    """Return what the command prints for a case."""
    change, given = CASES[case]
    words = {"time": "when", "target": "cnt", "zone": "UTC", "problem": None} | given
    file = FOLDER / f"{case}.csv"
    change(RENTALS).write_csv(file)
    try:
        table = read(file, words["time"], words["zone"])
        return "\n".join(summary(profile(table, words["target"], words["problem"], window=3)))
    except BadInput as error:
        return str(error).replace(f"{FOLDER}/", "")


def broken() -> dict[str, str]:
    """Return what it says of files that are no table."""
    found = {}
    for name, content in {
        "a.csv": b"a,b\n1,2\n1,2,3\n",
        "short.csv": b'a,b\n1,"2\n2"\n1\n',
        "latin1.csv": "a,b\n1,2\nä,3\n".encode("latin1"),
        "a.parquet": b"PAR1",
        "a.xlsx": b"",
    }.items():
        (FOLDER / name).write_bytes(content)
    for name in ("a.csv", "short.csv", "latin1.csv", "a.parquet", "a.xlsx", "missing.csv"):
        try:
            read(FOLDER / name, "a", "")
        except BadInput as error:
            found[name] = str(error).replace(f"{FOLDER}/", "")
    return found


def quarantined(seed: int, target: str) -> list[str]:
    """Return which drafted limits a fifth month of few rows breaks that is like the four before."""
    chance, count = np.random.default_rng(seed), 5 * 60
    rows = pl.DataFrame(
        {
            "day": [date(2012, 1 + row // 60, 1 + row % 28) for row in range(count)],
            "order_id": chance.permutation(count),
            "price": chance.lognormal(3, 0.5, count),
            "pieces": chance.poisson(4, count),
            "note": ["few" if number > 0.04 else None for number in chance.random(count)],
            "returned": chance.random(count) < 0.15,
        }
    )
    rows[:240].write_csv(FOLDER / "orders.csv")
    found = profile(read(FOLDER / "orders.csv", "day", "UTC"), target, None, window=3)
    (low, high), month = found.label_limits, rows[240:]
    broken = [] if low <= float(month[target].cast(pl.Float64).mean()) <= high else ["labels"]
    for column in found.columns:
        values = month[column.name]
        if column.limits and (~values.is_between(*column.limits)).mean() > found.exceptions:
            broken.append(column.name)
        if values.is_null().mean() > (0.05 if column.missing is None else column.missing):
            broken.append(f"missing {column.name}")
    return broken


def sample() -> dict[str, list[str]]:
    """Return the leaks found among the columns of three months of the sample, and those it has."""
    months = [f"data/source/flights/month=2013-0{number}/*.parquet" for number in (1, 2, 3)]
    pl.read_parquet(months).write_parquet(FOLDER / "departures.parquet")
    table = read(FOLDER / "departures.parquet", "time_hour", "America/New_York")
    found = profile(table, "arr_delay", None, window=3)
    return {"found": sorted({"arr_delay", *found.leaks}), "known": sorted(KNOWN_AFTERWARDS)}


def values() -> dict[str, list[str]]:
    """Return the categories that `tables.py` lists, by column: one has a value of 90 letters."""
    rows = RENTALS.with_columns(
        age=pl.col("weather").replace("mist", "18\u201325"),
        long=pl.col("weather").replace("mist", "x" * 90),
    )
    rows.write_csv(FOLDER / "values.csv")
    columns = profile(read(FOLDER / "values.csv", "when", "UTC"), "cnt", None, window=3).columns
    return {column.name: list(column.values) for column in columns}


found: dict[str, Any] = {case: said(case) for case in CASES} | broken() | {"sample": sample()}
found["quarantined"] = [
    broken
    for seed in range(30)
    for target in ("returned", "price")
    for broken in quarantined(seed, target)
]
found["values"] = values()
print(json.dumps(found))
