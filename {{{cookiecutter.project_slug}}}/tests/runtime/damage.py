"""Faults of a delivery, and the expected outcome of a run on it.

Faults of values that only the team's tables know are in the team's own tests.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import polars as pl

from .conftest import MAIN, NEVER, OUTCOME, REQUIRED, Change, P, Project

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


def not_parquet(project: Project) -> None:
    """Leave no file of a known format in the folder of the main table."""
    file = project.delivered(MAIN, PERIOD)
    file.rename(file.with_suffix(".txt"))


def closed(project: Project) -> None:
    """Take away the permission to look into the folder of the main table."""
    (project.folder / "data/source" / MAIN).chmod(0)


LOST = without_values(REQUIRED)

SOURCE = (
    Damage("The source is missing", source_at("data/nowhere"), "refused", "data/nowhere"),
    Damage("It is empty", emptied, "refused", "such as main/"),
    Damage("It is a file", file_for_a_folder, "refused", "such as main/"),
    Damage("Its address is of an unknown kind", source_at("ftps3://data"), "refused", "'ftps3'"),
    Damage("A folder may not be read", closed, "refused", "denied", closes=True),
    Damage("A file may not be read", folder_for_a_file, "refused", "main.parquet"),
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
    Damage("A table has no file", not_parquet, "is quarantined", "main: no file was delivered"),
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
        "A table is there both in folders and in one file",
        in_two_layouts,
        "refused",
        "has main twice, as main.parquet and as main",
    ),
    Damage(
        "The files of a table differ",
        second_file(lambda rows: rows.drop(REQUIRED)),
        "is quarantined",
        "differ in column",
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
