"""`make run` and `make backfill`, under an orchestrator whose own runs return no `Result`."""

from collections.abc import Callable
from datetime import UTC, datetime

from ..config import load_params
from ..results import Result
from .outcome import completed_result, load_result, nothing_new
from .plan import plan_backfill, plan_run
from .run_dir import Run


def run_period(period: str | None, execute: Callable[[Run], None]) -> Result:
    """Return the result of a run for a period, by default the newest that has ended.

    Args:
        period: such as 2013-06. If its work is done, the stored result is returned.
        execute: runs the graph for a run that was planned.

    Raises:
        BadInput: there can be no run for the period.
        RuntimeError: the run failed.
    """
    run = plan_run(load_params(), period, datetime.now(UTC))
    if done := completed_result(run):
        return done if period else nothing_new(done)
    execute(run)
    return require_result(run)


def require_result(run: Run) -> Result:
    """Return the result of a run that ended; raise `RuntimeError` where it failed or left none."""
    result = load_result(run)
    if result is None:
        raise RuntimeError(f"run {run.run_id} ended without a result")
    if result.status == "failed":
        raise RuntimeError(result.reason)
    return result


def run_periods(first: str, last: str, execute: Callable[[Run], None]) -> list[Result]:
    """Return the results of the runs for `first` to `last`, in order, as `run_period` does."""
    return [run_period(period, execute) for period in plan_backfill(load_params(), first, last)]
