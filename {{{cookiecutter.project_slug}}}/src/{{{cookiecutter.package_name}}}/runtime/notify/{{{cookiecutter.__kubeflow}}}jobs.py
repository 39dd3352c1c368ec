"""Jobs: what Kubeflow Pipelines runs, a file each, so that one that never ends is noticed."""

import logging
from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel
from upath import UPath

from ..config import Params
from ..files import read_json
from ..run import Run
from .deadlines import alert_overrun

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
    """Return the file of a job; `job` is KFP's own id of it."""
    return UPath(params.runs) / JOBS / f"{job}.json"


def check_jobs(params: Params, minutes: float, at: datetime) -> list[str]:
    """Return which jobs have not ended within `minutes`, and send an alert of each, once."""
    overdue = []
    for file in (UPath(params.runs) / JOBS).glob("*.json"):
        try:
            run = _overdue(file, minutes, at)
        except (OSError, ValueError) as error:  # just removed, or damaged: check the others
            log.warning("deadlines: job %s cannot be read: %s", file.stem, error)
            continue
        if run is not None:
            reason = (
                f"Run {run.run_id} has not ended within {minutes:g} minutes: it takes too long, or "
                "its process no longer exists"
            )
            log.error("deadlines: %s", reason)
            alert_overrun(params, reason, run.period, run_id=run.run_id, attempt=file.stem)
            overdue.append(reason)
    return overdue


def _overdue(file: UPath, minutes: float, at: datetime) -> Run | None:
    """Return the run of a job that should have ended, else None; remove a file that is too old."""
    took = at.timestamp() - file.stat().st_mtime
    if took > FORGOTTEN.total_seconds():
        file.unlink(missing_ok=True)
        return None
    if took <= minutes * 60:
        return None
    job = read_json(file, Job)
    return None if job.ended else job.run
