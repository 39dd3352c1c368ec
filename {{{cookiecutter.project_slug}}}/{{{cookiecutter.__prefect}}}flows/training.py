"""The training pipeline as Prefect flows. The steps themselves are in `src/`.

Each task imports its step when it runs: loading a flow, to deploy it or to plan a run, stays cheap.
"""

import logging
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from prefect import flow, get_client, runtime, task, unmapped
from prefect.client.schemas.objects import State, TaskRun
from prefect.concurrency.sync import concurrency
from prefect.states import Completed
from prefect.task_runners import ThreadPoolTaskRunner
from prefect.tasks import Task, exponential_backoff

from {{{ cookiecutter.package_name }}} import preload
from {{{ cookiecutter.package_name }}}.errors import BadInput
from {{{ cookiecutter.package_name }}}.once import once
from {{{ cookiecutter.package_name }}}.params import load_params
from {{{ cookiecutter.package_name }}}.plan import plan_backfill, plan_run, read_plan
from {{{ cookiecutter.package_name }}}.results import (
    Result,
    finished,
    nothing_new,
)
from {{{ cookiecutter.package_name }}}.workspace import Run

from . import hooks

if TYPE_CHECKING:
    from {{{ cookiecutter.package_name }}}.steps.evaluate import Evaluation
    from {{{ cookiecutter.package_name }}}.steps.features import Features
    from {{{ cookiecutter.package_name }}}.steps.ingest import Manifest
    from {{{ cookiecutter.package_name }}}.steps.quarantine import Quarantine
    from {{{ cookiecutter.package_name }}}.steps.release import Release
    from {{{ cookiecutter.package_name }}}.steps.train import Training
    from {{{ cookiecutter.package_name }}}.steps.validate import Quality
    from {{{ cookiecutter.package_name }}}.steps.version import DataVersion

# Prefect says for every mapped task that it cannot interrupt a thread at its timeout. It is so;
# what can hang, reading from the source, gives up by itself.
logging.getLogger("prefect.task_runs").addFilter(
    lambda record: "Timeouts in worker threads" not in record.getMessage()
)


def worth_retrying(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Retry what may pass: bad input stays bad."""
    return not isinstance(state.result(raise_on_failure=False), BadInput)


settings: dict[str, Any] = {
    "retries": 3,
    "retry_delay_seconds": exponential_backoff(backoff_factor=2),
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": worth_retrying,
}


@task(timeout_seconds=600, **settings)
def plan(period: str | None, at: datetime) -> str:
    """Settle what the run works on; the run, as JSON."""
    return plan_run(load_params(), period, at).model_dump_json()


@task(task_run_name="ingest {month}", timeout_seconds=600, **settings)
def ingest(run: Run, month: str) -> "Manifest":
    """Copy a month from the source."""
    from {{{ cookiecutter.package_name }}}.steps.ingest import ingest

    return once(ingest, run, month)


@task(timeout_seconds=300, **settings)
def validate(run: Run) -> "Quality":
    """Hold the months against the data contract."""
    from {{{ cookiecutter.package_name }}}.steps.validate import validate

    return once(validate, run)


@task(timeout_seconds=60, **settings)
def quarantine(run: Run) -> "Quarantine":
    """Set the run aside."""
    from {{{ cookiecutter.package_name }}}.steps.quarantine import quarantine

    return once(quarantine, run)


@task(timeout_seconds=600, **settings)
def version(run: Run) -> "DataVersion":
    """Keep the exact data, and give them a name."""
    from {{{ cookiecutter.package_name }}}.steps.version import version

    return once(version, run)


@task(task_run_name="features {month}", timeout_seconds=600, **settings)
def features(run: Run, month: str) -> "Features":
    """Join the tables of a month."""
    from {{{ cookiecutter.package_name }}}.steps.features import features

    return once(features, run, month)


@task(timeout_seconds=3600, **settings)
def train(run: Run) -> "Training":
    """Fit the model."""
    from {{{ cookiecutter.package_name }}}.steps.train import train

    return once(train, run)


@task(timeout_seconds=1800, **settings)
def evaluate(run: Run) -> "Evaluation":
    """Judge the challenger against the champion."""
    from {{{ cookiecutter.package_name }}}.steps.evaluate import evaluate

    return once(evaluate, run)


@task(timeout_seconds=1800, **settings)
def release(run: Run) -> "Release":
    """Put the challenger in the champion's place, if it earned it; one release at a time.

    The step holds a lock on this machine. Between machines, deployments hold Prefect's limit
    `{{{ cookiecutter.project_slug }}}-release`, where it was created.
    """
    from {{{ cookiecutter.package_name }}}.steps.release import release

    limit = concurrency("{{{ cookiecutter.project_slug }}}-release", occupy=1)
    with limit if runtime.deployment.id else nullcontext():
        return once(release, run)


@task(timeout_seconds=600, **settings)
def report(run: Run) -> Result:
    """Write the result and the page."""
    from {{{ cookiecutter.package_name }}}.steps.report import report

    return once(report, run, hooks.ORCHESTRATOR)


@flow(
    task_runner=ThreadPoolTaskRunner(max_workers=4),  # type: ignore[arg-type]
    on_completion=[hooks.tell_end],
    on_failure=[hooks.tell_end],
    on_crashed=[hooks.tell_crash],
)
def training(period: str | None = None) -> Result:
    """Train on the months before a period, judge on the period, and release what is better.

    Args:
        period: a month such as 2013-06; without it, the newest month that had ended when the run
            was scheduled.
    """
    planned = plan(period, runtime.flow_run.scheduled_start_time or datetime.now(UTC))
    run = Run.model_validate_json(planned)
    with get_client(sync_client=True) as client:
        # The flow run alone is tagged: for each tag of a task, Prefect asks its server for a slot.
        marks = {*runtime.flow_run.tags, run.period}
        client.update_flow_run(runtime.flow_run.id, name=run.run_id, tags=marks)
    result = finished(run)
    if result is None:
        result = work(run)
    elif not period:
        result = nothing_new(result)
    # The run's state tells the status; whoever calls the flow gets the result.
    name = result.status.replace("_", " ").capitalize()
    return Completed(name=name, message=result.reason, data=result)  # type: ignore[return-value]


def work(run: Run) -> Result:
    """Run the graph."""
    preload.wait()
    ingested = ingest.map(unmapped(run), read_plan(run).months)
    ingested.result()  # raises what failed
    quality = validate(run, wait_for=ingested)
    if quality.good:
        data_version: Any = version(run, wait_for=[quality])
        months = [*quality.window, run.period]
        joined = features.map(unmapped(run), months, wait_for=[data_version])
        joined.result()
        trained = train(run, wait_for=joined)
        evaluated = evaluate(run, wait_for=[trained])
        ended: Any = release(run, wait_for=[evaluated])
    else:
        ended = quarantine(run, wait_for=[quality])
    return report(run, wait_for=[ended])


@flow(
    flow_run_name="backfill {first} to {last}",
    on_failure=[hooks.tell_failure],
    on_crashed=[hooks.tell_crash],
)
def backfill(first: str, last: str) -> list[Result]:
    """Retrain month by month, in order, so that each is judged against the one before.

    Args:
        first: the first period, such as 2013-04.
        last: the last period.
    """
    return [training(period) for period in plan_backfill(load_params(), first, last)]
