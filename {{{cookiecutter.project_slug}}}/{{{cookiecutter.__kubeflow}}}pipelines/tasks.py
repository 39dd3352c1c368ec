"""What the components of training.py call where they run."""

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, TypeVar

from kfp.dsl import Artifact
from pydantic import BaseModel
from upath import UPath

from {{{ cookiecutter.package_name }}}.runtime.config import load_params
from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput
from {{{ cookiecutter.package_name }}}.runtime.files import read_json, write_json
from {{{ cookiecutter.package_name }}}.runtime.notify.alerts import alert_outcome
from {{{ cookiecutter.package_name }}}.runtime.notify.jobs import Job, job_file
from {{{ cookiecutter.package_name }}}.runtime.results import Result
from {{{ cookiecutter.package_name }}}.runtime.run import (
    Run,
    RunDir,
    outcome,
    plan,
    read_plan,
)
from {{{ cookiecutter.package_name }}}.runtime.run.checkpoint import (
    checkpoint,
    undone,
    unfinished,
)

log = logging.getLogger(__name__)

ORCHESTRATOR = "kubeflow"

Returned = TypeVar("Returned", bound=BaseModel)


class Planned(NamedTuple):
    """What the task `plan` passes on. KFP's local runner branches on the name `Output` only."""

    Output: str
    reason: str
    run: dict[str, str]
    periods: list[str]


def plan_job(period: str, window: int, job: str) -> Planned:
    """Plan a run: `planned`, `nothing_new` or `refused`; record it under KFP's id, for `notice`.

    Raises:
        Exception: the source cannot be read; a retry may help.
    """
    from {{{ cookiecutter.package_name }}}.runtime.steps.ingest import ingest

    params, now = load_params(), datetime.now(UTC)
    if window:
        params = params.model_copy(update={"window": window})
    try:
        run = plan.plan_run(params, period or None, now)
    except Exception as error:
        run = outcome.refused_run(period, now)
        known = Job(run=run, outcome="refused", reason=str(error))
        write_json(job_file(params, job), known)
        if not isinstance(error, BadInput):
            raise
        return Planned(known.outcome, known.reason, run.model_dump(), [])
    if done := outcome.completed_result(run):
        known = Job(run=run, outcome="nothing_new", reason=outcome.nothing_new(done).reason)
    else:
        outcome.clear_failure(run)
        known = Job(run=run, outcome="planned")
    write_json(job_file(params, job), known)
    settled = read_plan(run)
    # KFP caches by input: a run whose folder was removed and planned again has another `begun`.
    inputs = run.model_dump() | {"begun": settled.begun.isoformat()}
    new = undone(ingest, run, settled.periods)
    return Planned(known.outcome, known.reason, inputs, new)


def run_step(
    step: Callable[..., Returned], run: dict[str, str], *given: str
) -> tuple[Returned, RunDir]:
    """Return what a step returned and the run's directory. A step that is done is not repeated.

    Raises:
        Exception: the step failed; the run's result says so.
    """
    this = Run.model_validate(run)
    try:
        return checkpoint(step, this, *given), RunDir(this)
    except Exception as error:
        log.error("%s failed: %s", step.__name__, error)  # noqa: TRY400 - KFP prints the traceback
        outcome.write_failed(this, ORCHESTRATOR, error, step.__name__)
        raise


def fill(artifact: Artifact, returned: BaseModel, file: UPath | None = None) -> None:
    """Fill an artifact with a step's file, or with what the step returned, as JSON.

    Data stay in the run directory: KFP would copy them to its store and from there to every task.
    """
    content = file.read_bytes() if file else returned.model_dump_json(indent=2).encode()
    Path(artifact.path).write_bytes(content)
    fields = returned.model_dump(mode="json").items()
    artifact.metadata.update({k: v for k, v in fields if isinstance(v, str | int | float)})


def notice(job: str, period: str, window: int) -> None:
    """Send one alert of how a run ended. A retry of this task sends nothing twice."""
    params = load_params()
    file = job_file(params, job)
    for part in file.parent.glob(f".{file.name}.*.part"):  # of a `plan` that was killed
        part.unlink()
    if not file.exists():
        run = outcome.refused_run(period, datetime.now(UTC))
        reason = "the run was never planned: the log of `plan` says why"
        known = Job(run=run, outcome="refused", reason=reason)
        with suppress(OSError):  # on a full disk, the alert is sent all the same
            write_json(file, known)
    else:
        known = read_json(file, Job)
    run, result = known.run, None
    if known.outcome == "nothing_new":
        log.info("notice: run nothing_new: %s", known.reason)
    else:
        result = result_of(known)
        log.info("notice: run %s %s: %s", run.run_id, result.status, result.reason)
    page, rerun = None, f"make run PERIOD={run.period}" if run.period else "make run"
    if url := os.environ.get("KFP_UI_URL"):  # on a cluster
        page = f"{url.rstrip('/')}/#/runs/details/{job}"
        given = f"period={run.period}" + (f" window={window}" if window else "")
        rerun = f"clone the run on its page, with {given}"
    alert_outcome(run, result, attempt=job, run_url=page, rerun=rerun)
    try:
        write_json(file, known.model_copy(update={"ended": True}))
    except OSError:  # a full disk, from which files can still be removed; a retry would alert again
        file.unlink(missing_ok=True)


def result_of(job: Job) -> Result:
    """Return the result of a run. If its last task left none, that task was killed.

    KFP's own status is not enough: a task that failed may have succeeded in a retry.
    """
    if job.outcome == "refused":
        return outcome.write_failed(job.run, ORCHESTRATOR, RuntimeError(job.reason), "plan")
    result = outcome.load_result(job.run)
    if result and (result.step is None or result.step in unfinished(job.run)):
        return result
    killed = RuntimeError("a task was killed, or ran out of memory, time or disk")
    return outcome.write_failed(job.run, ORCHESTRATOR, killed)
