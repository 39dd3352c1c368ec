"""Deadlines: notice what should have happened and did not. A run that never started sends no alert.

Something outside the pipeline has to check, now and then; the orchestrator's files say what does.
"""

import logging
from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel
from upath import UPath

from ..config import Params
from ..files import read_json
from ..periods import period_before
from ..run import Run
from ..run.outcome import history
from .alerts import notify
from .events import Event

log = logging.getLogger(__name__)

JOBS = ".jobs"
"""The folder, beside the run directories, with a file for each job that is running."""
FORGOTTEN = timedelta(days=7)
"""After so long, the file of a job is removed."""


class Job(BaseModel):
    """What `plan` records of a job, for the task at its end and for `check_jobs`."""

    run: Run
    outcome: Literal["planned", "nothing_new", "refused"]
    reason: str = ""
    ended: bool = False
    """Whether the alert of its outcome was sent, or none was needed."""


def job_file(params: Params, job: str) -> UPath:
    """Return the file of a job.

    Args:
        params: the parameters.
        job: the orchestrator's own id of this try.
    """
    return UPath(params.runs) / JOBS / f"{job}.json"


def check(params: Params, at: datetime, rerun: str) -> str | None:
    """Check that the last period's model was released on time; send an alert, once, if not.

    Args:
        params: the parameters; `deadlines.champion_days` is how many days after its end a period
            must have a model that was released or kept for it.
        at: now, with a time zone.
        rerun: the command that runs a period, with `{period}` in the period's place.

    Returns:
        What is wrong, None where nothing is.

    Raises:
        Exception: it cannot be checked, as when the tracker is down; an alert is sent of that, too.
    """
    days = params.deadlines.champion_days
    if days is None:
        log.info("deadlines: none is set, see `deadlines` in params.yaml")
        return None
    period = period_before(at - timedelta(days=days))
    rerun = rerun.replace("{period}", period)
    runs = UPath(params.runs)
    try:
        wrong = _missing(params, period)
    except Exception as error:
        unknown = Event(
            kind="deadline_missed",
            title=f"whether {period} has its champion is unknown",
            reason=str(error),
            period=period,
            rerun=rerun,
            attempt=f"{at:%Y-%m-%d}",
        )
        notify(unknown, runs)
        raise
    if wrong is None:
        log.info("deadlines: %s has its champion", period)
        return None
    reason = f"No champion was released or kept for {period} within {days} days of its end: {wrong}"
    log.error("deadlines: %s", reason)
    missed = Event(
        kind="deadline_missed",
        title=f"{period} has no champion in time",
        reason=reason,
        period=period,
        rerun=rerun,
    )
    notify(missed, runs)
    return reason


def check_jobs(params: Params, minutes: float, at: datetime) -> list[str]:
    """Return which jobs have not ended in time, and send an alert of each, once.

    Args:
        params: the parameters.
        minutes: how long a job may take.
        at: now, with a time zone.
    """
    overdue = []
    for file in (UPath(params.runs) / JOBS).glob("*.json"):
        took = at.timestamp() - file.stat().st_mtime
        if took > FORGOTTEN.total_seconds():
            file.unlink(missing_ok=True)
        elif took > minutes * 60 and not (job := read_json(file, Job)).ended:
            run = job.run
            reason = (
                f"Run {run.run_id} has not ended within {minutes:g} minutes: it takes too long, or "
                "its process no longer exists"
            )
            log.error("deadlines: %s", reason)
            alert_overrun(params, reason, run.period, run_id=run.run_id, attempt=file.stem)
            overdue.append(reason)
    return overdue


def alert_overrun(params: Params, reason: str, period: str, **more: str) -> None:
    """Send the alert that a run has not ended in time, once.

    Args:
        params: the parameters.
        reason: which run, and since when it should have ended.
        period: the period that was asked for; empty if none was.
        more: further fields of the event.
    """
    title = f"{period or 'a run'} has not ended in time"
    event = Event(kind="deadline_missed", title=title, reason=reason, period=period, **more)
    notify(event, UPath(params.runs))


def _missing(params: Params, period: str) -> str | None:
    """Return why a period has no champion, None where it has one."""
    runs = [run for run in history(params.runs) if run.period == period]
    statuses = {run.result.status for run in runs if run.result is not None}
    if statuses & {"released", "kept_champion"}:
        return None
    if not runs:  # the folder may have been cleared
        from ..registry import registry

        champion = registry.champion(params.model_name)
        if champion is not None and champion.period >= period:
            return None
        return "no run started"
    last = runs[-1]
    if last.result is None:
        return f"run {last.run_id} has not ended"
    return f"run {last.run_id} ended as {last.result.status}: {last.result.reason}"
