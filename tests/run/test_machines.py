"""A project on machines that differ from a plain one: proxies, dead servers, two at once."""

import fcntl
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.machines import (
    DEAD,
    DEAD_PREFECT,
    NO_START,
    RESET,
    TWO_RUNS,
    company,
    doctor,
    record_machine,
)
from tests.projects import ORCHESTRATORS, PATIENCE, Project, at_home, clone, free_port, until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("run machines")]

TRACKER = "MLFLOW_TRACKING_URI"


@pytest.fixture(scope="module")
def project(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Give one project, with an empty home of its own, to the tests of this file."""
    return at_home(project, tmp_path_factory)


@contextmanager
def dead(kind: str) -> Iterator[str]:
    """Give the address of a tracker that cannot be used."""
    match kind:
        case "refused":
            yield f"http://127.0.0.1:{free_port()}"
        case "unknown":
            yield "http://mlflow.example.invalid"
        case _:
            with company(kind) as server:
                yield server.address


@pytest.mark.matrix
@pytest.mark.parametrize("kind", DEAD)
def test_a_tracker_that_cannot_be_used_is_one_sentence(kind: str, project: Project) -> None:
    with dead(kind) as address:
        code, said = project.python("status", **{TRACKER: address})
        assert (code, said.count("\n")) == (1, 1), said
        assert address in said
        record_machine(DEAD[kind], said, doctor(project, **{TRACKER: address})["tracker"])


@pytest.mark.matrix
def test_a_prefect_server_that_is_dead_is_one_sentence(project: Project) -> None:
    server = {"PREFECT_API_URL": f"http://127.0.0.1:{free_port()}/api"}
    code, said = project.python("run", "--period", "2013-05", **server)
    assert code == 1
    (sentence,) = [line for line in said.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in said
    record_machine(DEAD_PREFECT, sentence, doctor(project, **server)["orchestrator"])


def test_of_two_that_prepare_a_folder_one_waits(project: Project, tmp_path: Path) -> None:
    """Where the first one is killed, its lock is free, and what it left is replaced, once."""
    fresh, log = without_data(project, tmp_path / "fresh"), tmp_path / "waiting.log"
    lock = fresh.folder / ".preparing.lock"
    first = subprocess.Popen(
        ["flock", lock, "sleep", str(PATIENCE)], start_new_session=True, text=True
    )
    until(lambda: subprocess.run(["flock", "-n", lock, "true"], check=False).returncode, first)
    (fresh.folder / "data/source.part/flights").mkdir(parents=True)
    second = fresh.start(log, "data")
    waiting = "Waiting for another make that prepares this folder"
    until(lambda: waiting in log.read_text(), second)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    assert second.wait(PATIENCE) == 0, log.read_text()
    assert log.read_text().count("336,776 flights") == 1
    assert "336,776 flights" not in fresh.make("data")
    assert [path.name for path in (fresh.folder / "data").iterdir()] == ["source"]


@pytest.mark.matrix
def test_two_runs_at_once_in_a_new_folder(project: Project, tmp_path: Path) -> None:
    fresh = without_data(project, tmp_path / "fresh")
    logs = [tmp_path / name for name in ("one.log", "another.log")]
    runs = [fresh.start(log, "run", "PERIOD=2013-05") for log in logs]
    assert [run.wait(3 * PATIENCE) for run in runs] == [0, 0], [log.read_text() for log in logs]
    said = [log.read_text() for log in logs]
    (waiting,) = [line for text in said for line in text.splitlines() if "another make" in line]
    assert all("2013-05 released" in text for text in said)
    record_machine(TWO_RUNS, waiting)


def test_what_a_run_needs_is_not_deleted(project: Project, tmp_path: Path) -> None:
    used = clone(project, tmp_path / "used")
    with (used.folder / ".running.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)  # as `make run` holds it
        for target in ("reset", "clean"):
            said = used.make(target, ok=False)
            (sentence,) = [line for line in said.splitlines() if line.startswith("error: ")]
            assert "Error 2" in said
    record_machine(RESET, sentence)
    assert (used.folder / "data/source").exists()
    used.make("reset")
    assert not (used.folder / "data/source").exists()


@pytest.mark.matrix
@pytest.mark.parametrize("orchestrator", ["prefect", "airflow"])
def test_a_start_that_fails_shows_the_end_of_its_log(
    orchestrator: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Behind a proxy, too, which gets nothing of it."""
    ours = clone(request.getfixturevalue(ORCHESTRATORS[orchestrator]), tmp_path / "ui")
    (ours.folder / "mlflow.db").write_text("damaged\n" * 1000)
    ports = {f"{name}_PORT": str(free_port()) for name in ("PREFECT", "AIRFLOW", "MLFLOW")}
    with company("503") as proxy:
        said = ours.make("ui", ok=False, HTTP_PROXY=proxy.address, **ports)
        assert proxy.asked == []
    _, found, rest = said.partition("error: mlflow stopped; the end of ")
    assert found, said
    assert "file is not a database" in rest
    log, _, _ = rest.partition(":")
    assert (ours.folder / log).exists()
    record_machine(NO_START, f"mlflow stopped; the end of {Path(log).name}: (its last 20 lines)")


def without_data(project: Project, folder: Path) -> Project:
    """Clone a project that has no data yet."""
    fresh = clone(project, folder)
    shutil.rmtree(fresh.folder / "data")
    return fresh
