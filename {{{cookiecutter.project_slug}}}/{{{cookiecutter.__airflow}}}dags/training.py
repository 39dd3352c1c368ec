"""Trains on the months before a period, judges on the period, and releases what is better.

A run is for the month that is asked for when it is triggered, else the one that a delivery names,
else that of a backfill's interval, else the newest that has ended. Bad data end in quarantine, and
the champion stays. Where a run's work is done already, its tasks are skipped.

`runs/<run_id>/report.html` has the result. After a failure, clear the failed tasks: the run goes on
from there.
"""

# The steps are in `src/`. Each task imports its own when it runs, so that this file, which Airflow
# reads again and again, stays cheap to read.
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import (
    Asset,
    AssetOrTimeSchedule,
    Context,
    CronDataIntervalTimetable,
    ExceptionRetryPolicy,
    Param,
    RetryAction,
    RetryRule,
    chain,
    dag,
    task,
)
from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert
from airflow.sdk.exceptions import AirflowSkipException

from {{{ cookiecutter.package_name }}}.errors import BadInput

from run_alerts import RunAlert, RunCreated, run_of

log = logging.getLogger(__name__)

ORCHESTRATOR = "airflow"

# What is delivered by month. An event of this asset starts a run for the month that it carries, as
# in `{"month": "2013-06"}`.
DELIVERED = Asset("{{{ cookiecutter.project_slug }}}-source")

# The one value that goes from task to task: the run, as JSON. A template and not an argument, or
# the graph would have a line from `plan` to every task.
RUN = "{{ ti.xcom_pull(task_ids='plan', key='run') }}"


def do(step: Callable[..., Any], run: str, *given: str) -> Any:
    """Do a step of a run, unless it is done already.

    Raises:
        BadInput: the code is no longer that of the run, as after a task was cleared.
    """
    from {{{ cookiecutter.package_name }}}.once import once
    from {{{ cookiecutter.package_name }}}.plan import code_version, read_plan
    from {{{ cookiecutter.package_name }}}.workspace import Run

    this = Run.model_validate_json(run)
    if read_plan(this).code_version != code_version():
        raise BadInput("The code changed since the run was planned: clear `plan` and all after it.")
    return once(step, this, *given)


def write_failed(context: Context) -> None:
    """Write the result of a run of which a task failed for good, and end the log with why.

    Airflow calls this for the task, in its process, and for the run, in the DAG processor: a task
    that was killed can no longer say so.
    """
    from {{{ cookiecutter.package_name }}}.results import write_failed
    from {{{ cookiecutter.package_name }}}.workspace import Workspace

    run, task_id, error = run_of(context), context["ti"].task_id, context.get("exception")
    if not isinstance(error, BaseException):
        result, begun = Workspace(run).result, context["dag_run"].start_date
        if result.exists() and begun and result.stat().st_mtime >= begun.timestamp():
            return  # the task has said why, in this try
        error = RuntimeError(error or f"task {task_id} was killed")
    log.error(write_failed(run, ORCHESTRATOR, error, step=task_id).reason)


def delivered(events: Mapping[Any, Sequence[Any]]) -> str | None:
    """Return the newest month that the events which started the run carry, None without events.

    Raises:
        BadInput: one carries none.
    """
    extras = [event.extra for found in events.values() for event in found]
    if any(not isinstance(extra.get("month"), str) for extra in extras):
        raise BadInput('The delivery names no month: its extra must be like {"month": "2013-06"}.')
    months = sorted({extra["month"] for extra in extras})
    if months[:-1]:
        log.warning("plan: also delivered, but not judged on: %s", ", ".join(months[:-1]))
    return months[-1] if months else None


@task
def plan(**context: Any) -> list[str]:
    """Settle what the run works on; the months that it reads."""
    from {{{ cookiecutter.package_name }}}.months import month_before
    from {{{ cookiecutter.package_name }}}.params import load_params
    from {{{ cookiecutter.package_name }}}.plan import plan_run, read_plan
    from {{{ cookiecutter.package_name }}}.results import (
        finished,
        forget_failure,
        nothing_new,
    )

    asked, dag_run = context["params"], context["dag_run"]
    if unknown := set(asked) - {"period", "window"}:
        raise BadInput(f"No such parameter: {', '.join(sorted(unknown))}; period and window are.")
    params = load_params()
    if asked["window"]:
        params = params.model_copy(update={"window": asked["window"]})
    period = asked["period"] or delivered(context["triggering_asset_events"])
    if period is None and dag_run.run_type == "backfill":
        period = month_before(context["data_interval_end"])
    run = plan_run(params, period, dag_run.run_after)
    if done := finished(run):
        reason = nothing_new(done).reason
        log.info("plan: nothing to do: %s", reason)
        raise AirflowSkipException(reason)
    forget_failure(run)
    context["ti"].xcom_push("run", run.model_dump_json())
    return read_plan(run).months


