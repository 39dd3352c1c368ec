"""Start Airflow and the MLflow pages on this machine: `make ui`. Ctrl-C ends them all.

Airflow's servers are those of `airflow standalone`, without the log servers: these would listen on
all addresses. Ports: AIRFLOW_PORT (8080), MLFLOW_PORT (5000).
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress

import httpx
import psutil
from filelock import FileLock, Timeout

from {{{ cookiecutter.package_name }}}.runtime.config import load_params
from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput
from {{{ cookiecutter.package_name }}}.runtime.notify.targets import warn_without_targets

from .airflow_settings import HOME, apply
from .local import DAG_ID, credentials, sign_in

AIRFLOW_PORT = os.environ.get("AIRFLOW_PORT", "8080")
MLFLOW_PORT = os.environ.get("MLFLOW_PORT", "5000")
AIRFLOW, MLFLOW = (f"http://127.0.0.1:{port}" for port in (AIRFLOW_PORT, MLFLOW_PORT))
LOGS, READY = HOME / "logs", HOME / "ui.ready"
SERVERS = {
    "api-server": "airflow api-server",
    "scheduler": "airflow scheduler --skip-serve-logs",
    "dag-processor": "airflow dag-processor",
    "triggerer": "airflow triggerer --skip-serve-logs",
    "mlflow": f"mlflow server --host 127.0.0.1 --port {MLFLOW_PORT} --workers 1"
    " --backend-store-uri sqlite:///mlflow.db",
}
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE = 20  # seconds for a server to end by itself

Servers = dict[str, subprocess.Popen[bytes]]


def main() -> None:
    """Start the servers, print their addresses, and wait until one of them ends, or for Ctrl-C."""
    warn_without_targets(load_params())
    for port in (AIRFLOW_PORT, MLFLOW_PORT):
        if listens(port):
            sys.exit(f"Port {port} is taken: end what uses it, or set AIRFLOW_PORT or MLFLOW_PORT.")
    print(f"Starting the servers; their logs are in {LOGS} ...", flush=True)
    LOGS.mkdir(exist_ok=True)
    READY.unlink(missing_ok=True)  # of a `make ui` that was killed
    os.environ |= {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # pages only
    }
    with (LOGS / "migrate.log").open("wb") as log:
        subprocess.run(["airflow", "db", "migrate"], check=True, stdout=log, stderr=log)  # noqa: S607
    servers: Servers = {}
    try:
        for name, command in SERVERS.items():
            servers[name] = start(name, command)
        wait_until(is_ready, servers)
        user, password = credentials()
        print(f"""
  Airflow   {AIRFLOW}/dags/{DAG_ID}
            user {user}, password {password}
  MLflow    {MLFLOW}
            {MLFLOW}/#/models for the released versions

Ctrl-C ends all.""", flush=True)  # fmt: skip
        READY.write_text(AIRFLOW)  # from now on, `make run` hands over
        wait_until(lambda: False, servers)
    finally:
        READY.unlink(missing_ok=True)
        end(servers)


def start(name: str, command: str) -> subprocess.Popen[bytes]:
    """Start a server in a session of its own: Ctrl-C reaches this process only."""
    with (LOGS / f"{name}.log").open("wb") as log:
        return subprocess.Popen(command.split(), stdout=log, stderr=log, start_new_session=True)  # noqa: S603


def wait_until(ready: Callable[[], bool], servers: Servers) -> None:
    """Return when it is ready; exit with the end of its log where a server ended."""
    while not ready():
        for name, server in servers.items():
            if server.poll() is not None:
                log = LOGS / f"{name}.log"
                end = log.read_text(errors="replace").splitlines()[-20:]
                sys.exit("\n".join([f"A server ended. The end of {log}:", *end]))
        time.sleep(0.3)


def listens(port: str) -> bool:
    """Return whether something listens at a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(port))) == 0


def is_ready() -> bool:
    """Return whether all servers are up and Airflow has read the DAG."""
    with suppress(httpx.HTTPError):
        health = httpx.get(f"{AIRFLOW}/api/v2/monitor/health", timeout=10).raise_for_status()
        if all(part["status"] == "healthy" for part in health.json().values()):
            sign_in(AIRFLOW).get(f"/api/v2/dags/{DAG_ID}")
            return listens(MLFLOW_PORT)
    return False


def end(servers: Servers) -> None:
    """Ask the servers to end; then kill what is left of their sessions, tasks included."""
    for ending in ENDINGS:
        signal.signal(ending, signal.SIG_IGN)
    print("Ending the servers ...", flush=True)
    for server in servers.values():
        server.terminate()
    psutil.wait_procs(processes_of(servers), timeout=GRACE)
    for process in processes_of(servers):
        with suppress(psutil.NoSuchProcess):
            process.kill()


def processes_of(servers: Servers) -> list[psutil.Process]:
    """Return all processes of the servers' sessions, also where the server itself has ended."""
    sessions, found = {server.pid for server in servers.values()}, []
    for process in psutil.process_iter():
        with suppress(OSError):  # ended meanwhile
            if os.getsid(process.pid) in sessions:
                found.append(process)
    return found


if __name__ == "__main__":
    for ending in ENDINGS:
        signal.signal(ending, lambda *_: sys.exit(0))
    apply()
    try:
        with FileLock(HOME / "ui.lock", timeout=5):
            main()
    except BadInput as error:
        sys.exit(f"error: {error}")
    except Timeout:
        sys.exit("`make ui` is up already, in this project.")
