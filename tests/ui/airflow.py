"""`make ui` of a project on Airflow, and its API."""

import contextlib
import json
import os
import signal
import subprocess
import urllib.request
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.projects import PATIENCE, Project, until
from tests.shell import change

DAG = "/dags/my-pipeline"


@dataclass
class Ui:
    """What `make ui` started."""

    project: Project
    airflow: int
    mlflow: int
    log: Path
    variables: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[str] = field(init=False)

    @cached_property
    def token(self) -> str:
        """A token of Airflow's API, for the password that was printed."""
        _, _, login = self.log.read_text().partition("user ")
        user, password = login.splitlines()[0].split(", password ")
        body = {"username": user, "password": password}
        return str(self.ask("/auth/token", body, {})["access_token"])

    def api(self, path: str, body: Any = None) -> Any:
        """Ask Airflow's API: with a body, for something new."""
        return self.ask(f"/api/v2{path}", body, {"Authorization": f"Bearer {self.token}"})

    def ask(self, path: str, body: Any, headers: dict[str, str]) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.airflow}{path}",
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json"} | headers,
        )
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            return json.load(answer)

    def runs(self, kind: str) -> list[dict[str, Any]]:
        """Return the runs of a kind, once none is unfinished."""

        def ended() -> Any:
            runs = self.api(f"{DAG}/dagRuns?order_by=id")["dag_runs"]
            if any(run["state"] in ("queued", "running") for run in runs):
                return None
            return [run for run in runs if run["run_type"] == kind]

        found: list[dict[str, Any]] = until(ended, self.process)
        return found

    def tasks(self, run: dict[str, Any]) -> dict[str, set[str]]:
        """Return the states in which the instances of each task of a run ended."""
        found: dict[str, set[str]] = {}
        tasks = self.api(f"{DAG}/dagRuns/{run['dag_run_id']}/taskInstances")["task_instances"]
        for task in tasks:
            found.setdefault(task["task_id"], set()).add(task["state"])
        return found

    def trigger(self, **asked: Any) -> dict[str, Any]:
        """Start a run as the form of the page does."""
        run: dict[str, Any] = self.api(f"{DAG}/dagRuns", {"logical_date": None, "conf": asked})
        return run

    def begin(self) -> None:
        """Start it, and wait until it is ready."""
        ports = {"AIRFLOW_PORT": str(self.airflow), "MLFLOW_PORT": str(self.mlflow)}
        self.process = self.project.start(self.log, "ui", **ports, **self.variables)
        self.__dict__.pop("token", None)
        until(lambda: "Ctrl-C ends all" in self.log.read_text(), self.process)

    def kill_task(self, period: str) -> None:
        """Kill the process that fits the model of a period, once it is there."""
        process = self.task(period)
        os.kill(process, signal.SIGKILL)
        until(lambda: not Path(f"/proc/{process}").exists(), self.process)

    def task(self, period: str) -> int:
        """Wait until the model of a period is being fitted; return the process that does so."""

        def found() -> int | None:
            begun = list(self.project.folder.glob(f"runs/{period}-*/.locks/train"))
            if not begun or (begun[0].parents[1] / "steps/train.json").exists():
                return None
            for process in self.project.processes():
                with contextlib.suppress(OSError):  # ended meanwhile
                    stat = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
                    if (
                        stat[0] != "Z"
                        and b"LocalExecutor" in Path(f"/proc/{stat[1]}/cmdline").read_bytes()
                    ):
                        return process
            return None

        process: int = until(found, self.process)
        return process

    def versions(self, period: str) -> int:
        """Return how many versions of the model are of a period."""
        return sum(run_id.startswith(period) for run_id in self.project.registered_runs())

    def airflow_command(self, *words: str) -> None:
        """Run a command of Airflow's on its database."""
        python = self.project.folder / ".venv/bin/python"
        self.project.shell(python, "-m", "ops.airflow", *words, cwd=self.project.folder)

    def server(self, name: str) -> int:
        """Return the process of one of Airflow's servers."""
        return next(
            process
            for process in self.project.processes()
            if f"airflow\0{name}".encode() in Path(f"/proc/{process}/cmdline").read_bytes()
        )

    def end(self) -> None:
        """Press Ctrl-C, and wait until nothing is left."""
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(PATIENCE)
        until(lambda: not self.project.processes())


def hurry(project: Project) -> None:
    """Let tasks be retried after a second."""
    delay = '"retry_delay": timedelta(seconds={})'
    change(project.folder / "dags/training.py", delay.format(10), delay.format(1))
