"""Tables in the docs that tests write: each cell is what a test saw.

`WRITE_TABLES=1 make matrix` writes them; else a test fails where it sees what no cell says.
"""

import os
from pathlib import Path

from filelock import FileLock

from tests.shell import ROOT

EMPTY = "not run"

ALERTS = ROOT / "docs/alerts.md"
FAULTS = ROOT / "docs/faults.md"
UPDATES = ROOT / "docs/updates.md"


def read(page: Path) -> dict[str, dict[str, str]]:
    """Return the one table of a page, by row and column."""
    lines = [line for line in page.read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    (_, *columns), _, *rows = cells
    return {row: dict(zip(columns, said, strict=True)) for row, *said in rows}


def record(page: Path, row: str, column: str, seen: str) -> None:
    """Hold what a test saw against its cell, or write it there.

    The page has the rows of the table already, each where people look for it.
    """
    if "WRITE_TABLES" not in os.environ:
        said = read(page)[row][column]
        assert seen == said, f"{page.name} says of {row!r} under {column}: {said!r}"
        return
    with FileLock(page.with_suffix(".lock")):
        cells = read(page)[row] | {column: seen}
        lines = page.read_text(encoding="utf-8").splitlines()
        (place,) = (n for n, line in enumerate(lines) if line.startswith(f"| {row} |"))
        lines[place] = f"| {row} | {' | '.join(cells.values())} |"
        page.write_text("\n".join(lines) + "\n", encoding="utf-8")
