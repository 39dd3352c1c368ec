"""Notice what should have happened and did not: no run, no alert of a run.

Something that goes on when the pipeline does not has to look, now and then: see the orchestrator's
file for what that is here.
"""

import logging
from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel
from upath import UPath

from .alerts import notify
from .events import Event
from .months import month_before
from .params import Params
from .results import history
from .workspace import Run, read_json

log = logging.getLogger(__name__)

JOBS = ".jobs"
"""The folder, beside the runs', of what is said of jobs on their way."""
FORGOTTEN = timedelta(days=7)
"""After so long, what is known of a job is removed."""


class Job(BaseModel):
    """What `plan` says of a run on its way, for those that come at its end, or miss it."""

    run: Run
    outcome: Literal["planned", "nothing_new", "refused"]
    reason: str = ""
    ended: bool = False
    """Whether it is known how the run ended; that may be said again, where saying so failed."""


def job_file(params: Params, job: str) -> UPath:
    """Return the file that tells of a job from its plan on.

    Args:
        params: the parameters.
        job: the orchestrator's own id of this try.
    """
    return UPath(params.runs) / JOBS / f"{job}.json"


def check(params: Params, at: datetime, rerun: str) -> str | None:
    """Return what is wrong where a month has no champion in time, and send an alert of it, once.

    Args:
        params: the parameters; `deadlines.champion_days` is how many days after its end a month
            must have a champion that was released or kept for it.
        at: now, with a time zone.
        rerun: the command that runs a month, which stands in it as `{period}`.

    Raises:
        Exception: it cannot be seen, as when the tracker is down; that is said, too.
    """
    days = params.deadlines.champion_days
    if days is None:
        log.info("deadlines: none is set, see `deadlines` in params.yaml")
        return None
    period = month_before(at - timedelta(days=days))
    told = {"kind": "deadline_missed", "period": period, "rerun": rerun.replace("{period}", period)}
    runs = UPath(params.runs)
    try:
        wrong = _missing(params, period)
    except Exception as error:
        title, day = f"nobody knows whether {period} has its champion", f"{at:%Y-%m-%d}"
        unknown = {"title": title, "reason": str(error), "attempt": day}
        notify(Event.model_validate(told | unknown), runs)
        raise
    if wrong is None:
        log.info("deadlines: %s has its champion", period)
        return None
    reason = f"No champion was released or kept for {period} within {days} days of its end: {wrong}"
    log.error("deadlines: %s", reason)
    title = f"{period} has no champion in time"
    notify(Event.model_validate(told | {"title": title, "reason": reason}), runs)
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
                "it vanished, with nothing left that could say so"
            )
            log.error("deadlines: %s", reason)
            event = Event(
                kind="deadline_missed",
                title=f"{run.period or 'a run'} has not ended in time",
                reason=reason,
                period=run.period,
                run_id=run.run_id,
                attempt=file.stem,
            )
            notify(event, UPath(params.runs))
            overdue.append(reason)
    return overdue


def _missing(params: Params, period: str) -> str | None:
    """Return why a period has no champion, None where it has one."""
    runs = {run: r for run, r in history(params.runs).items() if run.startswith(f"{period}-")}
    statuses = {result.status for result in runs.values() if result is not None}
    if statuses & {"released", "kept_champion"}:
        return None
    if not runs:  # the folder may have been cleared
        from . import tracking

        champion = tracking.champion(params.model_name)
        if champion is not None and champion.period >= period:
            return None
        return "no run began"
    run_id, result = list(runs.items())[-1]
    if result is None:
        return f"run {run_id} has not ended"
    return f"run {run_id} ended as {result.status}: {result.reason}"
