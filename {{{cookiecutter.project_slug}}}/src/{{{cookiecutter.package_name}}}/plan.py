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
from .source import MONTHLY, Source, sha256, table_of
from .workspace import Run, Workspace, locked, read_json, write_json

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
    delivered_anew: dict[str, str] = {}
    """By month that an earlier run used with other content, the id of the newest such run."""
    params: Params
    code_version: str

    @property
    def months(self) -> list[str]:
        """All months the run reads: the window, then the period."""
        return [*self.window, self.period]

    @property
    def notes(self) -> list[str]:
        """What a person should know of the deliveries."""
        absent = [f"not delivered: {', '.join(self.absent)}"] if self.absent else []
        anew = [
            f"{month} was delivered anew since run {run_id} used it"
            for month, run_id in self.delivered_anew.items()
        ]
        return absent + anew


class Used(BaseModel):
    """What an earlier run's plan tells, whatever its parameters were: when it used which files."""

    begun: datetime
    checksums: dict[str, dict[str, str]]


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
        BadInput: the source is missing or lacks the period, the period has not ended, or too few
            months come before it.
        OSError: the source does not answer.
    """
    months = Source(params.source, params.source_timeout).months()
    period = newest_ended(months, at) if asked is None else require(asked, months)
    if not has_ended(period, at):
        raise BadInput(
            f"{period} has not ended yet, and a run judges on a whole month: ask for an earlier "
            "one."
        )
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
    finds its own folder again and goes on there. `folder` is a fixed one in place of
    `<runs>/<run_id>`; the rest it takes, and raises, as `choose_months` does.
    """
    period, window, absent = choose_months(params, asked, at)
    source = Source(params.source, params.source_timeout)
    files = {month: source.files(month) for month in [*window, period]}
    distinct = {str(file): file for named in files.values() for file in named.values()}
    checksum = {address: sha256(source.read(file)) for address, file in distinct.items()}
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
    # When it is done, where things lie, and who is told, does not change what the work is.
    where = {
        *("source", "source_timeout", "runs", "predictions"),
        *("alerts", "deadlines", "experiment"),
    }
    what = plan.model_dump(exclude={"begun": True, "delivered_anew": True, "params": where})
    if folder is not None:  # nor is an experiment the run of the same work
        what["folder"] = folder
    digest = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()
    run_id = f"{period}-{digest[:8]}"
    place = UPath(params.runs) / run_id if folder is None else UPath(folder)
    run = Run(run_id=run_id, period=period, folder=str(place.absolute()))
    workspace = Workspace(run)
    file = workspace.plan
    if folder is not None:  # stages of DVC depend on nothing but what dvc.yaml names
        write_json(file, plan)
    else:
        with locked(workspace.lock("plan"), "plan: waiting for another process"):
            for part in file.parent.glob(f".{file.name}.*.part"):  # of a process that was killed
                part.unlink()
            before = read_json(file, Plan) if file.exists() else None
            if before is not None:  # started again: all is as it was, but the data may have moved
                plan = plan.model_copy(update={"begun": before.begun})
            plan = plan.model_copy(update={"delivered_anew": find_delivered_anew(plan)})
            if plan != before:
                write_json(file, plan)
    for note in plan.notes:
        log.warning("run %s: %s", run.run_id, note)
    log.info("run %s: judge on %s, train on %s", run.run_id, period, ", ".join(window))
    return run


def find_delivered_anew(plan: Plan) -> dict[str, str]:
    """Return the months of which the newest run before had other files, with the id of that run.

    The runs of these months are looked at: one of them judged on a month when it was new. Tables
    without a date are delivered anew as a matter of course, and do not count.
    """
    runs = UPath(plan.params.runs)
    files = [file for month in plan.months for file in runs.glob(f"{month}-*/plan.json")]
    earlier = [(file.parent.name, read_json(file, Used)) for file in files]
    newest: dict[str, tuple[str, dict[str, str]]] = {}
    for run_id, used in sorted(earlier, key=lambda run: run[1].begun):
        if used.begun < plan.begun:
            newest |= {month: (run_id, files) for month, files in used.checksums.items()}
    return {
        month: newest[month][0]
        for month in plan.months
        if month in newest and dated(newest[month][1]) != dated(plan.checksums[month])
    }


def dated(checksums: dict[str, str]) -> dict[str, str]:
    """Return the checksums of the files of monthly tables."""
    return {name: sha256 for name, sha256 in checksums.items() if table_of(name) in MONTHLY}


def read_plan(run: Run) -> Plan:
    """Return what `plan_run` settled for this run."""
    return read_json(Workspace(run).plan, Plan)


@cache
def code_version() -> str:
    """Return a hash of this package's Python files, 12 hex: the same in a checkout and an image.

    The command line is left out: how a run is started does not change what it does.
    """
    digest = hashlib.sha256()
    package = Path(__file__).parent
    for file in sorted(set(package.rglob("*.py")) - {package / "__main__.py"}):
        digest.update(file.relative_to(package).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]
