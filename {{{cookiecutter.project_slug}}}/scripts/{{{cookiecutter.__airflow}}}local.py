"""Run the DAG from the command line: what `make run` and `make backfill` call.

Nothing needs to be up: the work is done in this process, with a database of its own. While
`make ui` is up, its scheduler does it, and this waits.
"""

import json
import logging
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from filelock import FileLock, Timeout

from {{{ cookiecutter.package_name }}} import preload
from {{{ cookiecutter.package_name }}}.alerts import tell
from {{{ cookiecutter.package_name }}}.errors import BadInput
from {{{ cookiecutter.package_name }}}.params import load_params
from {{{ cookiecutter.package_name }}}.plan import plan_backfill, plan_run
from {{{ cookiecutter.package_name }}}.results import (
    Result,
    finished,
    left,
    nothing_new,
    result_of,
)
from {{{ cookiecutter.package_name }}}.workspace import Run

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
    return train(period, trigger if ui_is_up() else run_here)


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
        return [train(period, run_here) for period in periods]
    runs = [plan_run(load_params(), period, datetime.now(UTC)) for period in periods]
    create_backfill(first, last)
    return [result_of(run) for run in runs]


def train(period: str | None, do: Callable[[Run], None]) -> Result:
    """Do a run, unless it is done already, and return its result."""
    run = plan_run(load_params(), period, datetime.now(UTC))
    if done := finished(run):
        return done if period else nothing_new(done)
    do(run)
    return result_of(run)


def run_here(run: Run) -> None:
    """Run the DAG in this process."""
    print("Starting Airflow ...", flush=True)
    prepare()
    from dags.training import training_dag

    preload.wait()
    alone(training_dag)
    done = training_dag.test(run_conf={"period": run.period})
    tell(run, left(run), attempt=done.run_id, run_url=None, rerun=f"make run PERIOD={run.period}")


def alone(dag: Any) -> None:
    """Take from a DAG what `dag.test()` of Airflow 3.3 fails on.

    Deadlines, which nobody watches here; and its callbacks, which cannot ask for a task's XCom.
    """
    dag.deadline = []
    dag.on_success_callback = dag.on_failure_callback = None


def prepare() -> None:
    """Make a metadata database for this process, unless it is there."""
    os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = airflow_settings.database("local.db")
    os.environ["AIRFLOW__LOGGING__NAMESPACE_LEVELS"] = "airflow=WARNING task=WARNING"
    from airflow.utils.db import initdb

    warnings.filterwarnings("ignore", message="Using `httpx`")  # is Airflow's own affair
    for name in ("airflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)  # the steps' own lines are enough
    # It says every second which tasks wait for another try.
    logging.getLogger("airflow.sdk.definitions.dag").setLevel(logging.ERROR)
    initdb()


def trigger(run: Run) -> None:
    """Let the scheduler of `make ui` do a run."""
    from airflow.models import DagRun

    name = f"make_run__{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"
    conf = json.dumps({"period": run.period})
    hand_over("dags", "trigger", DAG_ID, "--run-id", name, "--conf", conf)
    wait_while(lambda: any(r.state in UNFINISHED for r in DagRun.find(DAG_ID, run_id=name)))


def create_backfill(first: str, last: str) -> None:
    """Let the scheduler of `make ui` do a backfill.

    Runs that Airflow knows are started again: those whose work is done are skipped by themselves.
    """
    from airflow.models import DagRun
    from airflow.models.backfill import Backfill
    from airflow.utils.session import create_session
    from airflow.utils.types import DagRunType

    def another() -> bool:  # Airflow allows one; it counts for half a minute after its last run
        with create_session() as session:
            return bool(session.query(Backfill).filter_by(dag_id=DAG_ID, completed_at=None).count())

    # Of each interval, the day on which it begins lies in its month.
    create = (
        *("backfill", "create", "--dag-id", DAG_ID),
        *("--from-date", f"{first}-01", "--to-date", f"{last}-28"),
        *("--max-active-runs", "1", "--reprocess-behavior", "completed"),
    )
    wait_while(another)
    try:
        hand_over(*create)
    except subprocess.CalledProcessError:
        # SQLite refuses at once, without waiting, who has read before writing while another writes.
        print("Airflow's database was busy: once more.", flush=True)
        wait_while(another)
        hand_over(*create)
    kind = DagRunType.BACKFILL_JOB
    wait_while(lambda: any(r.state in UNFINISHED for r in DagRun.find(DAG_ID, run_type=kind)))


UNFINISHED = ("queued", "running")


def hand_over(*command: str) -> None:
    """Give the scheduler of `make ui` work.

    Raises:
        BadInput: the DAG is paused.
    """
    from airflow.models import DagModel

    dag = DagModel.get_current(DAG_ID)
    if dag is not None and dag.is_paused:
        raise BadInput("The DAG is paused: switch it on in the page of `make ui`, or end that.")
    print("`make ui` is up: its scheduler does the work.", flush=True)
    airflow = Path(sys.executable).with_name("airflow")
    subprocess.run([airflow, *command], check=True, stdout=subprocess.DEVNULL)  # noqa: S603


def wait_while(busy: Callable[[], bool]) -> None:
    """Wait as long as the scheduler is busy; Ctrl-C ends the waiting only.

    Raises:
        RuntimeError: `make ui` was ended meanwhile.
    """
    signal.signal(signal.SIGINT, no_longer)
    while busy():
        if not ui_is_up():
            raise RuntimeError("`make ui` was ended; the work goes on when it is started again")
        time.sleep(1)


def no_longer(*_: object) -> NoReturn:
    """End the waiting."""
    sys.exit("\nno longer waiting: Airflow goes on. In its page, a run can be marked as failed.")


def ui_is_up() -> bool:
    """Tell whether `make ui` is up, and ready for work."""
    if not ready_file().exists():
        return False
    try:
        with FileLock(airflow_settings.HOME / "ui.lock", blocking=False):
            return False  # it was killed
    except Timeout:
        return True


def ready_file() -> Path:
    """Return the file that is there once `make ui` is ready."""
    return airflow_settings.HOME / "ui.ready"


@contextmanager
def the_one_ui() -> Iterator[None]:
    """Be the `make ui` of this project.

    Raises:
        filelock.Timeout: there is one already.
    """
    with FileLock(airflow_settings.HOME / "ui.lock", timeout=5):
        ready_file().unlink(missing_ok=True)
        try:
            yield
        finally:
            ready_file().unlink(missing_ok=True)
