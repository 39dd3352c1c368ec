"""Train on the periods before one, evaluate on it, and release the model if it is better.

A run is for its parameter `period`; else for the period that a delivery names; else for that of the
backfill's interval; else for the newest that had ended when the run was due. Bad data are
quarantined, and the champion stays. Where the work of a run is done already, its tasks are skipped.

The result is in `runs/<run_id>/report.html`. After a failure, clear the failed tasks: the run
resumes there.
"""

# The steps are in `src/`. Each task imports its own when it runs: Airflow parses this file often.
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from airflow.sdk import (
    Asset,
    AssetOrTimeSchedule,
    CronDataIntervalTimetable,
    ExceptionRetryPolicy,
    Param,
    RetryAction,
    RetryRule,
    dag,
    task,
)
from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert
from airflow.sdk.exceptions import AirflowSkipException

from {{{ cookiecutter.package_name }}}.runtime import PROJECT
from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput
from {{{ cookiecutter.package_name }}}.runtime.periods import (
    CADENCE,
    EXAMPLE,
    is_period,
    period_before,
)

from run_alerts import ORCHESTRATOR, RunCreated, alert_end, alert_overrun, write_failure

# An event of this asset starts a run for the period that its extra names: {"period": "2013-06"}.
DELIVERED = Asset(f"{PROJECT}-source")

# What tasks hand to each other: the run, as JSON. Mapped tasks hand on a sequence of it.
XCom: TypeAlias = Any


def run_step(step: Callable[..., Any], run: XCom, *given: str) -> Any:
    """Return the result of a step of a run, from its checkpoint where the step is done.

    Raises:
        BadInput: the code changed since the run was planned, as it may before tasks are cleared.
    """
    from {{{ cookiecutter.package_name }}}.runtime.run import Run, read_plan
    from {{{ cookiecutter.package_name }}}.runtime.run.checkpoint import checkpoint
    from {{{ cookiecutter.package_name }}}.runtime.run.identity import code_version

    planned = Run(**run)
    if read_plan(planned).code_version != code_version():
        raise BadInput("The code changed since the run was planned: clear `plan` and all after it.")
    return checkpoint(step, planned, *given)


def delivered_period(events: Mapping[Any, Sequence[Any]]) -> str | None:
    """Return the newest period that the asset events of a run name, None without events.

    Raises:
        BadInput: an event names no period.
    """
    periods = [str(event.extra.get("period")) for found in events.values() for event in found]
    if not all(map(is_period, periods)):
        example = json.dumps({"period": EXAMPLE})
        raise BadInput(f"The delivery names no period: its extra must be like {example}.")
    return max(periods, default=None)


@task
def plan(**context: Any) -> list[dict[str, Any]]:
    """Plan the run; return the arguments of `ingest`, one set per period that is new."""
    from {{{ cookiecutter.package_name }}}.runtime.config import load_params
    from {{{ cookiecutter.package_name }}}.runtime.room import tables
    from {{{ cookiecutter.package_name }}}.runtime.run import outcome, read_plan
    from {{{ cookiecutter.package_name }}}.runtime.run.checkpoint import undone
    from {{{ cookiecutter.package_name }}}.runtime.run.plan import plan_run
    from {{{ cookiecutter.package_name }}}.runtime.steps.ingest import ingest

    asked, dag_run, params = context["params"], context["dag_run"], load_params()
    if unknown := ", ".join(sorted(set(asked) - {"period", "window"})):
        raise BadInput(f"No such parameter: {unknown}; use period and window.")
    if asked["window"]:
        params = params.model_copy(update={"window": asked["window"]})
    period = asked["period"] or delivered_period(context["triggering_asset_events"])
    if period is None and dag_run.run_type == "backfill":
        period = period_before(context["data_interval_end"], tables().TIME_ZONE)
    run = plan_run(params, period, dag_run.run_after)
    if done := outcome.completed_result(run):
        raise AirflowSkipException(outcome.nothing_new(done).reason)
    outcome.clear_failure(run)
    new = undone(ingest, run, read_plan(run).periods)
    return [{"run": run.model_dump(), "period": period} for period in new]


@task(map_index_template="{{ period }}", max_active_tis_per_dagrun=4)
def ingest(run: XCom, period: str) -> XCom:
    """Copy a period from the source."""
    from {{{ cookiecutter.package_name }}}.runtime.steps.ingest import ingest

    run_step(ingest, run, period)
    return run


