"""`make ui` under Prefect: real servers, a schedule that fires, and an end without leftovers."""

import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.projects import PATIENCE, Project, free_port, until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("default project")]


class Api:
    """A Prefect server's HTTP API."""

    def __init__(self, address: str) -> None:
        self.address = address

    def post(self, path: str, body: Any) -> Any:
        request = urllib.request.Request(  # noqa: S310 - on this machine
            f"{self.address}{path}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            return json.load(answer)


@pytest.fixture(scope="module")
def ui(project: Project) -> Iterator[tuple[subprocess.Popen[str], int, int, Path]]:
    prefect_port, mlflow_port = free_port(), free_port()
    log = project.folder.parent / "ui.log"
    ports = {"PREFECT_PORT": str(prefect_port), "MLFLOW_PORT": str(mlflow_port)}
    process = project.start(log, "ui", **ports)
    try:
        until(lambda: "Ctrl-C ends all" in log.read_text(), process)
        yield process, prefect_port, mlflow_port, log
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(PATIENCE)


def test_the_pages_answer(ui: tuple[subprocess.Popen[str], int, int, Path]) -> None:
    _, prefect_port, mlflow_port, log = ui
    for port, title in ((prefect_port, b"Prefect"), (mlflow_port, b"MLflow")):
        address = f"http://127.0.0.1:{port}"
        assert address in log.read_text()
        with urllib.request.urlopen(address) as page:
            assert title in page.read()


def test_a_schedule_fires(
    ui: tuple[subprocess.Popen[str], int, int, Path], project: Project
) -> None:
    """The newest month is trained for by a run that nobody started."""
    process, port, _, _ = ui
    api = Api(f"http://127.0.0.1:{port}/api")
    (monthly,) = api.post("/deployments/filter", {"deployments": {"name": {"any_": ["monthly"]}}})
    assert monthly["schedules"][0]["schedule"]["timezone"] == "America/New_York"
    soon = datetime.now(UTC) + timedelta(seconds=90)
    schedule = {"cron": f"{soon.minute} {soon.hour} * * *", "timezone": "UTC"}
    api.post(f"/deployments/{monthly['id']}/schedules", [{"active": True, "schedule": schedule}])

    def ended() -> Any:
        runs = api.post("/flow_runs/filter", {"sort": "EXPECTED_START_TIME_DESC", "limit": 50})
        scheduled = [run for run in runs if run["auto_scheduled"]]
        return [run for run in scheduled if run["state_type"] in ("COMPLETED", "FAILED", "CRASHED")]

    (run,) = until(ended, process)
    result = project.results()["2013-12"]
    assert run["name"] == result["run_id"]
    assert run["state_type"] == "COMPLETED"
    assert run["state_name"] in ("Released", "Kept champion")


def test_the_same_schedule_finds_nothing_new(
    ui: tuple[subprocess.Popen[str], int, int, Path],
) -> None:
    process, port, _, _ = ui
    api = Api(f"http://127.0.0.1:{port}/api")
    (monthly,) = api.post("/deployments/filter", {"deployments": {"name": {"any_": ["monthly"]}}})
    run = api.post(f"/deployments/{monthly['id']}/create_flow_run", {})

    def ended() -> Any:
        (found,) = api.post("/flow_runs/filter", {"flow_runs": {"id": {"any_": [run["id"]]}}})
        return found["state_name"] if found["end_time"] else None

    assert until(ended, process) == "Nothing new"


def test_a_taken_port_is_said(
    ui: tuple[subprocess.Popen[str], int, int, Path], project: Project
) -> None:
    _, port, _, _ = ui
    said = project.make("ui", f"PREFECT_PORT={port}", ok=False)
    assert f"Port {port} is taken: end what uses it, or set PREFECT_PORT" in said


def test_ctrl_c_ends_all(
    ui: tuple[subprocess.Popen[str], int, int, Path], project: Project
) -> None:
    process, _, _, log = ui
    assert project.processes()
    os.killpg(process.pid, signal.SIGINT)
    process.wait(PATIENCE)
    until(lambda: not project.processes())
    assert "Traceback" not in log.read_text()
