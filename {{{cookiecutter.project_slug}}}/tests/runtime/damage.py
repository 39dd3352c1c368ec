"""Faults of a delivery, and the expected outcome of a run on it.

Faults of values that only the team's tables know are in the team's own tests.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from {{{ cookiecutter.package_name }}}.runtime.periods import PARTITIONS

from .conftest import MAIN, NEVER, OUTCOME, REQUIRED, Change, P, Project
from .deliveries import TIME

PERIOD = P[5]

Act = Callable[[Project], object]


@dataclass(frozen=True)
class Damage:
    """One kind of damage to a project whose champion is of `P[4]`."""

    what: str
    """In words: the first cell of its row in `docs/data-faults.md`."""
    do: Act
    run: Literal["refused", "is quarantined", "continues"]
    says: str = ""
    """What the row's sentence must hold."""
    period: str | None = PERIOD
    """The period asked for; None asks for the newest that has ended."""
    closes: bool = False
    """Whether it takes permissions away, which root does not notice."""


def without_values(column: str) -> Change:
    """Return the change that removes all values of a column."""
    return lambda rows: rows.with_columns(pl.lit(None, rows.schema[column]).alias(column))


def of_another_type(rows: pl.DataFrame, column: str) -> pl.DataFrame:
    """Return rows in which a column holds numbers instead of text, or text instead of the rest."""
    text = rows.schema[column] == pl.String
    wrong = pl.int_range(pl.len()) if text else pl.col(column).cast(pl.String)
    return rows.with_columns(wrong.alias(column))


def rows(change: Change, period: str = PERIOD) -> Act:
    """Change the rows of the main table."""
    return lambda project: project.deliver(MAIN, period, change)


def content(change: Callable[[bytes], bytes]) -> Act:
    """Change the bytes of the main table's file."""

    def do(project: Project) -> None:
        file = project.delivered(MAIN, PERIOD)
        file.write_bytes(change(file.read_bytes()))

    return do


def as_csv(old: str, new: str) -> Act:
    """Deliver the main table as CSV, and change its fourth line."""

    def do(project: Project) -> None:
        file = project.delivered(MAIN, PERIOD)
        text = pl.read_parquet(file).write_csv(datetime_format="%Y-%m-%dT%H:%M:%S%.6fZ")
        lines = text.splitlines(keepends=True)
        lines[3] = lines[3].replace(old, new, 1)
        file.with_suffix(".csv").write_text("".join(lines), encoding="utf-8")
        file.unlink()

    return do


def csv_cut_off(project: Project) -> None:
    """Remove the end of the main table's CSV file."""
    file = project.delivered(MAIN, PERIOD).with_suffix(".csv")
    file.write_bytes(file.read_bytes()[:-2])


def second_beside(project: Project) -> None:
    """Deliver another file of the main table beside its folder."""
    shutil.copy(project.delivered(MAIN, PERIOD), project.folder / f"data/source/{MAIN}-2.parquet")


def with_a_log(project: Project) -> None:
    """Make the folder of the main table one of Delta."""
    (project.folder / "data/source" / MAIN / "_delta_log").mkdir()


def in_two_layouts(project: Project) -> None:
    """Deliver the main table in one file, too."""
    shutil.copy(project.delivered(MAIN, PERIOD), project.folder / f"data/source/{MAIN}.parquet")


def second_file(change: Change) -> Act:
    """Deliver another file of the main table beside the first."""

    def do(project: Project) -> None:
        file = project.delivered(MAIN, PERIOD)
        change(pl.read_parquet(file)).write_parquet(file.with_name("more.parquet"))

    return do


def copied(period: str, to: str) -> Act:
    """Deliver the main table of a period as another one's."""

    def do(project: Project) -> None:
        file = project.delivered(MAIN, to)
        file.parent.mkdir(exist_ok=True)
        shutil.copy(project.delivered(MAIN, period), file)

    return do


def removed(period: str) -> Act:
    """Remove the main table of a period."""
    return lambda project: shutil.rmtree(project.delivered(MAIN, period).parent)


