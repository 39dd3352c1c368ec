"""What must hold after any fault, and the undisturbed run that all are compared with."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.alerts.receiver import Receiver
from tests.faults.killing import PLACES
from tests.projects import Project
from tests.tables import FAULTS, record

# The rows of the table. Of periods that run in parallel, the first that gets there is killed.
STEPS = tuple(PLACES)
ROWS = (
    *(f"{step}: its process is killed" for step in STEPS),
    "the worker is killed",
    "the server or scheduler is killed",
    "the source fails twice",
    "the source hangs",
    "the tracker is down while training",
    "the tracker is down while registering",
    "the tracker is down while releasing",
    "the snapshot storage is not writable",
    "the disk is full",
    "two runs for one period",
    "Ctrl-C",
    "the schedule across daylight saving time",
    "the period is December",
)

BY_ITSELF = "retried automatically"

PERIOD = "2013-05"
SAME = ("run_id", "status", "reason", "rows", "metrics", "champion_after", "data_version")

LOOK = """
from my_pipeline.runtime.config import load_params
from my_pipeline.runtime.registry import registry
name = load_params().model_name
champion = registry.champion(name)
registry.load_model(name, champion.version)
print(champion.run_id, *registry.data_versions())
"""


@dataclass(frozen=True)
class Undisturbed:
    """How an undisturbed run ends."""

    result: dict[str, Any]
    snapshots: set[str]


def look(project: Project) -> Undisturbed:
    """Return how a run ended."""
    return Undisturbed(project.results()[PERIOD], snapshots(project))


def snapshots(project: Project) -> set[str]:
    """Return the data versions that are stored."""
    return {file.name for file in project.folder.glob("data/remote/snapshots/**/*.dir")}


def half_made(project: Project) -> list[Path]:
    """Return the partial files that a killed process left."""
    return [*project.folder.rglob("*.part*"), *project.folder.glob(".dvc/tmp/snapshots/*/")]


def survived(
    fault: str,
    column: str,
    project: Project,
    expected: Undisturbed,
    receiver: Receiver,
    went: str,
    before: Sequence[str] = (),
) -> None:
    """Check that nothing is lost, doubled or half made, and record how the run ended.

    Args:
        fault: the row of the table.
        column: the orchestrator, as the table has it.
        project: where the run met the fault, and has ended.
        expected: how an undisturbed run ends.
        receiver: what got the alerts.
        went: how it was finished, such as `retried automatically`.
        before: the titles of the alerts that come before that of the release.
    """
    result = project.results()[PERIOD]
    assert {name: result[name] for name in SAME} == {name: expected.result[name] for name in SAME}
    said = project.run_code(LOOK).split()
    assert said == [result["run_id"]] * 2  # the champion loads, and is the only version
    assert snapshots(project) == expected.snapshots
    assert half_made(project) == []
    titles = [alert.payload["title"].partition(": ")[2] for alert in receiver.arrived]
    assert titles == [*before, f"{PERIOD}: the champion is version 1"], titles
    record(FAULTS, fault, column, f"{went}; alerts: {', '.join(titles)}")
