"""The tables that tests write have a cell for each row and column."""

from pathlib import Path

import pytest

from tests.alerts.arrival import EVENTS, NAMES
from tests.faults.survival import ROWS
from tests.machines import PAGE as MACHINES
from tests.machines import ROWS as MACHINE_ROWS
from tests.tables import ALERTS, EMPTY, FAULTS, TRACKERS, UPDATES, read
from tests.trackers.test_trackers import KEPT
from tests.update import test_releases

EXPECTED = {
    ALERTS: [f"{event}: {name}" for event in EVENTS.values() for name in NAMES.values()],
    FAULTS: list(ROWS),
    TRACKERS: list(KEPT),
    UPDATES: test_releases.ROWS,
    MACHINES: MACHINE_ROWS,
}


@pytest.mark.parametrize("page", EXPECTED, ids=lambda page: page.stem)
def test_no_cell_is_empty(page: Path) -> None:
    table = read(page)
    assert list(table) == EXPECTED[page]
    assert not [row for row, cells in table.items() if EMPTY in cells.values()]
