"""Faults of production in runs without a worker; for those of a worker, see `tests/faults`."""

import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.survival import SAME, half_made, snapshots
from tests.prefect_server import Servers
from tests.projects import PATIENCE, Project, clone, until

pytestmark = [pytest.mark.slow, pytest.mark.matrix, pytest.mark.xdist_group("run faults")]

KILLED = Path(__file__).with_name("killed.py")

# Where each step is killed, in order: between writing and renaming a file; and after its work is
# done (its record is written last), before the orchestrator knows. Of periods that run in parallel,
# the first that gets there is killed.
PLACES = [
    "plan.json",
    "raw/flights",
    "manifests/",
    "steps/ingest",
    "checks/",
    "quality.json",
    "steps/validate",
    "push",
    "pushed",
    "snapshot.json",
    "steps/snapshot",
    "features/",
    "steps/features",
    "mlflow.db",
    "model.pkl",
    "training.json",
    "steps/train",
    "evaluation.json",
    "steps/evaluate",
    "promote",
    "release.json",
    "steps/release",
    "report.html",
    "result.json",
]


@pytest.fixture(scope="module")
def reference(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project in which 2013-05 ran undisturbed."""
    fresh = clone(project, tmp_path_factory.mktemp("undisturbed") / "my-pipeline")
    fresh.make("run", "PERIOD=2013-05")
    return fresh


@pytest.fixture
def server(fresh: Project, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Return the variables with which runs find a server that outlives them."""
    servers = Servers(fresh, tmp_path, {})
    try:
        servers.start_server()
        yield {"PREFECT_API_URL": servers.api.address}
    finally:
        servers.stop()


def test_killed_again_and_again_it_ends_as_if_undisturbed(
    fresh: Project,
    reference: Project,
    server: dict[str, str],
    tmp_path: Path,
) -> None:
    log = tmp_path / "killed.log"
    for place in PLACES:
        process = fresh.begin(log, str(KILLED), "2013-05", place, **server)
        assert process.wait(PATIENCE) == -signal.SIGKILL, (place, log.read_text())
    assert fresh.begin(log, "-m", "my_pipeline", "run", "--period", "2013-05", **server).wait() == 0
    expected, result = (p.results()["2013-05"] for p in (reference, fresh))
    assert {name: result[name] for name in SAME} == {name: expected[name] for name in SAME}
    assert fresh.registered_runs() == [result["run_id"]]
    assert fresh.champion() == "1"
    assert snapshots(fresh) == {f"{result['data_version'][2:]}.dir"} == snapshots(reference)
    assert not half_made(fresh)


def test_two_runs_of_different_periods_do_not_disturb_each_other(
    fresh: Project, reference: Project, tmp_path: Path
) -> None:
    """In a new project, in which both create the databases at once."""
    logs = {period: tmp_path / f"{period}.log" for period in ("2013-05", "2013-06")}
    runs = [
        fresh.begin(log, "-m", "my_pipeline", "run", "--period", period)
        for period, log in logs.items()
    ]
    assert [run.wait(PATIENCE) for run in runs] == [0, 0], [
        log.read_text() for log in logs.values()
    ]
    results = fresh.results()
    assert results["2013-05"]["metrics"] == reference.results()["2013-05"]["metrics"]
    assert results["2013-06"]["status"] == "released"
    # Whichever was first: the champion is of the later period.
    assert results["2013-05"]["status"] in ("released", "kept_champion")
    assert results["2013-06"]["champion_after"]["version"] == fresh.champion()
    assert len(snapshots(fresh)) == 2
    assert not any("Retry" in log.read_text() for log in logs.values())


def test_a_locked_tracker_is_waited_for(fresh: Project, tmp_path: Path) -> None:
    fresh.make("status")  # makes the tracker's database
    log = tmp_path / "run.log"
    run = fresh.begin(log, "-m", "my_pipeline", "run", "--period", "2013-05")
    until(lambda: list(fresh.folder.glob("runs/*/quality.json")), run)
    tracker = sqlite3.connect(fresh.folder / "mlflow.db")
    tracker.execute("BEGIN EXCLUSIVE")
    until(lambda: "database is locked" in log.read_text(), run)
    tracker.rollback()
    tracker.close()
    assert run.wait(PATIENCE) == 0, log.read_text()
    assert fresh.results()["2013-05"]["status"] == "released"
    assert len(fresh.registered_runs()) == 1
