"""Tables in the docs that tests write: each cell holds what a test observed.

`WRITE_TABLES=1 make matrix` writes them; otherwise a test fails if it observes something else.
"""

import os
from pathlib import Path

from filelock import FileLock

from tests.shell import ROOT

EMPTY = "not run"
SEEN: list[tuple[str, str]] = []
"""The page and the cells that the current test has observed; tests/conftest.py prints them."""

ALERTS = ROOT / "docs/alerts.md"
FAULTS = ROOT / "docs/faults.md"
TRACKERS = ROOT / "docs/tracker-faults.md"
UPDATES = ROOT / "docs/updates.md"


def read(page: Path) -> dict[str, dict[str, str]]:
    """Return the one table of a page, by row and column."""
    lines = [line for line in page.read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    (_, *names), _, *rows = [cells(line) for line in lines]
    return {row: dict(zip(names, said, strict=True)) for row, *said in rows}


def columns(page: Path) -> list[str]:
    """Return the names of the columns of a page's table."""
    lines = page.read_text(encoding="utf-8").splitlines()
    return cells(next(line for line in lines if line[:1] == "|"))[1:]


def cells(line: str) -> list[str]:
    """Return the cells of a line of a table."""
    return [cell.strip() for cell in line.strip("|").split("|")]


def add_column(page: Path, column: str) -> None:
    """Append a column to the table of a page, for what was not run yet."""
    ends = iter([column, "---"])
    lines = [
        f"{line} {next(ends, EMPTY)} |" if line[:1] == "|" else line
        for line in page.read_text(encoding="utf-8").splitlines()
    ]
    page.write_text("\n".join(lines) + "\n", encoding="utf-8")


def record(page: Path, row: str, column: str, seen: str) -> None:
    """Compare what a test observed with its cell, or write it there.

    Rows that the page has keep their place; new ones, and columns, are appended.
    """
    SEEN.append((page.relative_to(ROOT).as_posix(), f"{row} | {column} | {seen}"))
    if "WRITE_TABLES" not in os.environ:
        said = read(page).get(row, {}).get(column)
        assert seen == said, f"{page.name} says of {row!r} under {column}: {said!r}"
        return
    with FileLock(page.with_suffix(".lock")):
        if column not in columns(page):
            add_column(page, column)
        said_of = read(page).get(row, dict.fromkeys(columns(page), EMPTY)) | {column: seen}
        lines = page.read_text(encoding="utf-8").splitlines()
        places = [n for n, line in enumerate(lines) if line.startswith(f"| {row} |")]
        if not places:
            places = [len(lines)]
            lines.append("")
        lines[places[0]] = f"| {row} | {' | '.join(said_of.values())} |"
        page.write_text("\n".join(lines) + "\n", encoding="utf-8")
