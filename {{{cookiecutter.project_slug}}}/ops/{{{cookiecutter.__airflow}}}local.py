"""Run the DAG from the command line: `make run` and `make backfill`.

While `make ui` is up, its scheduler runs the DAG; this asks it to, through Airflow's REST API.
Otherwise this process runs the DAG, by `dag.test()`, on a metadata database of its own.
"""

import json
import logging
import os
import signal
import sys
import time
import warnings
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import httpx
from filelock import FileLock, Timeout

from {{{ cookiecutter.package_name }}}.runtime.config import load_params
from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput
from {{{ cookiecutter.package_name }}}.runtime.notify.alerts import alert_outcome
from {{{ cookiecutter.package_name }}}.runtime.results import Result
from {{{ cookiecutter.package_name }}}.runtime.run.outcome import (
    completed_result,
    load_result,
    nothing_new,
    require_result,
)
from {{{ cookiecutter.package_name }}}.runtime.run.plan import plan_backfill, plan_run
from {{{ cookiecutter.package_name }}}.runtime.run.run_dir import Run

from . import airflow_settings

DAG_ID = "{{{ cookiecutter.project_slug }}}"


def training(period: str | None = None) -> Result:
    """Return the result of a run for a period, else for the newest period that has ended.

    Raises:
        BadInput: the period cannot be had, or the DAG is paused.
        RuntimeError: the run failed.
    """
    run = plan_run(load_params(), period, datetime.now(UTC))
    if done := completed_result(run):
        return done if period else nothing_new(done)
    if airflow := running_ui():
        hand_over(airflow, run)
    else:
        run_here(run)
    return require_result(run)


def backfill(first: str, last: str) -> list[Result]:
    """Return the results of the runs for `first` to `last`, each made after the one before it.

    Raises:
        BadInput: one of the periods cannot be had, or the DAG is paused.
        RuntimeError: a run failed.
    """
    return [training(period) for period in plan_backfill(load_params(), first, last)]


def run_here(run: Run) -> None:
    """Run the DAG in this process, and send the alert of how it ended."""
    print("Starting Airflow ...", flush=True)
    prepare()
    from dags.training import training_dag

    remove_callbacks(training_dag)
    done = training_dag.test(run_conf={"period": run.period})
    rerun = f"make run PERIOD={run.period}"
    alert_outcome(run, load_result(run), attempt=done.run_id, run_url=None, rerun=rerun)


def prepare() -> None:
    """Configure Airflow for this process, and create or migrate its database."""
    airflow_settings.apply("local.db")
    # The steps' log is enough. Airflow's client reports the XCom of a skipped branch as an error.
    levels = "airflow=ERROR airflow.sdk.api.client=CRITICAL task=WARNING"
    os.environ["AIRFLOW__LOGGING__NAMESPACE_LEVELS"] = levels
    from airflow.utils.db import initdb

    warnings.filterwarnings("ignore", message="Using `httpx`")  # Airflow's own affair
    for name in ("airflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    initdb()


def remove_callbacks(dag: Any) -> None:
    """Remove what fails under `dag.test()` of Airflow 3.3: deadlines, and callbacks with XCom."""
    dag.deadline = []
    dag.on_success_callback = dag.on_failure_callback = None


def running_ui() -> httpx.Client | None:
    """Return a client of the REST API of `make ui`, None where that is not up."""
    airflow_settings.create_home()
    with suppress(Timeout), FileLock(airflow_settings.HOME / "ui.lock", blocking=False):
        return None  # no `make ui` holds it: what it left says nothing
    try:
        return sign_in((airflow_settings.HOME / "ui.ready").read_text())
    except (FileNotFoundError, httpx.HTTPError):  # not ready yet
        return None


def sign_in(address: str) -> httpx.Client:
    """Return a client of the REST API, with a token for the password that Airflow generated."""
    client = httpx.Client(
        base_url=address, timeout=60, event_hooks={"response": [httpx.Response.raise_for_status]}
    )
    user, password = credentials()
    token = client.post("/auth/token", json={"username": user, "password": password}).json()
    client.headers["Authorization"] = f"Bearer {token['access_token']}"
    return client


def credentials() -> tuple[str, str]:
    """Return the user of `make ui`, and the password."""
    file = airflow_settings.HOME / "simple_auth_manager_passwords.json.generated"
    ((user, password),) = json.loads(file.read_text()).items()
    return user, password


def hand_over(airflow: httpx.Client, run: Run) -> None:
    """Let the scheduler of `make ui` run the DAG; return when it has.

    Raises:
        BadInput: the DAG is paused.
        RuntimeError: `make ui` ended before the run.
    """
    dag = f"/api/v2/dags/{DAG_ID}"
    if airflow.get(dag).json()["is_paused"]:
        raise BadInput("The DAG is paused: unpause it in Airflow's pages, or end `make ui`.")
    print("`make ui` is up: its scheduler runs the DAG.", flush=True)
    asked = {"logical_date": None, "conf": {"period": run.period}}
    dag_run = airflow.post(f"{dag}/dagRuns", json=asked).json()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # Ctrl-C ends the waiting only
    try:
        while dag_run["state"] in ("queued", "running"):
            time.sleep(1)
            dag_run = airflow.get(f"{dag}/dagRuns/{dag_run['dag_run_id']}").json()
    except httpx.TransportError:
        raise RuntimeError("`make ui` ended; the run resumes when it is started again") from None
    except KeyboardInterrupt:
        sys.exit("\nNo longer waiting; Airflow continues the run. Its page can mark it as failed.")
