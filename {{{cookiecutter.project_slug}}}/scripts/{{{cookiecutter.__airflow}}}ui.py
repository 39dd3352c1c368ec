"""Start Airflow and the MLflow pages, for local use: what `make ui` calls. Ctrl-C ends them all.

Ports: AIRFLOW_PORT (8080), MLFLOW_PORT (5000).
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from . import airflow_settings
from .local import DAG_ID, up

PROGRAMS = Path(sys.executable).parent
AIRFLOW_PORT, MLFLOW_PORT = airflow_settings.PORT, os.environ.get("MLFLOW_PORT", "5000")
AIRFLOW, MLFLOW = (f"http://127.0.0.1:{port}" for port in (AIRFLOW_PORT, MLFLOW_PORT))
LOGS = airflow_settings.HOME / "logs"
GRACE = 20  # seconds between asking a process to end and ending it


class Server:
    """A program with a group of its own: Ctrl-C comes to this process only, which then ends it."""

    def __init__(self, name: str, *command: str) -> None:
        """Start it."""
        self.log = LOGS / f"{name}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(  # noqa: S603
                [PROGRAMS / command[0], *command[1:]],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def runs(self) -> bool:
        """Tell whether it is there."""
        return self.process.poll() is None

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Return when it is ready; leave with the end of its log if it ends before."""
        while not ready():
            if not self.runs():
                end = self.log.read_text(errors="replace").splitlines()[-20:]
                sys.exit("\n".join([f"It did not start. The end of {self.log}:", *end]))
            time.sleep(0.3)

    def end(self) -> None:
        """Ask the group to end, and end it."""
        for send in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, send)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(GRACE)


def answers(port: str) -> bool:
    """Tell whether something listens at a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(port))) == 0


def airflow_is_healthy() -> bool:
    """Tell whether the API server answers, and says so of all others."""
    health = f"{AIRFLOW}/api/v2/monitor/health"
    with suppress(URLError, OSError), urlopen(health) as answer:  # noqa: S310
        return all(part["status"] == "healthy" for part in json.load(answer).values())
    return False


def dag_is_known() -> bool:
    """Tell whether Airflow has read our DAG."""
    from airflow.models import DagModel

    return DagModel.get_current(DAG_ID) is not None


def main() -> None:
    """Start all, tell where they are, and wait until one of them ends, or for Ctrl-C."""
    for port in (AIRFLOW_PORT, MLFLOW_PORT):
        if answers(port):
            sys.exit(f"Port {port} is taken: end what uses it, or set AIRFLOW_PORT or MLFLOW_PORT.")
    LOGS.mkdir(parents=True, exist_ok=True)
    print(f"Starting the servers; their logs are in {LOGS} ...", flush=True)
    os.environ |= {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # pages only
    }
    store = ["--backend-store-uri", "sqlite:///mlflow.db", "--workers", "1"]
    servers: list[Server] = []
    try:
        airflow = Server("airflow", "airflow", "standalone")
        servers.append(airflow)
        mlflow = Server(
            "mlflow", "mlflow", "server", "--host", "127.0.0.1", "--port", MLFLOW_PORT, *store
        )
        servers.append(mlflow)
        mlflow.wait_until(lambda: answers(MLFLOW_PORT))
        airflow.wait_until(airflow_is_healthy)
        airflow.wait_until(dag_is_known)
        passwords = airflow_settings.HOME / "simple_auth_manager_passwords.json.generated"
        ((user, password),) = json.loads(passwords.read_text()).items()
        print(f"""
  Airflow   {AIRFLOW}/dags/{DAG_ID}
            user {user}, password {password}
  MLflow    {MLFLOW}
            {MLFLOW}/#/models for the released versions

Ctrl-C ends all.""", flush=True)  # fmt: skip
        with up():  # from now on, `make run` hands over
            while all(server.runs() for server in servers):
                time.sleep(1)
        sys.exit(f"One of them ended; their logs are in {LOGS}.")
    finally:
        for server in servers:
            server.end()


if __name__ == "__main__":
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, lambda *_: sys.exit(0))
    main()
