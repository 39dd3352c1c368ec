"""The project on Airflow does what its README says, with nothing running."""

import fcntl
import json
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from tests.machines import ANOTHER_AIRFLOW, SOCKS, company, doctor, record_machine
from tests.projects import PATIENCE, Project, at_home, run_may

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("run parity")]

LATE = 4
"""Seconds that a late answer takes."""


@pytest.fixture(scope="module")
def fresh(on_airflow: Project) -> Project:
    """Give one project to the tests of this file, which follow each other."""
    return on_airflow


@pytest.fixture(scope="module")
def lasting(airflow: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Give a project that has run to the tests of the matrix."""
    project = at_home(airflow, tmp_path_factory)
    run_may(project)
    return project


def test_the_first_period_releases_a_model_beside_another_airflow(fresh: Project) -> None:
    """Which the environment configures; and a proxy stands before all other machines."""
    another = {
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__CORE__SQL_ALCHEMY_CONN": "postgresql://another",
        "AIRFLOW_CONFIG": "/nowhere/airflow.cfg",
        "AIRFLOW_HOME": "/nowhere",
    }
    with company("503") as proxy:
        socks = {"all_proxy": "socks5h://127.0.0.1:9", "HTTP_PROXY": proxy.address}
        said = run_may(fresh, **another, **socks)
        found = doctor(fresh, **another, ALL_PROXY="socks://127.0.0.1:9/")
        assert proxy.asked == []
    (ignored,) = [line for line in said.splitlines() if "settings of another Airflow" in line]
    record_machine(ANOTHER_AIRFLOW, ignored.replace(str(fresh.folder), "."), found["orchestrator"])
    record_machine(SOCKS, "works", found["proxy"])
    result = fresh.results()["2013-05"]
    assert (result["status"], result["orchestrator"]) == ("released", "airflow")
    assert f"2013-05 released: {result['reason']}" in said
    assert "DAG TEST" not in said


def test_nothing_is_written_outside_of_the_project(fresh: Project) -> None:
    """But for Matplotlib's cache of fonts; Airflow's folder is only for its owner: passwords."""
    new = list(fresh.shell.home.iterdir())
    assert {path.name for path in new} <= {".cache", ".config"}
    assert {path.name for folder in new for path in folder.iterdir()} <= {"matplotlib"}
    assert (fresh.folder / ".airflow").stat().st_mode & 0o077 == 0
    assert not fresh.shell("git", "status", "--porcelain", cwd=fresh.folder).stdout


def test_bad_input_is_refused(fresh: Project) -> None:
    before = fresh.results()
    said = fresh.make("run", "PERIOD=2014-05", ok=False)
    assert "error: The source has no 2014-05: it holds 2013-01 to 2013-12" in said
    assert "Error 2" in said
    assert "Traceback" not in said
    assert fresh.results() == before


@pytest.mark.matrix
def test_two_runs_alike_share_the_work(lasting: Project) -> None:
    logs = [lasting.folder.parent / name for name in ("one.log", "another.log")]
    runs = [lasting.begin(log, "-m", "my_pipeline", "run", "--period", "2013-10") for log in logs]
    assert [run.wait(PATIENCE) for run in runs] == [0, 0], [log.read_text() for log in logs]
    said = [log.read_text() for log in logs]
    reason = lasting.results()["2013-10"]["reason"]
    assert all(reason in text for text in said)
    assert any(re.search(": done (before|by)", text) for text in said)
    steps = list(lasting.folder.glob("runs/2013-10-*/steps/*.json"))
    assert len(steps) == 14


class Busy(BaseHTTPRequestHandler):
    """An API server of Airflow, in place of that of `make ui`."""

    paused = False
    states: Iterator[str]
    """What it answers about a run; then it is broken."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer({"access_token": "-", "state": "queued"})

    def do_GET(self) -> None:
        if "dagRuns" not in self.path:
            self.answer({"is_paused": Busy.paused})
            return
        state = next(Busy.states, "broken")
        if state == "late":
            time.sleep(LATE)
        self.answer({"state": state}, 503 if state == "broken" else 200)

    def answer(self, content: dict[str, Any], status: int = 200) -> None:
        self.send_response(status)
        self.end_headers()
        with suppress(OSError):  # the client no longer waits
            self.wfile.write(json.dumps(content | {"dag_run_id": "-"}).encode())


@pytest.fixture
def up(fresh: Project) -> Iterator[type[Busy]]:
    """Give the server of a `make ui` that is up, as its lock shows. The client waits briefly."""
    local, home = fresh.folder / "ops/local.py", fresh.folder / ".airflow"
    address, passwords = home / "ui.address", home / "simple_auth_manager_passwords.json.generated"
    text = changed = local.read_text()
    for before, after in (("timeout=60", f"timeout={LATE - 1}"), ("= 8)", "= 2)")):
        assert before in changed
        changed = changed.replace(before, after)
    local.write_text(changed)
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), Busy) as server,
        (home / "ui.lock").open("w") as lock,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)
        Thread(target=server.serve_forever, daemon=True).start()
        passwords.write_text('{"admin": "-"}')
        address.write_text(f"http://127.0.0.1:{server.server_port}")
        yield Busy
        server.shutdown()
    for file in (address, passwords):
        file.unlink()
    local.write_text(text)


