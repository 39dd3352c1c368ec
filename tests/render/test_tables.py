"""The tables that tests write have a cell for each row and column."""

from pathlib import Path

import pytest

from tests.alerts.arrival import EVENTS, NAMES
from tests.faults.survival import ROWS
from tests.render.conftest import FrontEnd
from tests.tables import ALERTS, EMPTY, FAULTS, UPDATES, WORKFLOWS, columns, read
from tests.update import test_releases
from tests.workflows.kept import NO_SUCH_STEP, rows

EXPECTED = {
    ALERTS: [f"{event}: {name}" for event in EVENTS.values() for name in NAMES.values()],
    FAULTS: list(ROWS),
    UPDATES: test_releases.ROWS,
}


@pytest.mark.parametrize("page", EXPECTED, ids=lambda page: page.stem)
def test_no_cell_is_empty(page: Path) -> None:
    table = read(page)
    assert list(table) == EXPECTED[page]
    assert not [row for row, cells in table.items() if EMPTY in cells.values()]


def test_each_step_of_a_workflow_has_its_cell(
    render_cookiecutter: FrontEnd, tmp_path: Path
) -> None:
    table = read(WORKFLOWS)
    for column in columns(WORKFLOWS):
        folder = render_cookiecutter(tmp_path / column, orchestrator=column.lower())
        expected = set(rows(folder / ".github/workflows"))
        assert {row for row, seen in table.items() if seen[column] != NO_SUCH_STEP} == expected
        assert not [row for row, seen in table.items() if seen[column] == EMPTY]
