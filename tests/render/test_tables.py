"""The tables that tests write have a cell for each row and column."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.alerts.arrival import EVENTS, NAMES
from tests.faults.survival import ROWS
from tests.render.conftest import FrontEnd
from tests.tables import ALERTS, EMPTY, FAULTS, UPDATES, WORKFLOWS, columns, read
from tests.update import test_releases
from tests.workflows import syntax
from tests.workflows.kept import NO_SUCH_STEP

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
        workflows = folder / ".github/workflows"
        started = [file.name for file in workflows.iterdir() if file.name != "deploy-to.yml"]
        expected = {f"{file}: {step}" for file in started for step in steps(workflows, file)}
        assert {row for row, seen in table.items() if seen[column] != NO_SUCH_STEP} == expected
        assert not [row for row, seen in table.items() if seen[column] == EMPTY]


def steps(folder: Path, file: str, caller: str = "") -> Iterator[str]:
    """Yield the steps of a workflow, and of those that it calls, as the table names them."""
    for name, job in syntax.read((folder / file).read_text(encoding="utf-8"), file)["jobs"].items():
        if "uses" in job:
            yield from steps(folder, Path(job["uses"]).name, f"{caller}{name} / ")
        for step in job.get("steps", []):
            yield f"{caller}{name}: {syntax.title(step)}"
