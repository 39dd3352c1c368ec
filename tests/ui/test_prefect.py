"""`make ui` under Prefect: real servers, a schedule that fires, alerts, and a clean end."""

import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.alerts.arrival import TARGETS, check_arrived, check_sent_once, text_of, variables
from tests.alerts.receiver import Receiver
from tests.prefect_server import Api
from tests.projects import PATIENCE, Project, clone, free_port, until
from tests.shell import change

pytestmark = [pytest.mark.slow, pytest.mark.matrix, pytest.mark.xdist_group("ui prefect")]

# Sends through the server's blocks, as its automations do.
SEND = """
from prefect.blocks.notifications import SlackWebhook
for number in range(1, 6):
    block = SlackWebhook.load(f"my-pipeline-{number}")
    with block.raise_on_failure():
        block.notify(subject="my-pipeline: 2013-05 vanished", body="No heartbeat.")
"""


@dataclass
class Ui:
    """What `make ui` started."""

    project: Project
    process: subprocess.Popen[str]
    prefect: int
    mlflow: int
    log: Path

    @property
    def api(self) -> Api:
        return Api(f"http://127.0.0.1:{self.prefect}/api")

    def ends(self, deployment: str, **parameters: str) -> str:
        """Start a run of a deployment; return the name of its final state."""
        run = self.api.start(deployment, {}, **parameters)

        def ended() -> Any:
            found = self.api.run(run)
            return found["state_name"] if found["end_time"] else None

        return str(until(ended, self.process))


@pytest.fixture(scope="module")
def ui(
    project: Project, receiver: Receiver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ui]:
    ours = clone(project, tmp_path_factory.mktemp("ui") / "my-pipeline")
    prefect, mlflow = free_port(), free_port()
    log = ours.folder.parent / "ui.log"
    ports = {"PREFECT_PORT": str(prefect), "MLFLOW_PORT": str(mlflow)}
    process = ours.start(log, "ui", **variables(receiver), **ports)
    try:
        until(lambda: "Ctrl-C stops everything" in log.read_text(), process)
        yield Ui(ours, process, prefect, mlflow, log)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(PATIENCE)


def test_the_pages_answer(ui: Ui) -> None:
    for port, title in ((ui.prefect, b"Prefect"), (ui.mlflow, b"MLflow")):
        address = f"http://127.0.0.1:{port}"
        assert address in ui.log.read_text()
        with urllib.request.urlopen(address) as page:
            assert title in page.read()


def test_a_schedule_fires(ui: Ui, receiver: Receiver) -> None:
    """A run that nobody started trains for the newest period."""
    scheduled = ui.api.deployment("scheduled")
    assert scheduled["schedules"][0]["schedule"]["timezone"] == "America/New_York"
    soon = datetime.now(UTC) + timedelta(seconds=130)  # the server looks once a minute
    schedule = {"cron": f"{soon.minute} {soon.hour} * * *", "timezone": "UTC"}
    path = f"/deployments/{scheduled['id']}/schedules"
    ui.api.post(path, [{"active": True, "schedule": schedule}])

    def ended() -> Any:
        over = {"type": {"any_": ["COMPLETED", "FAILED", "CRASHED"]}}
        runs = ui.api.post("/flow_runs/filter", {"flow_runs": {"state": over}})
        return [run for run in runs if run["auto_scheduled"]]

    (run,) = until(ended, ui.process)
    result = ui.project.results()["2013-12"]
    assert (run["name"], run["state_name"]) == (result["run_id"], "Released")
    title = "2013-12: the champion is version 1"
    said = check_arrived(receiver, "Prefect", "champion_changed", title, "auc 0.")
    assert said["run_url"].endswith(f":{ui.prefect}/runs/flow-run/{run['id']}")


def test_a_run_is_refused(ui: Ui, receiver: Receiver) -> None:
    assert ui.ends("scheduled", period="2014-03") == "Failed"
    title = "2014-03 failed at plan"
    said = check_arrived(receiver, "Prefect", "run_failed", title, "The source has no 2014-03")
    command = ".venv/bin/prefect deployment run training/scheduled"
    assert said["rerun"] == f"{command} --param period=2014-03"


def test_a_deadline_is_missed(ui: Ui, receiver: Receiver) -> None:
    """Of the last period, which the sample does not have."""
    change(ui.project.folder / "params.yaml", "champion_days: null", "champion_days: 3")
    due = (datetime.now(UTC) - timedelta(days=3)).replace(day=1) - timedelta(days=1)
    assert ui.ends("check") == ui.ends("check") == "Missed"
    title = f"{due:%Y-%m} has no champion in time"
    check_arrived(receiver, "Prefect", "deadline_missed", title, "no run started")


def test_no_alert_was_sent_twice(ui: Ui, receiver: Receiver) -> None:
    assert ui.process.poll() is None
    check_sent_once(receiver)


def test_the_server_reaches_every_target(ui: Ui, receiver: Receiver) -> None:
    assert "The server watches the runs, and alerts Slack" in ui.log.read_text()
    words = ["env", f"PREFECT_API_URL={ui.api.address}"]
    words += [f"{name}={value}" for name, value in receiver.environment().items()]
    python = ui.project.folder / ".venv/bin/python"
    ui.project.shell(*words, python, "-c", SEND, cwd=ui.project.folder)
    said = [alert for alert in receiver.arrived if "2013-05 vanished" in text_of(alert)]
    assert sorted(alert.target for alert in said) == sorted(TARGETS)


def test_a_taken_port_is_reported(ui: Ui) -> None:
    said = ui.project.make("ui", f"PREFECT_PORT={ui.prefect}", ok=False)
    assert f"Port {ui.prefect} is taken: stop what uses it, or set PREFECT_PORT" in said


def test_ctrl_c_stops_everything(ui: Ui) -> None:
    assert ui.project.processes()
    os.killpg(ui.process.pid, signal.SIGINT)
    ui.process.wait(PATIENCE)
    until(lambda: not ui.project.processes())
    assert "Traceback" not in ui.log.read_text()