@task.branch
def validate(ingested: XCom, **context: Any) -> str:
    """Check the periods against the data contract; return the task that comes next."""
    from {{{ cookiecutter.package_name }}}.runtime.steps.validate import validate

    run = ingested[0]
    context["ti"].xcom_push("run", run)
    return "snapshot" if run_step(validate, run).good else "quarantine"


@task
def quarantine(run: XCom) -> XCom:
    """Quarantine the run."""
    from {{{ cookiecutter.package_name }}}.runtime.steps.quarantine import quarantine

    run_step(quarantine, run)
    return run


@task
def snapshot(run: XCom) -> list[dict[str, Any]]:
    """Store the exact data; return the arguments of `features`, one set per period that is new."""
    from {{{ cookiecutter.package_name }}}.runtime.run import Run
    from {{{ cookiecutter.package_name }}}.runtime.run.checkpoint import undone
    from {{{ cookiecutter.package_name }}}.runtime.steps.features import features
    from {{{ cookiecutter.package_name }}}.runtime.steps.snapshot import snapshot
    from {{{ cookiecutter.package_name }}}.runtime.steps.validate import good_periods

    run_step(snapshot, run)
    this = Run(**run)
    new = undone(features, this, good_periods(this))
    return [{"run": run, "period": period} for period in new]


@task(map_index_template="{{ period }}", max_active_tis_per_dagrun=4)
def features(run: XCom, period: str) -> XCom:
    """Join the tables of a period."""
    from {{{ cookiecutter.package_name }}}.runtime.steps.features import features

    run_step(features, run, period)
    return run


@task(execution_timeout=timedelta(hours=1))
def train(joined: XCom) -> XCom:
    """Fit the model."""
    from {{{ cookiecutter.package_name }}}.runtime.steps.train import train

    run_step(train, joined[0])
    return joined[0]


@task(execution_timeout=timedelta(minutes=30))
def evaluate(run: XCom) -> XCom:
    """Compare the challenger with the champion."""
    from {{{ cookiecutter.package_name }}}.runtime.steps.evaluate import evaluate

    run_step(evaluate, run)
    return run


@task(max_active_tis_per_dag=1, execution_timeout=timedelta(minutes=30))
def release(run: XCom) -> XCom:
    """Make the challenger the champion if it is better; one release at a time."""
    from {{{ cookiecutter.package_name }}}.runtime.steps.release import release

    run_step(release, run)
    return run


@task(trigger_rule="none_failed_min_one_success")
def report(released: XCom, quarantined: XCom) -> str:
    """Write the result and the report; return how the run ended."""
    from {{{ cookiecutter.package_name }}}.runtime.steps.report import report

    result = run_step(report, released or quarantined, ORCHESTRATOR)
    return f"{result.status}: {result.reason}"


@dag(
    dag_id=PROJECT,
    doc_md=__doc__,
    schedule=AssetOrTimeSchedule(
        timetable=CronDataIntervalTimetable("0 6 {{{ cookiecutter.__cron_days }}}", timezone="America/New_York"),
        assets=[DELIVERED],
    ),
    start_date=datetime(2013, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    on_failure_callback=alert_end,
    on_success_callback=alert_end,
    deadline=DeadlineAlert(RunCreated(), timedelta(hours=2), AsyncCallback(alert_overrun)),
    tags=["training"],
    params={
        "period": Param(
            None,
            type=["null", "string"],
            pattern=CADENCE.pattern,
            description=f"What to evaluate on, such as {EXAMPLE}; empty: the newest that ended.",
        ),
        "window": Param(
            None,
            type=["null", "integer"],
            minimum=2,
            description="Periods to train on, before that one; empty: as params.yaml says.",
        ),
    },
    default_args={
        "owner": {{{ cookiecutter.__author_name_string }}},
        "retries": 3,
        "retry_delay": timedelta(seconds=10),
        "retry_exponential_backoff": 2,
        "max_retry_delay": timedelta(minutes=10),
        "retry_policy": ExceptionRetryPolicy([RetryRule(BadInput, RetryAction.FAIL)]),
        "execution_timeout": timedelta(minutes=10),
        "on_failure_callback": write_failure,
    },
)
def training() -> None:
    """Define the graph."""
    validated: XCom = validate(ingest.expand_kwargs(plan()))
    quarantined = quarantine(validated["run"])
    joined = features.expand_kwargs(snapshot(validated["run"]))
    report(release(evaluate(train(joined))), quarantined)


training_dag = training()
