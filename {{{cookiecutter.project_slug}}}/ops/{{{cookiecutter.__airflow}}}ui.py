"""Start Airflow{{{ " and the " ~ cookiecutter.__pages ~ " pages" if cookiecutter.__pages else "" }}} on this machine: `make ui`. Ctrl-C ends them all.

`airflow standalone` is not used: it also starts log servers, which listen on all addresses.
{{{ "Ports: AIRFLOW_PORT (8080), " ~ cookiecutter.__pages | upper ~ "_PORT (" ~ cookiecutter.__pages_port ~ ")." if cookiecutter.__pages else "Port: AIRFLOW_PORT (8080)." }}}
"""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import NoReturn

import psutil
from filelock import FileLock, Timeout
from upath import UPath

from {{{ cookiecutter.package_name }}}.runtime import PROJECT
from {{{ cookiecutter.package_name }}}.runtime.config import load_params
from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput, exit_if_refused
from {{{ cookiecutter.package_name }}}.runtime.files import write
from {{{ cookiecutter.package_name }}}.runtime.monitor.machine import in_use
from {{{ cookiecutter.package_name }}}.runtime.notify.targets import warn_without_targets

from .airflow import ADDRESS, HOME, LOCK, configure, password

{% if cookiecutter.__pages %}
PAGES_PORT = os.environ.get("{{{ cookiecutter.__pages | upper }}}_PORT", "{{{ cookiecutter.__pages_port }}}")
{% endif %}
VARIABLES = "AIRFLOW_PORT{{{ " or " ~ cookiecutter.__pages | upper ~ "_PORT" if cookiecutter.__pages else "" }}}"
LOGS = HOME / "logs"
PREPARE = ("airflow db migrate", "airflow dags reserialize")  # so the pages show the DAG at once
SERVERS = {
    "api-server": "airflow api-server",
    "scheduler": "airflow scheduler --skip-serve-logs",
    "dag-processor": "airflow dag-processor",
    "triggerer": "airflow triggerer --skip-serve-logs",
{% if cookiecutter.__registry == "mlflow" %}
    "mlflow": f"mlflow server --host 127.0.0.1 --port {PAGES_PORT} --workers 1"
    " --backend-store-uri sqlite:///mlflow.db",
{% elif cookiecutter.tracker == "trackio" %}
    "trackio": "python -m ops.pages",
{% endif %}
}
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Servers = dict[str, subprocess.Popen[bytes]]


def main() -> None:
    """Run the servers until one of them ends, or until Ctrl-C."""
    warn_without_targets(load_params())
    for port in ports():
        if in_use(port):
            raise BadInput(f"Port {port} is taken: free it, or set {VARIABLES}.")
    ADDRESS.unlink(missing_ok=True)  # of a `make ui` that was killed
    servers: Servers = {}
    try:
        serve(servers)
    finally:
        ADDRESS.unlink(missing_ok=True)
        end(servers)


def serve(servers: Servers) -> None:
    """Start the servers, print their addresses, and exit when one of them ends."""
    print(f"Starting the servers; their logs are in {LOGS} ...", flush=True)
{% if cookiecutter.__registry == "mlflow" %}
    os.environ |= {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # pages only
    }
{% endif %}
    LOGS.mkdir(exist_ok=True)
    with (LOGS / "prepare.log").open("wb") as log:
        for command in PREPARE:
            if subprocess.run(command.split(), check=False, stdout=log, stderr=log).returncode:  # noqa: S603
                stop(f"`{command}` failed", "prepare")
    for name, command in SERVERS.items():
        servers[name] = start(name, command)
    limit = time.monotonic() + 600
    while not all(in_use(port) for port in ports()):
        exit_if_one_ended(servers)
        if time.monotonic() > limit:
            sys.exit(f"The servers do not answer after ten minutes: see {LOGS}.")
    airflow = os.environ["AIRFLOW__API__BASE_URL"]
    print(f"""
  Airflow   {airflow}/dags/{PROJECT}
            user admin, password {password()}
{% if cookiecutter.__pages %}
  {{{ "%-9s" | format(cookiecutter.__pages) }}} http://127.0.0.1:{PAGES_PORT}
{% endif %}
{% if cookiecutter.__pages %}
            http://127.0.0.1:{PAGES_PORT}/{{{ "#/models" if cookiecutter.__registry == "mlflow" else "registry" }}} for the released versions
{% endif %}

Ctrl-C ends all.""", flush=True)  # fmt: skip
    write(UPath(ADDRESS), airflow.encode())  # from now on, `make run` hands over
    while True:
        exit_if_one_ended(servers)


def ports() -> list[int]:
    """Return the ports that the servers listen on."""
    return [int(os.environ["AIRFLOW_PORT"]){{{ ", int(PAGES_PORT)" if cookiecutter.__pages else "" }}}]


def start(name: str, command: str) -> subprocess.Popen[bytes]:
    """Start a server in a session of its own: Ctrl-C reaches this process only."""
    with (LOGS / f"{name}.log").open("wb") as log:
        return subprocess.Popen(command.split(), stdout=log, stderr=log, start_new_session=True)  # noqa: S603


def exit_if_one_ended(servers: Servers) -> None:
    """Exit if a server ended; else wait a moment."""
    time.sleep(0.3)
    for name, server in servers.items():
        if server.poll() is not None:
            stop(f"{name} stopped", name)


def stop(what: str, log: str) -> NoReturn:
    """Exit with what happened, and the end of a log."""
    file = LOGS / f"{log}.log"
    end = file.read_text(encoding="utf-8", errors="replace").splitlines()[-20:]
    sys.exit("\n".join([f"error: {what}; the end of {file}:", *end]))


def end(servers: Servers) -> None:
    """Ask the servers to end; after 20 seconds kill what is left of their sessions, tasks too."""
    for ending in ENDINGS:
        signal.signal(ending, signal.SIG_IGN)
    print("Ending the servers ...", flush=True)
    for server in servers.values():
        server.terminate()
    psutil.wait_procs(processes_of(servers), timeout=20)
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
    configure()
    with exit_if_refused():
        try:
            with FileLock(LOCK, timeout=5):
                main()
        except Timeout:
            raise BadInput("`make ui` is up already, in this project.") from None
