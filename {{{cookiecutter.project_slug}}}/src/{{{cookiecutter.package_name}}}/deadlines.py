"""Notice what should have happened and did not: no run, no alert of a run.

Something that goes on when the pipeline does not has to look, now and then: see the orchestrator's
file for what that is here.
"""

import logging
from datetime import datetime, timedelta

from upath import UPath

from . import tracking
from .alerts import notify
from .events import Event
from .months import month_before
from .params import Params
from .results import history

log = logging.getLogger(__name__)


def check(params: Params, at: datetime) -> str | None:
    """Return what is wrong where a month has no champion in time, and send an alert of it, once.

    Args:
        params: the parameters; `deadlines.champion_days` is how many days after its end a month
            must have a champion that was released or kept for it.
        at: now, with a time zone.
    """
    days = params.deadlines.champion_days
    if days is None:
        log.info("deadlines: none is set, see `deadlines` in params.yaml")
        return None
    period = month_before(at - timedelta(days=days))
    wrong = _missing(params, period)
    if wrong is None:
        log.info("deadlines: %s has its champion", period)
        return None
    reason = f"No champion was released or kept for {period} within {days} days of its end: {wrong}"
    log.error("deadlines: %s", reason)
    event = Event(
        kind="deadline_missed",
        title=f"{period} has no champion in time",
        reason=reason,
        period=period,
        rerun=f"make run PERIOD={period}",
    )
    notify(event, UPath(params.runs))
    return reason


def _missing(params: Params, period: str) -> str | None:
    """Return why a period has no champion, None where it has one."""
    runs = {run: r for run, r in history(params.runs).items() if run.startswith(f"{period}-")}
    statuses = {result.status for result in runs.values() if result is not None}
    if statuses & {"released", "kept_champion"}:
        return None
    if not runs:  # the folder may have been cleared
        champion = tracking.champion(params.model_name)
        if champion is not None and champion.period >= period:
            return None
        return "no run began"
    run_id, result = list(runs.items())[-1]
    if result is None:
        return f"run {run_id} has not ended"
    return f"run {run_id} ended as {result.status}: {result.reason}"
