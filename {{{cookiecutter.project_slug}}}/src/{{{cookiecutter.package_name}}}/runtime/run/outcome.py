"""How runs ended: their results read, written, and listed."""

import logging
from dataclasses import dataclass
from datetime import datetime

from upath import UPath

from ..config import Params, load_params
from ..errors import BadInput, one_line, redact
from ..files import read_json, write_json
from ..results import Planned, Result
from ..wording import status_text
from .checkpoint import retries, seconds, unfinished
from .run_dir import Run, RunDir

log = logging.getLogger(__name__)


def load_result(run: Run) -> Result | None:
    """Return the result of a run, also of one that failed; None where it has none (yet)."""
    file = RunDir(run).result
    return read_json(file, Result) if file.exists() else None


def completed_result(run: Run) -> Result | None:
    """Return the result of a run that is done; None of one that failed, which can be resumed."""
    result = load_result(run)
    return None if result is None or result.status == "failed" else result


def clear_failure(run: Run) -> None:
    """Remove the result of an earlier try that failed: another one starts."""
    if completed_result(run) is None:
        RunDir(run).result.unlink(missing_ok=True)


def nothing_new(done: Result) -> Result:
    """Return the outcome of a scheduled run that finds its period done already."""
    reason = f"{done.period} is done: run {done.run_id} ended as {status_text(done.status)}"
    return done.model_copy(update={"status": "nothing_new", "reason": reason})


def refused_run(asked: str | None, at: datetime) -> Run:
    """Return the run that stands for one, due at `at`, that was refused before it had a plan."""
    try:
        params = load_params()
    except BadInput:  # perhaps why it was refused
        params = Params.model_construct()  # type: ignore[call-arg]
    run_id = f"refused-{at:%Y%m%dT%H%M%S}"
    folder = str((UPath(params.runs) / run_id).absolute())
    return Run(run_id=run_id, period=asked or "", folder=folder)


def write_failed(
    run: Run, orchestrator: str, error: BaseException, step: str | None = None
) -> Result:
    """Return the result of a run that failed with `error`; write it where that is still possible.

    A run that completed keeps its result, whatever failed afterwards. The step is by default the
    first that was started and is not done.
    """
    if done := completed_result(run):
        return done
    result = Result(
        run_id=run.run_id,
        period=run.period,
        status="failed",
        reason=redact(one_line(error)),
        step=step or next(iter(unfinished(run)), None),
        orchestrator=orchestrator,
        seconds=seconds(run),
        retries=retries(run),
    )
    try:
        write_json(RunDir(run).result, result)
    except OSError as unwritten:  # the disk may be full: what failed first is what matters
        log.warning("run %s: its result cannot be written: %s", run.run_id, unwritten)
    return result


def read_planned(file: UPath) -> Planned | None:
    """Return the plan of some run; None, with a warning, where its file cannot be read."""
    try:
        return read_json(file, Planned)
    except (OSError, ValueError) as error:
        log.warning("%s cannot be read, and is passed over: %s", file, one_line(error))
        return None


@dataclass(frozen=True)
class PastRun:
    """A run that was planned."""

    run_id: str
    period: str
    result: Result | None
    """None where it has none (yet)."""


def history(runs: str, newest: int | None = None) -> list[PastRun]:
    """Return all runs below the folder `runs`, or the `newest`, as they were last planned."""
    found = []
    plans = sorted(UPath(runs).glob("*/plan.json"), key=lambda plan: plan.stat().st_mtime)
    for file in plans[-newest:] if newest else plans:
        if (plan := read_planned(file)) is None:
            continue
        run = Run(run_id=file.parent.name, period=plan.period, folder=str(file.parent))
        found.append(PastRun(run.run_id, run.period, load_result(run)))
    return found
