"""Which run this is: for which period, on which data, under which id."""

import hashlib
import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from upath import UPath

from .. import room
from ..config import Params
from ..errors import BadInput
from ..files import locked, read_json, write_json
from ..periods import (
    FEWEST_PERIODS,
    has_ended,
    in_words,
    parse_period,
    periods_between,
    shift,
)
from ..results import Plan
from ..source.address import source_of
from ..source.content import ROWS
from ..source.kinds import Kind, table_of
from . import cache
from .checksums import checksums
from .identity import code_version
from .outcome import completed_result, load_result, read_planned
from .run_dir import Run, RunDir

log = logging.getLogger(__name__)

# The parameters that decide a result. Where files lie and who is alerted do not change the work.
_DECIDING = {"model_name", "seed", "window", "features", "train", "evaluate"}

Checksums = dict[str, dict[str, str]]


def require(period: str, periods: list[str]) -> str:
    """Return `period` if it is one of `periods`, else raise `BadInput`."""
    if parse_period(period) not in periods:
        raise BadInput(
            f"The source has no {period}: it holds {periods[0]} to {periods[-1]}; "
            "ask for one of these, or deliver that one."
        )
    return period


def plan_backfill(params: Params, first: str, last: str) -> list[str]:
    """Return the periods from `first` to `last`, in order.

    Raises:
        BadInput: the range is malformed, or there can be no run for one of its periods.
    """
    periods, delivered = periods_between(first, last), source_of(params).periods()
    for period in periods:
        choose_periods(params, delivered, period, at=datetime.now(UTC))
    return periods


def choose_periods(
    params: Params, periods: list[str], asked: str | None, at: datetime
) -> tuple[str, list[str], list[str]]:
    """Return the period, the periods before it to train on, and those that were not delivered.

    The period is the one of `periods` asked for, or the newest that had ended at the time `at`.

    Raises:
        BadInput: the period was not delivered, it has not ended, or too few come before it.
    """
    zone = room.tables().TIME_ZONE
    ended = [period for period in periods if has_ended(period, at, zone)]
    if asked is None and not ended:
        raise BadInput(
            f"No period of the source had ended at {at:%Y-%m-%d}: the first is {periods[0]}."
        )
    period = ended[-1] if asked is None else require(asked, periods)
    if period not in ended:
        raise BadInput(
            f"{period} has not ended yet, and a run evaluates on a whole period: ask for an "
            "earlier one."
        )
    before = [shift(period, -back) for back in range(params.window, 0, -1)]
    window = [earlier for earlier in before if earlier in periods]
    if len(window) < FEWEST_PERIODS:
        raise BadInput(
            f"Too few periods come before {period} to train on: the source has {len(window)} of "
            f"the {params.window} before it, and {FEWEST_PERIODS} are needed; ask for a later one."
        )
    return period, window, [earlier for earlier in before if earlier not in periods]


def plan_run(params: Params, asked: str | None, at: datetime) -> Run:
    """Settle what a run works on, and write it to the run directory.

    The id is a hash of the source's checksums, the parameters and the code. So the same work finds
    its own directory again, and is resumed there. For arguments and errors see `choose_periods`
    and `Kind.periods`.
    """
    source = source_of(params)
    plan = draft(params, source, asked, at, partial(checksums, source, UPath(params.runs)))
    plan = plan.model_copy(update={"prepared": cache.names_of(plan, plan.periods)})
    run = identify(plan, UPath(params.runs))
    plan = _record(plan, RunDir(run))
    if completed_result(run) is None:
        cache.take(run, plan)
    for note in plan.notes:
        log.warning("run %s: %s", run.run_id, note)
    log.info("run %s: evaluate on %s, train on %s", run.run_id, plan.period, in_words(plan.window))
    return run


def draft(
    params: Params,
    source: Kind,
    asked: str | None,
    at: datetime,
    checksums_of: Callable[[list[str]], Checksums],
) -> Plan:
    """Return the plan of a run that starts now; `checksums_of` returns those of periods."""
    room.check_room()
    period, window, absent = choose_periods(params, source.periods(), asked, at)
    return Plan(
        begun=datetime.now(UTC),
        period=period,
        window=window,
        absent=absent,
        checksums=checksums_of([*window, period]),
        params=params,
        code_version=code_version(),
    )


def identify(plan: Plan, runs: UPath, name: str | None = None) -> Run:
    """Return the run of a plan; a `name` of its directory other than the id counts for the id."""
    what = plan.model_dump(exclude={"begun", "redelivered", "params", "prepared"})
    what["params"] = plan.params.model_dump(include=_DECIDING)
    if name:
        what["folder"] = name
    digest = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()
    run_id = f"{plan.period}-{digest[:8]}"
    folder = (runs / (name or run_id)).absolute()
    return Run(run_id=run_id, period=plan.period, folder=str(folder))


def _record(plan: Plan, run_dir: RunDir) -> Plan:
    """Write a plan to its run directory unless it has one; return the stored plan."""
    file = run_dir.plan
    with locked(run_dir.lock("plan"), "plan: waiting for another process"):
        for part in file.parent.glob(f".{file.name}.*.part"):  # of a process that was killed
            part.unlink()
        before = read_json(file, Plan) if file.exists() else None
        if before is not None:  # resumed: all is as it was, but the data may have moved
            plan = plan.model_copy(update={"begun": before.begun})
        plan = plan.model_copy(update={"redelivered": find_redelivered(plan)})
        if plan != before:
            write_json(file, plan)
    return plan


def find_redelivered(plan: Plan) -> dict[str, str]:
    """Return the periods of which the newest run before had other files, with that run's id.

    The runs for these periods are looked at: one of them evaluated on a period when it was new.
    One that was quarantined used no data.
    """
    runs = UPath(plan.params.runs)
    found = [file for period in plan.periods for file in runs.glob(f"{period}-*/plan.json")]
    read = [(file.parent.name, read_planned(file)) for file in found]
    earlier = [(run_id, planned) for run_id, planned in read if planned is not None]
    newest: dict[str, tuple[str, dict[str, str]]] = {}
    for run_id, planned in sorted(earlier, key=lambda run: run[1].begun):
        if planned.begun < plan.begun and not _quarantined(runs, run_id):
            newest |= {period: (run_id, named) for period, named in planned.checksums.items()}
    return {
        period: newest[period][0]
        for period in plan.periods
        if period in newest and _differ(newest[period][1], plan.checksums[period])
    }


def _quarantined(runs: UPath, run_id: str) -> bool:
    """Return whether a run ended with bad data."""
    result = load_result(Run(run_id=run_id, period="", folder=str(runs / run_id)))
    return result is not None and result.status == "quarantined"


def _differ(before: dict[str, str], now: dict[str, str]) -> bool:
    """Return whether a table has other content, by the checksums of its parts.

    Tables without a date are delivered again every time, and do not count. Nor does a table that is
    known by its rows in one of both, and by its files in the other: its content may be the same.
    """

    def of(table: str, checksums: dict[str, str]) -> dict[str, str]:
        return {name: each for name, each in checksums.items() if table_of(name) == table}

    pairs = [(of(table, before), of(table, now)) for table in room.tables().DATED]
    return any(
        old != new and len({each.startswith(ROWS) for each in [*old.values(), *new.values()]}) == 1
        for old, new in pairs
    )


def read_plan(run: Run) -> Plan:
    """Return what was settled for a run."""
    return read_json(RunDir(run).plan, Plan)
