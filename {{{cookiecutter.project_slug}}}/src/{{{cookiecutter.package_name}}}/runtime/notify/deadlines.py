"""Deadlines: notice what should have happened and did not. A run that never started sends no alert.

Something outside the pipeline has to check, now and then; the orchestrator's files say what does.
"""

import logging
from datetime import datetime, timedelta

from upath import UPath

from .. import room
from ..config import Params
from ..periods import begins_later, period_before
from ..run.outcome import history
from .alerts import notify
from .events import Event

log = logging.getLogger(__name__)


def check(params: Params, at: datetime, rerun: str) -> str | None:
    """Return what is wrong if the last period's model was not released on time, and send an alert.

    `deadlines.champion_days` is how many days after its end a period must have a model that was
    released or kept for it. The alert is sent once.

    Args:
        params: the parameters.
        at: now, with a time zone.
        rerun: the command that runs a period, with `{period}` in the period's place.

    Raises:
        Exception: it cannot be checked, as when the tracker is down; an alert is sent of that, too.
    """
    days = params.deadlines.champion_days
    if days is None:
        log.info("deadlines: none is set, see `deadlines` in params.yaml")
        return None
    period = period_before(at - timedelta(days=days), room.tables().TIME_ZONE)

    def alert(title: str, reason: str, attempt: str = "") -> None:
        event = Event(
            kind="deadline_missed",
            title=title,
            reason=reason,
            period=period,
            rerun=rerun.replace("{period}", period),
            attempt=attempt,
        )
        notify(event, UPath(params.runs))

    try:
        wrong = _missing(params, period)
    except Exception as error:
        alert(f"whether {period} has its champion is unknown", str(error), f"{at:%Y-%m-%d}")
        raise
    if wrong is None:
        log.info("deadlines: %s has its champion", period)
        return None
    reason = f"No champion was released or kept for {period} within {days} days of its end: {wrong}"
    log.error("deadlines: %s", reason)
    alert(f"{period} has no champion in time", reason)
    return reason


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
        if champion is not None and not begins_later(period, champion.period):
            return None
        return "no run started"
    last = runs[-1]
    if last.result is None:
        return f"run {last.run_id} has not ended"
    return f"run {last.run_id} ended as {last.result.status}: {last.result.reason}"
