"""Run the DAG from the command line: `make run` and `make backfill`.

While `make ui` is up, its scheduler runs the DAG; this triggers it through Airflow's REST API.
Otherwise this process runs the DAG, by `dag.test()`, on a metadata database of its own.
"""

import logging
import os
import time
import warnings
from contextlib import suppress
from functools import cache
from typing import Any

import httpx
from filelock import FileLock, Timeout

from {{{ cookiecutter.package_name }}}.runtime import PROJECT
from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput, one_line
from {{{ cookiecutter.package_name }}}.runtime.monitor.machine import Remark
from {{{ cookiecutter.package_name }}}.runtime.notify.alerts import alert_outcome
from {{{ cookiecutter.package_name }}}.runtime.results import Result
from {{{ cookiecutter.package_name }}}.runtime.run import Run, outcome
from {{{ cookiecutter.package_name }}}.runtime.run.command import run_period, run_periods

from .airflow import ADDRESS, HOME, LOCK, configure, foreign, password, settings_for

PORTS = {{{ "{" }}}"AIRFLOW_PORT": 8080{{{ ', "%s_PORT": %s' % (cookiecutter.__pages | upper, cookiecutter.__pages_port) if cookiecutter.__pages else "" }}}}
"""Of `make ui`, by the variables that name others."""

DAG = f"/api/v2/dags/{PROJECT}"


def training(period: str | None = None) -> Result:
    """Return the result of a run for a period, by default the newest that has ended."""
    return run_period(period, execute)


def backfill(first: str, last: str) -> list[Result]:
    """Return the results of the runs for the periods from `first` to `last`, in order."""
    return run_periods(first, last, execute)


def check() -> str:
    """Return where Airflow's settings come from, in a clause; foreign ones are a remark."""
    if others := foreign(settings_for()):
        return Remark(f"ignored, as settings of another Airflow: {', '.join(others)}")
    return f"all of it is in {HOME.name}/"


def execute(run: Run) -> None:
    """Run the DAG: by the scheduler of `make ui` if that is up, else in this process."""
    if api := running_ui():
        hand_over(api, run)
    else:
        run_here(run)


def run_here(run: Run) -> None:
    """Run the DAG in this process, and send the alert of how it ended."""
    done = prepare().test(run_conf={"period": run.period})
    rerun = f"make run PERIOD={run.period}"
    alert_outcome(run, outcome.load_result(run), attempt=done.run_id, run_url=None, rerun=rerun)


@cache  # for all periods of a backfill
def prepare() -> Any:
    """Return the DAG, for `dag.test()`, after creating or migrating Airflow's database."""
    print("Starting Airflow ...", flush=True)
    configure("local.db")
    # The steps' log is enough. Airflow's client reports the XCom of a skipped branch as an error.
    levels = "airflow=ERROR airflow.sdk.api.client=CRITICAL task=WARNING"
    os.environ["AIRFLOW__LOGGING__NAMESPACE_LEVELS"] = levels
    from airflow.utils.db import initdb

    warnings.filterwarnings("ignore", message="Using `httpx`")  # in Airflow's own code
    for name in ("airflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    initdb()
    from dags.training import training_dag

    # In `dag.test()` of Airflow 3.3, deadlines fail, and so do callbacks that read an XCom.
    dag: Any = training_dag
    dag.deadline = []
    dag.on_success_callback = dag.on_failure_callback = None
    return dag


def running_ui() -> httpx.Client | None:
    """Return a client of the REST API of `make ui`; None if that is not up, or not ready."""
    with suppress(Timeout), FileLock(LOCK, blocking=False):
        return None  # nobody holds it: a `make ui` that was killed may have left its address
    if not ADDRESS.exists():
        return None
    api = httpx.Client(base_url=ADDRESS.read_text(), timeout=60)
    login = {"username": "admin", "password": password()}
    token = ask(api, "POST", "/auth/token", login)["access_token"]
    api.headers["Authorization"] = f"Bearer {token}"
    return api


def hand_over(api: httpx.Client, run: Run) -> None:
    """Let the scheduler of `make ui` run the DAG; return when it has.

    Raises:
        BadInput: the DAG is paused.
        RuntimeError: Airflow's API failed, or `make ui` ended.
    """
    if ask(api, "GET", DAG)["is_paused"]:
        raise BadInput("The DAG is paused: unpause it in Airflow's pages, or end `make ui`.")
    print("`make ui` is up: its scheduler runs the DAG. Ctrl-C ends the waiting only.", flush=True)
    asked = {"logical_date": None, "conf": {"period": run.period}}
    dag_run = ask(api, "POST", f"{DAG}/dagRuns", asked, tries=1)  # else it could run twice
    while dag_run["state"] in ("queued", "running"):
        time.sleep(1)
        dag_run = ask(api, "GET", f"{DAG}/dagRuns/{dag_run['dag_run_id']}")


def ask(api: httpx.Client, method: str, path: str, body: Any = None, tries: int = 8) -> Any:
    """Return the answer of Airflow's API; ask again, up to `tries` times, while it is busy."""
    for pause in range(tries):
        time.sleep(pause)
        try:
            return api.request(method, path, json=body).raise_for_status().json()
        except (httpx.TimeoutException, httpx.HTTPStatusError) as error:
            problem = one_line(error)
        except httpx.TransportError:
            raise RuntimeError("`make ui` ended; started again, it resumes its runs") from None
    raise RuntimeError(f"Airflow's API failed, see .airflow/logs/api-server.log: {problem}")