def test_a_busy_server_is_asked_again(fresh: Project, up: type[Busy]) -> None:
    up.states = iter(["broken", "running", "late", "failed"])
    said = fresh.make("run", "PERIOD=2013-11", ok=False)
    assert "its scheduler runs the DAG" in said
    assert "ended without a result" in said
    assert not list(up.states)


def test_a_server_that_stays_broken_is_reported(fresh: Project, up: type[Busy]) -> None:
    up.states = iter(["running"])
    said = fresh.make("run", "PERIOD=2013-11", ok=False)
    assert "failed: Airflow's API failed, see .airflow/logs/api-server.log: " in said
    assert "503 Service Unavailable" in said
    assert "Error 1" in said


def test_a_paused_dag_is_refused(
    fresh: Project, up: type[Busy], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(up, "paused", True)
    said = fresh.make("run", "PERIOD=2013-11", ok=False)
    assert "error: The DAG is paused: unpause it" in said
    assert "Error 2" in said


@pytest.mark.matrix
def test_a_step_in_an_environment_of_its_own(airflow: Project, lasting: Project) -> None:
    """As docs/airflow.md describes: without Airflow, and with the step's dependencies."""
    document = (lasting.folder / "docs/airflow.md").read_text()
    command = next(line for line in document.splitlines() if "UV_PROJECT_ENVIRONMENT=" in line)
    task = document.partition("@task.external_python(")[2].partition("```")[0]
    dag = lasting.folder / "dags/training.py"
    evaluate = "@task(execution_timeout=timedelta(minutes=30))\ndef evaluate("
    before, _, rest = dag.read_text().partition(evaluate)
    _, _, after = rest.partition("    run_step(evaluate, run)\n    return run\n")
    assert before
    assert after
    before = before.replace("from typing import", "from pathlib import Path\nfrom typing import")
    dag.write_text(f"{before}@task.external_python({task}{after}")
    fetched = airflow.folder / ".uv/bin"
    lasting.shell("sh", "-c", f"PATH={fetched}:$PATH {command}", cwd=lasting.folder)
    python = lasting.folder / ".venv-steps/bin/python"
    without = lasting.shell(python, "-c", "import airflow", cwd=lasting.folder, ok=False)
    assert "No module named 'airflow'" in without.stderr
    champion = lasting.champion()
    lasting.make("run", "PERIOD=2013-08")
    assert lasting.results()["2013-08"]["champion_before"]["version"] == champion