def source_at(address: str) -> Act:
    """Set another address of the source."""
    return lambda project: project.tune(source=address)


def all_of(*acts: Act) -> Act:
    """Do several things."""
    return lambda project: [act(project) for act in acts]


def emptied(project: Project) -> None:
    """Remove all that was delivered."""
    shutil.rmtree(project.folder / "data/source")
    (project.folder / "data/source").mkdir()


def file_for_a_folder(project: Project) -> None:
    """Put a file in the place of the source."""
    shutil.rmtree(project.folder / "data/source")
    (project.folder / "data/source").write_text("moved\n")


def folder_for_a_file(project: Project) -> None:
    """Put a folder in the place of a table's file."""
    file = project.delivered(MAIN, PERIOD)
    file.unlink()
    file.mkdir()
    (file / "part-0.parquet").write_bytes(b"?")


def half_in(name: str, period: str = PERIOD) -> Act:
    """Deliver half of the main table's rows in another file, or in a folder."""

    def do(project: Project) -> None:
        file = project.delivered(MAIN, period)
        whole, other = pl.read_parquet(file), file.parent / name
        other.parent.mkdir(exist_ok=True)
        whole.tail(400).write_parquet(other)
        whole.head(-400).write_parquet(file)

    return do


def beside(*names: str) -> Act:
    """Put other files beside the main table's."""

    def do(project: Project) -> None:
        for name in names:
            file = project.delivered(MAIN, PERIOD).parent / name
            file.parent.mkdir(exist_ok=True)
            file.write_text("?\n", encoding="utf-8")

    return do


def few_without(column: str) -> Act:
    """Deliver few of the main table's rows in another file, in which a column has no type."""

    def do(project: Project) -> None:
        file = project.delivered(MAIN, PERIOD)
        whole = pl.read_parquet(file)
        few = whole.head(20).with_columns(pl.lit(None).alias(column))
        few.write_parquet(file.with_name("few.parquet"))
        whole.slice(20).write_parquet(file)

    return do


def linked_to_nowhere(project: Project) -> None:
    """Put a link beside the main table's file."""
    project.delivered(MAIN, PERIOD).with_name("more.parquet").symlink_to("nowhere")


def renamed(old: str, new: str) -> Act:
    """Rename a file or folder of the source."""

    def do(project: Project) -> None:
        source = project.folder / "data/source"
        (source / old).rename(source / new)

    return do


def with_arrow(change: Callable[[pa.Table], pa.Table], period: str = PERIOD) -> Act:
    """Change the main table as Polars could not write it."""

    def do(project: Project) -> None:
        file = project.delivered(MAIN, period)
        pq.write_table(change(pq.ParquetFile(file).read()), file)

    return do


def with_an_offset(table: pa.Table) -> pa.Table:
    """Add a column of times as pandas writes those of India."""
    return table.append_column("loaded_at", table[TIME].cast(pa.timestamp("us", "+05:30")))


def of_other_tools(table: pa.Table) -> pa.Table:
    """Return the table as pandas may write it, with an index, in other units and widths."""
    text = table["depot"].dictionary_encode()
    times = table[TIME].cast(pa.timestamp("ns", "Asia/Tokyo"))
    table = table.set_column(table.column_names.index("depot"), "depot", text)
    table = table.set_column(table.column_names.index(TIME), TIME, times)
    return table.append_column("__index_level_0__", pa.array(range(len(table))))


def closed(project: Project) -> None:
    """Take away the permission to look into the folder of the main table."""
    (project.folder / "data/source" / MAIN).chmod(0)


def closed_file(project: Project) -> None:
    """Take away the permission to read the main table's file."""
    project.delivered(MAIN, PERIOD).chmod(0)


LOST = without_values(REQUIRED)

