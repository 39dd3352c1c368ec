"""Run the DAG from the command line: what `make run` and `make backfill` call.

Nothing needs to be up: the work is done in this process, with a database of its own. While
`make ui` is up, its scheduler does it, and this waits.
"""

import json
import logging
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from {{{ cookiecutter.package_name }}} import preload
from {{{ cookiecutter.package_name }}}.params import load_params
from {{{ cookiecutter.package_name }}}.plan import plan_backfill, plan_run
from {{{ cookiecutter.package_name }}}.results import Result, finished, nothing_new
from {{{ cookiecutter.package_name }}}.workspace import Run, Workspace, read_json

from . import airflow_settings

DAG_ID = "{{{ cookiecutter.project_slug }}}"


def training(period: str | None = None) -> Result:
    """Train on the months before a period, judge on the period, and release what is better.

    Args:
        period: a month such as 2013-06; without it, the newest month that has ended.

    Raises:
        BadInput: the period cannot be had.
        RuntimeError: the run failed.
    """
    run = plan_run(load_params(), period, datetime.now(UTC))
    if done := finished(run):
        return done if period else nothing_new(done)
    if ui_is_up():
        hand_over("dags", "trigger", DAG_ID, "--conf", json.dumps({"period": run.period}))
    else:
        run_here(run)
    return result_of(run)


def backfill(first: str, last: str) -> list[Result]:
    """Retrain month by month, in order, so that each is judged against the one before.

    Args:
        first: the first period, such as 2013-04.
        last: the last period.

    Raises:
        BadInput: one of the periods cannot be had.
        RuntimeError: a run failed.
    """
    periods = plan_backfill(load_params(), first, last)
    if not ui_is_up():
        return [training(period) for period in periods]
    # Of each interval, the day on which it begins lies in its month. Runs that Airflow knows are
    # started again: those whose work is done are skipped by themselves.
    hand_over(
        *("backfill", "create", "--dag-id", DAG_ID),
        *("--from-date", f"{first}-01", "--to-date", f"{last}-28"),
        *("--max-active-runs", "1", "--reprocess-behavior", "completed"),
    )
    return [result_of(plan_run(load_params(), period, datetime.now(UTC))) for period in periods]


def result_of(run: Run) -> Result:
    """Return the result of a run that ended.

    Raises:
        RuntimeError: it failed.
    """
    file = Workspace(run).result
    if not file.exists():
        raise RuntimeError(f"run {run.run_id} ended without a result")
    result = read_json(file, Result)
    if result.status == "failed":
        raise RuntimeError(result.reason)
    return result


def run_here(run: Run) -> None:
    """Run the DAG in this process."""
    prepare()
    from dags.training import training_dag

    preload.wait()
    training_dag.test(run_conf={"period": run.period})


def prepare() -> None:
    """Make a metadata database for this process, unless it is there."""
    os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = airflow_settings.database("local.db")
    os.environ["AIRFLOW__LOGGING__NAMESPACE_LEVELS"] = "airflow=WARNING task=WARNING"
    from airflow.utils.db import initdb

    warnings.filterwarnings("ignore", message="Using `httpx`")  # is Airflow's own affair
    for name in ("airflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)  # the steps' own lines are enough
    initdb()


def hand_over(*command: str) -> None:
    """Give the scheduler of `make ui` work, and wait until it has none.

    Raises:
        RuntimeError: `make ui` was ended meanwhile.
    """
    airflow = Path(sys.executable).with_name("airflow")
    subprocess.run([airflow, *command], check=True, stdout=subprocess.DEVNULL)  # noqa: S603
    from airflow.models import DagRun
    from airflow.utils.state import DagRunState

    print("`make ui` is up: its scheduler does the work.", flush=True)
    unfinished = (DagRunState.QUEUED, DagRunState.RUNNING)
    while any(DagRun.find(dag_id=DAG_ID, state=state) for state in unfinished):
        if not ui_is_up():
            raise RuntimeError("`make ui` was ended; the run goes on when it is started again")
        time.sleep(1)


def ui_is_up() -> bool:
    """Tell whether `make ui` is up."""
    try:
        with up():
            return False
    except Timeout:
        return True


@contextmanager
def up() -> Iterator[None]:
    """Be the `make ui` that is up.

    Raises:
        filelock.Timeout: another one is.
    """
    with FileLock(airflow_settings.HOME / "ui.lock", blocking=False):
        yield
