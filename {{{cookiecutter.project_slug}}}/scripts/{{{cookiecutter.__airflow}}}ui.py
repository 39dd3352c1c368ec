"""Start Airflow and the MLflow pages, for local use: what `make ui` calls. Ctrl-C ends them all.

These are the processes of `airflow standalone`, without its two log servers: they would listen on
all addresses of this machine. Ports: AIRFLOW_PORT (8080), MLFLOW_PORT (5000).
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

import psutil
from filelock import Timeout

from {{{ cookiecutter.package_name }}}.alerts import warn_without_targets
from {{{ cookiecutter.package_name }}}.errors import BadInput
from {{{ cookiecutter.package_name }}}.params import load_params

from . import airflow_settings
from .local import DAG_ID, ready_file, the_one_ui

PROGRAMS = Path(sys.executable).parent
AIRFLOW_PORT, MLFLOW_PORT = airflow_settings.PORT, os.environ.get("MLFLOW_PORT", "5000")
AIRFLOW, MLFLOW = (f"http://127.0.0.1:{port}" for port in (AIRFLOW_PORT, MLFLOW_PORT))
LOGS = airflow_settings.HOME / "logs"
SERVERS = {
    "api-server": ["airflow", "api-server"],
    "scheduler": ["airflow", "scheduler", "--skip-serve-logs"],
    "dag-processor": ["airflow", "dag-processor"],
    "triggerer": ["airflow", "triggerer", "--skip-serve-logs"],
    "mlflow": [
        *("mlflow", "server", "--host", "127.0.0.1", "--port", MLFLOW_PORT, "--workers", "1"),
        *("--backend-store-uri", "sqlite:///mlflow.db"),
    ],
}
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE = 20  # seconds between asking a process to end and ending it


class Server:
    """A program in a session of its own: Ctrl-C comes to this process only, which then ends it."""

    def __init__(self, name: str, command: list[str]) -> None:
        """Start it."""
        self.log = LOGS / f"{name}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(  # noqa: S603
                [str(PROGRAMS / command[0]), *command[1:]],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def check(self) -> None:
        """Leave with the end of its log if it has ended."""
        if self.process.poll() is not None:
            end = self.log.read_text(errors="replace").splitlines()[-20:]
            sys.exit("\n".join([f"A server ended. The end of {self.log}:", *end]))


def answers(port: str) -> bool:
    """Tell whether something listens at a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(port))) == 0


def airflow_is_healthy() -> bool:
    """Tell whether the API server answers, and says so of all others."""
    health = f"{AIRFLOW}/api/v2/monitor/health"
    with suppress(URLError, OSError), urlopen(health, timeout=10) as answer:  # noqa: S310
        return all(part["status"] == "healthy" for part in json.load(answer).values())
    return False


def dag_is_known() -> bool:
    """Tell whether Airflow has read our DAG."""
    from airflow.models import DagModel

    return DagModel.get_current(DAG_ID) is not None


def wait_until(ready: Callable[[], bool], servers: list[Server]) -> None:
    """Return when it is ready; leave if a server ends before."""
    while not ready():
        for server in servers:
            server.check()
        time.sleep(0.3)


def main() -> None:
    """Start all, tell where they are, and wait until one of them ends, or for Ctrl-C."""
    warn_without_targets(load_params())
    for port in (AIRFLOW_PORT, MLFLOW_PORT):
        if answers(port):
            sys.exit(f"Port {port} is taken: end what uses it, or set AIRFLOW_PORT or MLFLOW_PORT.")
    LOGS.mkdir(parents=True, exist_ok=True)
    print(f"Starting the servers; their logs are in {LOGS} ...", flush=True)
    os.environ |= {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # pages only
    }
    with (LOGS / "migrate.log").open("wb") as log:
        migrating = [str(PROGRAMS / "airflow"), "db", "migrate"]
        subprocess.run(migrating, check=True, stdout=log, stderr=log)  # noqa: S603
    servers: list[Server] = []
    try:
        for name, command in SERVERS.items():
            servers.append(Server(name, command))
        wait_until(lambda: answers(MLFLOW_PORT), servers)
        wait_until(airflow_is_healthy, servers)
        wait_until(dag_is_known, servers)
        tell_where()
        ready_file().touch()  # from now on, `make run` hands over
        wait_until(lambda: False, servers)
    finally:
        for ending in ENDINGS:
            signal.signal(ending, signal.SIG_IGN)
        print("Ending the servers ...", flush=True)
        end(servers)


def end(servers: list[Server]) -> None:
    """Ask the servers to end; then end all that is left of their sessions, tasks too."""
    for server in servers:
        server.process.terminate()
    psutil.wait_procs(sessions_of(servers), timeout=GRACE)
    for process in sessions_of(servers):
        with suppress(psutil.NoSuchProcess):
            process.kill()


def sessions_of(servers: list[Server]) -> list[psutil.Process]:
    """Return all processes that the servers began, also where the server is no longer there."""
    found, began = [], {server.process.pid for server in servers}
    for process in psutil.process_iter():
        with suppress(OSError):
            if os.getsid(process.pid) in began:
                found.append(process)
    return found


def tell_where() -> None:
    """Print the addresses, and how to sign in."""
    passwords = airflow_settings.HOME / "simple_auth_manager_passwords.json.generated"
    user, password = next(iter(json.loads(passwords.read_text()).items()))
    print(f"""
  Airflow   {AIRFLOW}/dags/{DAG_ID}
            user {user}, password {password}
  MLflow    {MLFLOW}
            {MLFLOW}/#/models for the released versions

Ctrl-C ends all.""", flush=True)  # fmt: skip


if __name__ == "__main__":
    for ending in ENDINGS:
        signal.signal(ending, lambda *_: sys.exit(0))
    try:
        with the_one_ui():
            main()
    except BadInput as error:
        sys.exit(f"error: {error}")
    except Timeout:
        sys.exit("`make ui` is up already, in this project.")