SOURCE = (
    Damage("The source is missing", source_at("data/nowhere"), "refused", "data/nowhere"),
    Damage("It is empty", emptied, "refused", "such as main/"),
    Damage("It is a file", file_for_a_folder, "refused", "such as main/"),
    Damage("Its address is of an unknown kind", source_at("ftps3://data"), "refused", "'ftps3'"),
    Damage("A folder may not be read", closed, "refused", "denied", closes=True),
    Damage("A file may not be read", closed_file, "refused", "main.parquet", closes=True),
    Damage(
        "The folder of a table is spelled in another way",
        renamed(MAIN, MAIN.title()),
        "refused",
        "has Main, which is not read: name it like main,",
    ),
    Damage(
        "A file or folder of a table is of no period",
        renamed(f"{MAIN}/{PARTITIONS[0]}={PERIOD}/{MAIN}.parquet", f"{MAIN}/more.parquet"),
        "refused",
        "has main/more.parquet, which is not read: name it like main/",
    ),
    Damage(
        "There is a second file of a table beside its file or folder",
        second_beside,
        "refused",
        "has main-2.parquet, which is not read: name it like main,",
    ),
    Damage("A table is one of Delta or Hudi", with_a_log, "refused", "main is a Delta table"),
)

PERIODS = (
    Damage("The period was not delivered", removed(PERIOD), "refused", f"has no {PERIOD}"),
    Damage(
        "A period to train on was not delivered",
        removed(P[3]),
        "continues",
        f"not delivered: {P[3]}",
    ),
    Damage(
        "Too few periods to train on were delivered",
        all_of(removed(P[3]), removed(P[4])),
        "refused",
        "Too few periods",
    ),
    Damage(
        "A period to train on is bad",
        rows(LOST, P[4]),
        "continues",
        f"left out of training: {P[4]}",
    ),
    Damage(
        "Too few periods to train on are good",
        all_of(rows(LOST, P[3]), rows(LOST, P[4])),
        "is quarantined",
        f"{P[3]}, {P[4]}",
    ),
    Damage(
        "The period has not ended",
        copied(PERIOD, NEVER),
        "refused",
        f"{NEVER} has not ended",
        period=NEVER,
    ),
    Damage("The same, and it was not asked for", copied(PERIOD, NEVER), "continues", period=None),
    Damage(
        "The period is delivered again with other content after a run used it",
        rows(lambda rows: rows.head(-9), P[4]),
        "continues",
        f"{P[4]} has changed",
        period=P[4],
    ),
    Damage(
        "The data are another period's",
        copied(P[4], PERIOD),
        "is quarantined",
        f"main.time: 100.0% are outside {PERIOD}",
    ),
)

