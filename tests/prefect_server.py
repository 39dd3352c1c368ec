"""A Prefect server and a worker like those of `make ui`, each of which can be killed alone."""

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Self

from tests.projects import PATIENCE, Project, free_port, until

FINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


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
        for _ in range(10):
            try:
                with urllib.request.urlopen(request) as answer:  # noqa: S310
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                if error.code != 503:  # its database is locked; it asks to try again soon
                    raise
                time.sleep(1)
        raise TimeoutError(f"{path}: its database stays locked")

    def deployment(self, name: str) -> Any:
        """Return the deployment of this name."""
        (found,) = self.post("/deployments/filter", {"deployments": {"name": {"any_": [name]}}})
        return found

    def start(self, deployment: str, variables: dict[str, str], **parameters: str) -> str:
        """Start a run of a deployment; return its id."""
        wanted = {"parameters": parameters, "job_variables": {"env": variables}}
        path = f"/deployments/{self.deployment(deployment)['id']}/create_flow_run"
        return str(self.post(path, wanted)["id"])

    def run(self, number: str) -> Any:
        """Return a flow run."""
        (found,) = self.post("/flow_runs/filter", {"flow_runs": {"id": {"any_": [number]}}})
        return found


class Servers:
    """A server in a folder of its own, and a worker for the project that was deployed last."""

    def __init__(self, project: Project, folder: Path, variables: dict[str, str]) -> None:
        """Start nothing yet.

        Args:
            project: one whose environment has Prefect.
            folder: where the server keeps its state, and both write their logs.
            variables: added to the environment of both.
        """
        port = free_port()
        self.project, self.folder, self.port = project, folder, str(port)
        self.api = Api(f"http://127.0.0.1:{port}/api")
        self.variables = variables | {
            "PREFECT_API_URL": self.api.address,
            "PREFECT_HOME": str(folder),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        }
        self.server: subprocess.Popen[str] | None = None
        self.worker: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.start_server()
        self._do("prefect", "--no-prompt", "work-pool", "create", "local", "--type", "process")
        self.revive()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the worker and the server, where they run."""
        for process in (self.worker, self.server):
            if process is not None and process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                try:
                    process.wait(60)
                except subprocess.TimeoutExpired:  # it waits for open connections
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait(PATIENCE)

    def revive(self) -> None:
        """Restart what was killed."""
        if self.server is None or self.server.poll() is not None:
            self.start_server()
        if self.worker is None or self.worker.poll() is not None:
            self.start_worker()

    def start_server(self) -> None:
        """Start the server, and wait until it answers."""
        self.server = self._begin("server", "start", "--host", "127.0.0.1", "--port", self.port)
        until(self._answers, self.server)

    def start_worker(self) -> None:
        """Start a worker that looks for work each second."""
        self.worker = self._begin("worker", "start", "--pool", "local", "--name", "local")

    def kill_worker(self, *, with_runs: bool) -> None:
        """Kill the worker; `with_runs`: and its runs, as a power failure of its machine does."""
        assert self.worker
        file = Path(f"/proc/{self.worker.pid}/task/{self.worker.pid}/children")
        runs = [int(child) for child in file.read_text().split()] if with_runs else []
        for process in (self.worker.pid, *runs):
            os.kill(process, signal.SIGKILL)
        self.worker.wait(PATIENCE)

    def kill_server(self) -> None:
        """Kill all processes of the server."""
        assert self.server
        os.killpg(self.server.pid, signal.SIGKILL)
        self.server.wait(PATIENCE)

    def deploy(self, project: Project) -> None:
        """Deploy a project, and save its automations."""
        self.project = project
        self._do("prefect", "--no-prompt", "deploy", "--all")
        self._do("python", "-m", "flows.automations")

    def log(self) -> str:
        """Return the log of the worker and its runs."""
        return (self.folder / "worker.log").read_text(encoding="utf-8")

    def ended(self, number: str) -> str:
        """Wait until a run ends; return the name of its state."""

        def state() -> Any:
            run = self.api.run(number)
            return run["state_name"] if run["state_type"] in FINAL else None

        return str(until(state, self.server))

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.api.address}/health"):  # noqa: S310
                return True
        except OSError:
            return False

    def _begin(self, what: str, *words: str) -> subprocess.Popen[str]:
        with (self.folder / f"{what}.log").open("a") as said:
            return subprocess.Popen(
                [self.project.folder / ".venv/bin/prefect", what, *words],
                cwd=self.folder,
                env=self.project.shell.environment() | self.variables,
                stdout=said,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )

    def _do(self, program: str, *words: str) -> None:
        done = subprocess.run(
            [self.project.folder / ".venv/bin" / program, *words],
            cwd=self.project.folder,
            env=self.project.shell.environment() | self.variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
