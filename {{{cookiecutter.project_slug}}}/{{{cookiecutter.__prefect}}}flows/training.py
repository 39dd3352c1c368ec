"""The training pipeline as Prefect flows.

A task takes the results of the tasks before it: that draws the graph. The steps behind the tasks
read them in the run directory, so that a run can be resumed.
"""

import logging
from contextlib import nullcontext
from datetime import datetime
from typing import Any

from prefect import flow, get_client, runtime, task, unmapped
from prefect.client.schemas.objects import State, TaskRun
from prefect.concurrency.sync import concurrency
from prefect.states import Completed
from prefect.task_runners import ThreadPoolTaskRunner
from prefect.tasks import Task, exponential_backoff
from prefect.utilities.annotations import quote

from {{{ cookiecutter.package_name }}}.runtime import PROJECT, results
from {{{ cookiecutter.package_name }}}.runtime.config import load_params
from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput
from {{{ cookiecutter.package_name }}}.runtime.run import Run, read_plan
from {{{ cookiecutter.package_name }}}.runtime.run.checkpoint import checkpoint, undone
from {{{ cookiecutter.package_name }}}.runtime.run.outcome import (
    clear_failure,
    completed_result,
    nothing_new,
)
from {{{ cookiecutter.package_name }}}.runtime.run.plan import plan_backfill, plan_run
from {{{ cookiecutter.package_name }}}.runtime.steps import evaluate as evaluate_step
from {{{ cookiecutter.package_name }}}.runtime.steps import features as features_step
from {{{ cookiecutter.package_name }}}.runtime.steps import ingest as ingest_step
from {{{ cookiecutter.package_name }}}.runtime.steps import quarantine as quarantine_step
from {{{ cookiecutter.package_name }}}.runtime.steps import release as release_step
from {{{ cookiecutter.package_name }}}.runtime.steps import report as report_step
from {{{ cookiecutter.package_name }}}.runtime.steps import snapshot as snapshot_step
from {{{ cookiecutter.package_name }}}.runtime.steps import train as train_step
from {{{ cookiecutter.package_name }}}.runtime.steps import validate as validate_step
from {{{ cookiecutter.package_name }}}.runtime.wording import status_text

from . import hooks


def is_transient(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Return whether a retry can help: bad input stays bad."""
    return not isinstance(state.result(raise_on_failure=False), BadInput)


RETRIES: dict[str, Any] = {
    "retries": 3,
    "retry_delay_seconds": exponential_backoff(backoff_factor=2),
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": is_transient,
}


@task(timeout_seconds=600, **RETRIES)
def plan(period: str | None, at: datetime) -> tuple[Run, results.Plan]:
    """Decide what the run works on."""
    run = plan_run(load_params(), period, at)
    return run, read_plan(run)


# Mapped tasks run in threads, where no timeout ends them; reading from the source has its own.
@task(task_run_name="ingest {period}", **RETRIES)
def ingest(run: Run, period: str) -> results.Manifest:
    """Copy a period from the source."""
    return checkpoint(ingest_step.ingest, run, period)


@task(timeout_seconds=300, **RETRIES)
def validate(run: Run, manifests: list[results.Manifest]) -> results.Quality:
    """Check the periods against the data contract."""
    return checkpoint(validate_step.validate, run)


@task(timeout_seconds=60, **RETRIES)
def quarantine(run: Run, quality: results.Quality) -> results.Quarantine:
    """Set bad data aside."""
    return checkpoint(quarantine_step.quarantine, run)


@task(timeout_seconds=600, **RETRIES)
def snapshot(run: Run, quality: results.Quality) -> results.Snapshot:
    """Store the exact data as a version."""
    return checkpoint(snapshot_step.snapshot, run)


@task(task_run_name="features {period}", **RETRIES)
def features(run: Run, period: str, data: results.Snapshot) -> results.FeatureTable:
    """Join the tables of a period."""
    return checkpoint(features_step.features, run, period)


@task(timeout_seconds=3600, **RETRIES)
def train(run: Run, tables: list[results.FeatureTable]) -> results.Training:
    """Fit the model."""
    return checkpoint(train_step.train, run)


@task(timeout_seconds=1800, **RETRIES)
def evaluate(run: Run, trained: results.Training) -> results.Evaluation:
    """Compare the challenger with the champion."""
    return checkpoint(evaluate_step.evaluate, run)


@task(timeout_seconds=1800, **RETRIES)
def release(run: Run, evaluation: results.Evaluation) -> results.Release:
    """Make the challenger the champion if it is better; one release at a time."""
    # The step holds a lock of this machine; workers may be on several, see docs/prefect.md.
    limit = concurrency(f"{PROJECT}-release", occupy=1)
    with limit if runtime.deployment.id else nullcontext():
        return checkpoint(release_step.release, run)


@task(timeout_seconds=600, **RETRIES)
def report(run: Run, end: results.Release | results.Quarantine) -> results.Result:
    """Write the result and the report page."""
    return checkpoint(report_step.report, run, hooks.ORCHESTRATOR)


@flow(
    task_runner=ThreadPoolTaskRunner(max_workers=4),  # type: ignore[arg-type]
    on_completion=[hooks.alert_end],
    on_failure=[hooks.alert_end],
    on_crashed=[hooks.alert_crash],
)
def training(period: str | None = None) -> results.Result:
    """Train on the periods before one, evaluate on it, and release the model if it is better.

    Args:
        period: such as {{{ cookiecutter.__example }}}; by default the newest that had ended at the scheduled start.
    """
    # No setting of Prefect's sets the level.
    logging.getLogger("{{{ cookiecutter.package_name }}}").setLevel(logging.INFO)
    run, planned = plan(period, runtime.flow_run.scheduled_start_time)
    tags = {*runtime.flow_run.tags, run.period}
    with get_client(sync_client=True) as client:
        client.update_flow_run(runtime.flow_run.id, name=run.run_id, tags=tags)
        client.update_flow_run_labels(runtime.flow_run.id, run.model_dump())  # for the hooks
    if done := completed_result(run):
        again = nothing_new(done)
        name, message, result = hooks.NOTHING_NEW, again.reason, done if period else again
    else:
        clear_failure(run)
        result = run_steps(run, planned.periods)
        name, message = status_text(result.status).capitalize(), result.reason
    # A flow that returns a state ends in it; its caller gets the state's data.
    return Completed(name=name, message=message, data=result)  # type: ignore[return-value]


def run_steps(run: Run, periods: list[str]) -> results.Result:
    """Run the graph: of periods that earlier runs prepared, nothing is done again."""
    new = undone(ingest_step.ingest, run, periods)
    manifests = ingest.map(unmapped(run), new).result()
    # Without `quote` all tasks would depend on `plan`, which returned the run.
    this: Run = quote(run)  # type: ignore[assignment]
    quality = validate(this, manifests)
    if not quality.good:
        return report(this, quarantine(this, quality))
    data = snapshot(this, quality)
    new = undone(features_step.features, run, [*quality.window, run.period])
    tables = features.map(unmapped(this), new, unmapped(data)).result()
    trained = train(this, tables)
    return report(this, release(this, evaluate(this, trained)))


@flow(
    flow_run_name="backfill {first} to {last}",
    on_failure=[hooks.alert_failure],
    on_crashed=[hooks.alert_crash],
)
def backfill(first: str, last: str) -> list[results.Result]:
    """Retrain period by period, in order: each is compared with the champion of the one before.

    Args:
        first: the first period, such as {{{ cookiecutter.__example_first }}}.
        last: the last period.
    """
    return [training(period) for period in plan_backfill(load_params(), first, last)]
