"""What came of a run: `runs/<run_id>/result.json`, the same under every orchestrator."""

import logging
from datetime import datetime
from typing import Literal

from pydantic import BaseModel
from upath import UPath

from .errors import in_a_line, without_passwords
from .once import retries, seconds, unfinished
from .params import Params
from .workspace import Run, Workspace, read_json, write_json

log = logging.getLogger(__name__)

Status = Literal["released", "kept_champion", "quarantined", "nothing_new", "failed"]


class Champion(BaseModel):
    """A released version of the model."""

    version: str
    run_id: str
    """The run that trained it."""
    period: str
    """The month it was judged on."""
    metrics: dict[str, float]
    """As judged on that month, before its release."""


class Result(BaseModel):
    """The outcome of a run, for machines."""

    schema_version: Literal[1] = 1
    run_id: str
    period: str
    status: Status
    reason: str
    step: str | None = None
    """The step that a failed run failed at."""
    orchestrator: str
    rows: dict[str, int] = {}
    """Rows ingested, cancelled, trained on and scored."""
    metrics: dict[str, float] = {}
    """The challenger's, on the period."""
    champion_before: Champion | None = None
    champion_after: Champion | None = None
    data_version: str | None = None
    code_version: str | None = None
    tracker_url: str | None = None
    seconds: dict[str, float] = {}
    """By step, the months of a step added up; `all` is from the first plan to the end."""
    retries: dict[str, int] = {}
    """By step, how often it was tried again; those that never were are left out."""


def left(run: Run) -> Result | None:
    """Return the result that a run left, also where it failed; None where it has none (yet)."""
    file = Workspace(run).result
    return read_json(file, Result) if file.exists() else None


def finished(run: Run) -> Result | None:
    """Return the result of a run that came to an end, else None: a failed one may go on."""
    result = left(run)
    return None if result is None or result.status == "failed" else result


def forget_failure(run: Run) -> None:
    """Remove the result of an earlier try that failed: another one begins."""
    if finished(run) is None:
        Workspace(run).result.unlink(missing_ok=True)


def result_of(run: Run) -> Result:
    """Return the result of a run that ended.

    Raises:
        RuntimeError: it failed.
    """
    result = left(run)
    if result is None:
        raise RuntimeError(f"run {run.run_id} ended without a result")
    if result.status == "failed":
        raise RuntimeError(result.reason)
    return result


def nothing_new(done: Result) -> Result:
    """Return the outcome of a scheduled run that finds its period already done."""
    reason = f"{done.period} is done: run {done.run_id} ended as {done.status}"
    return done.model_copy(update={"status": "nothing_new", "reason": reason})


def refused(params: Params, asked: str | None, at: datetime) -> Run:
    """Name a run that was refused before it could be planned, so that it has a result all the same.

    Args:
        params: the parameters.
        asked: the period, if one was asked for.
        at: the time the run was due.
    """
    run_id = f"refused-{at:%Y%m%dT%H%M%S}"
    folder = str((UPath(params.runs) / run_id).absolute())
    return Run(run_id=run_id, period=asked or "", folder=folder)


def write_failed(
    run: Run, orchestrator: str, error: BaseException, step: str | None = None
) -> Result:
    """Return the result of a run that fails with `error`, written where that can still be done.

    A run that came to an end stays as it ended, whatever failed afterwards.

    Args:
        run: the run.
        orchestrator: the name of what ran it.
        error: why it failed.
        step: where, if that is known; else it is the first step that was begun and not finished.
    """
    if done := finished(run):
        return done
    result = Result(
        run_id=run.run_id,
        period=run.period,
        status="failed",
        reason=without_passwords(in_a_line(error)),
        step=step or next(iter(unfinished(run)), None),
        orchestrator=orchestrator,
        seconds=seconds(run),
        retries=retries(run),
    )
    try:
        write_json(Workspace(run).result, result)
    except OSError as unwritten:  # the disk may be full: what failed first is what matters
        log.warning("run %s: no result is written: %s", run.run_id, unwritten)
    return result


def history(root: str) -> dict[str, Result | None]:
    """Return the results of all runs below `root` by run id; None where a run has none (yet)."""
    runs = sorted(UPath(root).glob("*/plan.json"), key=lambda plan: plan.stat().st_mtime)
    files = {plan.parent.name: plan.with_name("result.json") for plan in runs}
    return {
        run_id: read_json(file, Result) if file.exists() else None for run_id, file in files.items()
    }