@task(map_index_template="{{ month }}", max_active_tis_per_dagrun=4)
def ingest(run: str, month: str) -> None:
    """Copy a month from the source."""
    from {{{ cookiecutter.package_name }}}.steps.ingest import ingest

    do(ingest, run, month)


@task.branch
def validate(run: str) -> str:
    """Hold the months against the data contract, and go on where they keep to it."""
    from {{{ cookiecutter.package_name }}}.steps.validate import validate

    return "version" if do(validate, run).good else "quarantine"


@task
def quarantine(run: str) -> None:
    """Set the run aside."""
    from {{{ cookiecutter.package_name }}}.steps.quarantine import quarantine

    do(quarantine, run)


@task
def version(run: str) -> list[str]:
    """Keep the exact data, and give them a name; the months that are fit for use."""
    from {{{ cookiecutter.package_name }}}.steps.validate import fit_months
    from {{{ cookiecutter.package_name }}}.steps.version import version
    from {{{ cookiecutter.package_name }}}.workspace import Run

    do(version, run)
    return fit_months(Run.model_validate_json(run))


@task(map_index_template="{{ month }}", max_active_tis_per_dagrun=4)
def features(run: str, month: str) -> None:
    """Join the tables of a month."""
    from {{{ cookiecutter.package_name }}}.steps.features import features

    do(features, run, month)


@task(execution_timeout=timedelta(hours=1))
def train(run: str) -> None:
    """Fit the model."""
    from {{{ cookiecutter.package_name }}}.steps.train import train

    do(train, run)


@task(execution_timeout=timedelta(minutes=30))
def evaluate(run: str) -> None:
    """Judge the challenger against the champion."""
    from {{{ cookiecutter.package_name }}}.steps.evaluate import evaluate

    do(evaluate, run)


@task(max_active_tis_per_dag=1, execution_timeout=timedelta(minutes=30))
def release(run: str) -> None:
    """Put the challenger in the champion's place, if it earned it; one release at a time."""
    from {{{ cookiecutter.package_name }}}.steps.release import release

    do(release, run)


@task(trigger_rule="none_failed_min_one_success")
def report(run: str) -> str:
    """Write the result and the page; how the run ended."""
    from {{{ cookiecutter.package_name }}}.steps.report import report

    result = do(report, run, ORCHESTRATOR)
    return f"{result.status}: {result.reason}"


@dag(
    dag_id="{{{ cookiecutter.project_slug }}}",
    doc_md=__doc__,
    schedule=AssetOrTimeSchedule(
        timetable=CronDataIntervalTimetable("0 6 2 * *", timezone="America/New_York"),
        assets=[DELIVERED],
    ),
    start_date=datetime(2013, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    on_failure_callback=[write_failed, RunAlert()],
    on_success_callback=RunAlert(),
    deadline=DeadlineAlert(
        reference=RunCreated(),
        interval=timedelta(hours=2),
        callback=AsyncCallback(RunAlert),
    ),
    tags=["training"],
    params={
        "period": Param(
            None,
            type=["null", "string"],
            pattern=r"^\d{4}-(0[1-9]|1[0-2])$",
            title="Period",
            description="The month to judge on, such as 2013-06; empty: the newest that has ended.",
        ),
        "window": Param(
            None,
            type=["null", "integer"],
            minimum=2,
            title="Window",
            description="Months to train on, before the period; empty: as params.yaml says.",
        ),
    },
    default_args={
        "owner": {{{ cookiecutter.__author_name_string }}},
        "retries": 3,
        "retry_delay": timedelta(seconds=10),
        "retry_exponential_backoff": 2,
        "max_retry_delay": timedelta(minutes=10),
        "execution_timeout": timedelta(minutes=10),
        # Bad input stays bad.
        "retry_policy": ExceptionRetryPolicy([RetryRule(BadInput, RetryAction.FAIL)]),
        "on_failure_callback": write_failed,
    },
)
def training() -> None:
    """Draw the graph."""
    ingested = ingest.partial(run=RUN).expand(month=plan())
    validated = validate(RUN)
    versioned = version(RUN)
    quarantined = quarantine(RUN)
    joined = features.partial(run=RUN).expand(month=versioned)
    released = release(RUN)
    chain(ingested, validated, [versioned, quarantined])
    chain(joined, train(RUN), evaluate(RUN), released)
    [released, quarantined] >> report(RUN)


training_dag = training()
