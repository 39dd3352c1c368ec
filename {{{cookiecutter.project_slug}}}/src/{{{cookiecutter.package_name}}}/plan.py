"""Which run this is: for which period, on which months, under which id."""

import hashlib
import json
import logging
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from pydantic import BaseModel
from upath import UPath

from .errors import BadInput
from .months import has_ended, months_between, parse_month, shift
from .params import Params
from .source import Source, sha256
from .workspace import Run, Workspace, read_json, write_json

log = logging.getLogger(__name__)

FEWEST_MONTHS = 2


class Plan(BaseModel):
    """What a run works on, settled before its first step."""

    begun: datetime
    """When the run was first planned, in UTC."""
    period: str
    """The month to judge on."""
    window: list[str]
    """The months to train on, oldest first; all lie before the period."""
    absent: list[str]
    """Months that belong into the window, but were not delivered."""
    checksums: dict[str, dict[str, str]]
    """By month and file name, the SHA-256 of the file at the source."""
    params: Params
    code_version: str

    @property
    def months(self) -> list[str]:
        """All months the run reads: the window, then the period."""
        return [*self.window, self.period]


def require(month: str, months: list[str]) -> str:
    """Return `month` if it is one of `months`.

    Raises:
        BadInput: it is malformed, or not among them.
    """
    if parse_month(month) not in months:
        raise BadInput(
            f"The source has no {month}: it holds {months[0]} to {months[-1]}; "
            "ask for one of these months, or deliver that one."
        )
    return month


def newest_ended(months: list[str], at: datetime) -> str:
    """Return the newest of `months` that had ended at the time `at`.

    Raises:
        BadInput: none has.
    """
    ended = [month for month in months if has_ended(month, at)]
    if not ended:
        raise BadInput(
            f"No month of the source had ended at {at:%Y-%m-%d}: the first is {months[0]}."
        )
    return ended[-1]


def plan_backfill(params: Params, first: str, last: str) -> list[str]:
    """Return the periods from `first` to `last`, in order.

    Raises:
        BadInput: a month is malformed, the last comes before the first, or one cannot be a period.
    """
    periods = months_between(first, last)
    for period in periods:
        choose_months(params, period, at=datetime.now(UTC))
    return periods


def choose_months(
    params: Params, asked: str | None, at: datetime
) -> tuple[str, list[str], list[str]]:
    """Return the period, the months before it to train on, and those that were not delivered.

    Args:
        params: the parameters.
        asked: the period, or None for the newest month that had ended at the time `at`.
        at: the time the run was scheduled for, with a time zone.

    Raises:
        BadInput: the source is missing or lacks the period, or too few months come before it.
        OSError: the source does not answer.
    """
    months = Source(params.source).months()
    period = newest_ended(months, at) if asked is None else require(asked, months)
    before = [shift(period, -back) for back in range(params.window, 0, -1)]
    window = [month for month in before if month in months]
    if len(window) < FEWEST_MONTHS:
        raise BadInput(
            f"Too few months come before {period} to train on: the source has {len(window)} of the "
            f"{params.window} before it, and {FEWEST_MONTHS} are needed; ask for a later period."
        )
    return period, window, [month for month in before if month not in months]


def plan_run(params: Params, asked: str | None, at: datetime, folder: str | None = None) -> Run:
    """Settle what a run works on and write it to the run's folder.

    The id is a hash of the source's checksums, the parameters and the code, so the same work
    finds its own folder again and goes on there. Takes and raises what `choose_months` does.

    Args:
        folder: a fixed one in place of `<runs>/<run_id>`.
    """
    period, window, absent = choose_months(params, asked, at)
    source = Source(params.source)
    files = {month: source.files(month) for month in [*window, period]}
    distinct = {str(file): file for named in files.values() for file in named.values()}
    checksum = {address: sha256(file.read_bytes()) for address, file in distinct.items()}
    plan = Plan(
        begun=datetime.now(UTC),
        period=period,
        window=window,
        absent=absent,
        checksums={
            month: {name: checksum[str(file)] for name, file in named.items()}
            for month, named in files.items()
        },
        params=params,
        code_version=code_version(),
    )
    # When it is done, and where data and results lie, does not change what the work is.
    where = {"source", "runs", "predictions", "experiment"}
    what = plan.model_dump(exclude={"begun": True, "params": where})
    digest = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()
    run_id = f"{period}-{digest[:8]}"
    place = UPath(params.runs) / run_id if folder is None else UPath(folder)
    run = Run(run_id=run_id, period=period, folder=str(place.absolute()))
    if (file := Workspace(run).plan).exists():
        # Started again: all is as it was, but the data may have moved.
        plan = plan.model_copy(update={"begun": read_plan(run).begun})
    write_json(file, plan)
    if absent:
        log.warning("run %s: not delivered, and left out: %s", run.run_id, ", ".join(absent))
    log.info("run %s: judge on %s, train on %s", run.run_id, period, ", ".join(window))
    return run


def read_plan(run: Run) -> Plan:
    """Return what `plan_run` settled for this run."""
    return read_json(Workspace(run).plan, Plan)


@cache
def code_version() -> str:
    """Return a hash of this package's Python files, 12 hex: the same in a checkout and an image."""
    digest = hashlib.sha256()
    package = Path(__file__).parent
    for file in sorted(package.rglob("*.py")):
        digest.update(file.relative_to(package).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]
