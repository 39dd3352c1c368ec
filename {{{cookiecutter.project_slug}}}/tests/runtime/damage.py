"""What can be wrong with data, and what should become of a run on them."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import polars as pl

from .conftest import Change, Project

Act = Callable[[Project], object]


@dataclass(frozen=True)
class Damage:
    """One kind of damage to a project whose champion is of 2013-04."""

    what: str
    """In words; so begins the row of `docs/data-faults.md`."""
    do: Act
    run: Literal["refused", "is quarantined", "goes on"]
    says: str = ""
    """What the sentence must hold; the document has the whole."""
    period: str | None = "2013-05"
    """The month asked for; None asks for the newest that has ended."""
    closes: bool = False
    """Whether it takes permissions away, which root does not notice."""


def flights(change: Change, month: str = "2013-05") -> Act:
    return lambda project: project.deliver("flights", month, change)


def weather(change: Change) -> Act:
    return lambda project: project.deliver("weather", "2013-05", change)


def second_file(change: Change) -> Act:
    """Deliver another file of flights beside the first."""

    def do(project: Project) -> None:
        file = project.delivered("flights", "2013-05")
        change(pl.read_parquet(file)).write_parquet(file.with_name("more.parquet"))

    return do


def content(change: Callable[[bytes], bytes]) -> Act:
    """Change the bytes of the flights' file."""

    def do(project: Project) -> None:
        file = project.delivered("flights", "2013-05")
        file.write_bytes(change(file.read_bytes()))

    return do


def copied(month: str, to: str) -> Act:
    """Deliver a month as another one."""

    def do(project: Project) -> None:
        for table in ("flights", "weather"):
            file = project.delivered(table, to)
            file.parent.mkdir(exist_ok=True)
            shutil.copy(project.delivered(table, month), file)

    return do


def removed(table: str, month: str) -> Act:
    return lambda project: shutil.rmtree(project.delivered(table, month).parent)


def at(address: str) -> Act:
    return lambda project: project.tune(source=address)


def all_of(*acts: Act) -> Act:
    return lambda project: [act(project) for act in acts]


def empty(project: Project) -> None:
    shutil.rmtree(project.folder / "data/source")
    (project.folder / "data/source").mkdir()


def file_for_a_folder(project: Project) -> None:
    shutil.rmtree(project.folder / "data/source")
    (project.folder / "data/source").write_text("moved\n")


def folder_for_a_file(project: Project) -> None:
    file = project.delivered("flights", "2013-05")
    file.unlink()
    file.mkdir()


def closed(project: Project) -> None:
    (project.folder / "data/source/flights").chmod(0)


def into(column: str, value: object, tenths: int = 10) -> Change:
    """Put a value into so many tenths of the rows of a column."""

    def change(rows: pl.DataFrame) -> pl.DataFrame:
        new = value if isinstance(value, pl.Expr) else pl.lit(value, rows.schema[column])
        chosen = pl.int_range(pl.len()) % 10 < tenths
        return rows.with_columns(pl.when(chosen).then(new).otherwise(column).alias(column))

    return change


def hours_as(zone: str | None) -> Change:
    """Let `time_hour` be what clocks in New York show, and say that it is of `zone`."""
    shown = pl.col("time_hour").dt.convert_time_zone("America/New_York")
    return lambda rows: rows.with_columns(shown.dt.replace_time_zone(zone))


def first_three_on_31_april(rows: pl.DataFrame) -> pl.DataFrame:
    first = pl.int_range(pl.len()) < 3
    return rows.with_columns(pl.when(first).then(31).otherwise("day").alias("day"))


LOST = into("dest", None, tenths=3)
NONE_LATE = into("arr_delay", pl.min_horizontal("arr_delay", 0))