FILES = (
    Damage(
        "A table has no file",
        lambda project: project.delivered(MAIN, PERIOD).unlink(),
        "is quarantined",
        "main: no file was delivered",
    ),
    Damage(
        "The name of a file has another ending, such as .PARQUET, .pq or .parquet.gz",
        half_in("part-1.PARQUET"),
        "is quarantined",
        "part-1.PARQUET is not read: its name",
    ),
    Damage(
        "The same in a period to train on",
        half_in("part-1.pq", P[4]),
        "continues",
        f"left out of training: {P[4]} (main: main/",
    ),
    Damage(
        "There is a folder among the files",
        half_in("day=16/part-0.parquet"),
        "is quarantined",
        "day=16 is not read: it is a folder",
    ),
    Damage("A file is a folder", folder_for_a_file, "is quarantined", "it is a folder"),
    Damage("A link leads nowhere", linked_to_nowhere, "is quarantined", "a link that leads"),
    Damage(
        "The folder of a period is spelled in another way",
        renamed(f"{MAIN}/{PARTITIONS[0]}={P[4]}", f"{MAIN}/{PARTITIONS[0].title()}={P[4]}"),
        "continues",
        f"left out of training: {P[4]} (main: main/",
    ),
    Damage(
        "There are hidden files and markers, such as _SUCCESS, ._part-0.parquet or part-0.crc",
        beside("_SUCCESS", "._main.parquet", ".main.parquet.crc", "main.crc", "_temporary/0"),
        "continues",
    ),
    Damage(
        "A file crashes the reader, as a column with the time zone +05:30 does",
        with_arrow(with_an_offset),
        "is quarantined",
        "not readable as Parquet: `loaded_at` has the time zone '+05:30'",
    ),
    Damage("A file is empty", content(lambda _: b""), "is quarantined", "not readable"),
    Damage(
        "A file is truncated",
        content(lambda good: good[: len(good) // 2]),
        "is quarantined",
        "not readable",
    ),
    Damage(
        "A file lost bytes in its middle, and its end is whole",
        content(lambda good: good[: len(good) // 3] + good[len(good) // 2 :]),
        "is quarantined",
        "not readable",
    ),
    Damage(
        "The same file is there under two names",
        second_file(lambda rows: rows),
        "is quarantined",
        "rows repeat the key",
    ),
    Damage(
        "A line of a CSV file lacks a field",
        as_csv(",", ""),
        "is quarantined",
        "main.csv, line 4: Expected ",
    ),
    Damage(
        "A time in a CSV file has no zone",
        as_csv("Z", ""),
        "is quarantined",
        "main.csv, line 4: `time` has no time zone",
    ),
    Damage(
        "A quote in a CSV file is opened and not closed",
        as_csv(",", ',"'),
        "is quarantined",
        "main.csv: a quote is opened",
    ),
    Damage(
        "A CSV file is cut off in its last line",
        all_of(as_csv("", ""), csv_cut_off),
        "is quarantined",
        "main.csv: its last line has no end",
    ),
    Damage(
        "A table is there both in folders and in one file",
        in_two_layouts,
        "refused",
        "has main twice, as main.parquet and as main",
    ),
    Damage(
        "A column of one file is of another type",
        second_file(lambda rows: of_another_type(rows, REQUIRED)),
        "is quarantined",
        "files: `column` of main is String in main/",
    ),
    Damage(
        "One file lacks a column",
        second_file(lambda rows: rows.drop(REQUIRED)),
        "is quarantined",
        "files: `column` of main is missing in main/",
    ),
    Damage(
        "Files differ in widths, units, empty columns, or columns that tables.py does not name",
        all_of(half_in("more.parquet"), with_arrow(of_other_tools), few_without(OUTCOME)),
        "continues",
    ),
    Damage(
        "A column is there twice",
        with_arrow(lambda table: table.append_column(REQUIRED, table[REQUIRED])),
        "is quarantined",
        f"main.parquet is not readable as Parquet: it has the column `{REQUIRED}` 2 times",
    ),
)

COLUMNS = (
    Damage(
        "A column is missing",
        rows(lambda rows: rows.drop(REQUIRED)),
        "is quarantined",
        "main.column: the column is missing",
    ),
    Damage(
        "A column was renamed",
        rows(lambda rows: rows.rename({REQUIRED: f"{REQUIRED}_2"})),
        "is quarantined",
        "main.column: the column is missing",
    ),
    Damage(
        "A column is of another type",
        rows(lambda rows: of_another_type(rows, REQUIRED)),
        "is quarantined",
        "main.column: its type is",
    ),
    Damage(
        "There is a column more",
        rows(lambda rows: rows.with_columns(more=pl.lit("?"))),
        "continues",
    ),
    Damage("A column is empty", rows(LOST), "is quarantined", "main.column: 100.0% are missing"),
    Damage(
        "No outcome is known yet",
        rows(without_values(OUTCOME)),
        "is quarantined",
        "main.outcome: 100.0% are missing",
    ),
)

ROWS = (
    Damage(
        "Some rows are there twice",
        rows(lambda rows: pl.concat([rows, rows.head(100)])),
        "is quarantined",
        "rows repeat the key",
    ),
    Damage("There are ten rows", rows(lambda rows: rows.head(10)), "is quarantined", "10 rows"),
    Damage("There are no rows", rows(lambda rows: rows.clear()), "is quarantined", "0 rows"),
)

DAMAGES = (*SOURCE, *PERIODS, *FILES, *COLUMNS, *ROWS)