DAMAGES = (
    # The source
    Damage("The source is not there", at("data/nowhere"), "refused", "data/nowhere"),
    Damage("It is empty", empty, "refused", "no month of flights"),
    Damage("It is a file", file_for_a_folder, "refused", "no month of flights"),
    Damage("Its address is of an unknown kind", at("ftps3://flights"), "refused", "'ftps3'"),
    Damage("We may not look into it", closed, "refused", "denied", closes=True),
    Damage("We cannot open a file", folder_for_a_file, "refused", "flights.parquet"),
    # The months
    Damage("The month was not delivered", removed("flights", "2013-05"), "refused", "2013-05"),
    Damage(
        "A month to train on was not delivered",
        removed("flights", "2013-03"),
        "goes on",
        "not delivered: 2013-03",
    ),
    Damage(
        "Too few months to train on were delivered",
        all_of(removed("flights", "2013-03"), removed("flights", "2013-04")),
        "refused",
        "Too few months",
    ),
    Damage(
        "A month to train on is bad",
        flights(LOST, "2013-04"),
        "goes on",
        "left out of training: 2013-04",
    ),
    Damage(
        "Too few months to train on are good",
        all_of(flights(LOST, "2013-03"), flights(LOST, "2013-04")),
        "is quarantined",
        "2013-03, 2013-04",
    ),
    Damage(
        "The month has not ended",
        copied("2013-05", "2099-01"),
        "refused",
        "2099-01 has not ended",
        "2099-01",
    ),
    Damage("The same, and it was not asked for", copied("2013-05", "2099-01"), "goes on", "", None),
    Damage(
        "The month is delivered again with other content after a run used it",
        flights(lambda rows: rows.head(-9), "2013-04"),
        "goes on",
        "2013-04 was delivered anew",
        "2013-04",
    ),
    Damage(
        "The data are another month's",
        copied("2013-04", "2013-05"),
        "is quarantined",
        "outside 2013-05",
    ),
    # Files
    Damage(
        "A table has no file",
        removed("weather", "2013-05"),
        "is quarantined",
        "weather: no file was delivered",
    ),
    Damage("A file is empty", content(lambda _: b""), "is quarantined", "flights.parquet"),
    Damage(
        "A file is truncated",
        content(lambda good: good[: len(good) // 2]),
        "is quarantined",
        "flights.parquet",
    ),
    Damage(
        "A file lost some bytes in its middle, and its end is whole",
        content(lambda good: good[:9999] + good[14999:]),
        "is quarantined",
        "flights.parquet",
    ),
    Damage(
        "The same file is there under two names",
        second_file(lambda rows: rows),
        "is quarantined",
        "rows repeat",
    ),
    Damage(
        "The files of a table differ",
        second_file(lambda rows: rows.drop("dest")),
        "is quarantined",
        "differ in dest",
    ),
    # Columns
    Damage(
        "A column is missing",
        flights(lambda rows: rows.drop("dest")),
        "is quarantined",
        "flights.dest",
    ),
    Damage(
        "A column was renamed",
        flights(lambda rows: rows.rename({"dest": "destination"})),
        "is quarantined",
        "flights.dest",
    ),
    Damage(
        "A column is of another type",
        flights(lambda rows: rows.cast({"distance": pl.String})),
        "is quarantined",
        "flights.distance",
    ),
    Damage(
        "There is a column more",
        flights(lambda rows: rows.with_columns(gate=pl.lit("B22"))),
        "goes on",
    ),
    # Rows
    Damage("30 % of a column are missing", flights(LOST), "is quarantined", "30.0% are missing"),
    Damage(
        "Some rows are there twice",
        flights(lambda rows: pl.concat([rows, rows.head(100)])),
        "is quarantined",
        "100 rows repeat",
    ),
    Damage("There are ten rows", flights(lambda rows: rows.head(10)), "is quarantined", "10 rows"),
    Damage("There are no rows", flights(lambda rows: rows.clear()), "is quarantined", "0 rows"),
    # Values
    Damage(
        "Values are out of range: degrees Fahrenheit became Kelvin",
        weather(into("temp", (pl.col("temp") + 459.67) / 1.8)),
        "is quarantined",
        "weather.temp",
    ),
    Damage(
        "Values are not numbers",
        weather(into("wind_speed", float("nan"), tenths=1)),
        "is quarantined",
        "weather.wind_speed",
    ),
    Damage(
        "Three dates do not exist, in a month to train on",
        flights(first_three_on_31_april, "2013-04"),
        "goes on",
        "left out of training: 2013-04",
    ),
    Damage(
        "Categories were never seen",
        all_of(
            flights(into("carrier", "new", tenths=4)),
            flights(into("dest", "new", tenths=3)),
        ),
        "goes on",
    ),
    Damage(
        "An airport that is none of the three",
        flights(into("origin", "BOS", tenths=1)),
        "is quarantined",
        "flights.origin",
    ),
    # What came true
    Damage("No flight was late", flights(NONE_LATE), "is quarantined", "0.0%"),
    Damage("Every flight was late", flights(into("arr_delay", 60)), "is quarantined", "100.0%"),
    Damage(
        "No flight was late in a month to train on",
        flights(NONE_LATE, "2013-04"),
        "goes on",
        "left out of training: 2013-04",
    ),
    Damage(
        "No arrival is known yet",
        flights(into("arr_delay", None)),
        "is quarantined",
        "flights.arr_delay: 100.0% are missing",
    ),
    # Times
    Damage("Hours have no time zone", flights(hours_as(None)), "is quarantined", "time_hour"),
    Damage("Local hours pass as UTC", flights(hours_as("UTC")), "is quarantined", "clocks"),
    Damage(
        "The same in the weather alone",
        weather(hours_as("UTC")),
        "is quarantined",
        "outside 2013-05",
    ),
    Damage(
        "Hours lie a year ahead",
        flights(lambda rows: rows.with_columns(pl.col("time_hour").dt.offset_by("1y"))),
        "is quarantined",
        "outside 2013-05",
    ),
)
