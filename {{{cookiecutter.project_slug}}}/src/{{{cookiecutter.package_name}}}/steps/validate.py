"""Hold what was ingested against the data contract, and say whether the run may go on."""

import logging
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

import polars as pl
from pydantic import BaseModel

from ..contract import OUTCOME, Finding, find_faults, find_one_sided
from ..plan import FEWEST_MONTHS, read_plan
from ..source import MONTHLY, UNDATED, Source, table_of
from ..workspace import (
    Run,
    Workspace,
    read_json,
    write_json,
)
from .ingest import Manifest

log = logging.getLogger(__name__)

MONTHS_AT_ONCE = 4


class MonthQuality(BaseModel):
    """What was found in a month."""

    rows: int
    cancelled: int
    """Flights with no arrival: in the count, but neither trained on nor scored."""
    findings: list[Finding]


class Quality(BaseModel):
    """The quality report of a run."""

    good: bool
    reason: str
    """What is wrong with them, and the notes."""
    notes: list[str]
    """What a person should know of a run that goes on: months left out, or delivered anew."""
    window: list[str]
    """The months that are fit to train on."""
    months: dict[str, MonthQuality]


def validate(run: Run) -> Quality:
    """Judge the data: the period's month strictly, while a bad month of the window is left out.

    Writes `quality.json`. It is good where the period's month is, and enough good months are left
    to train on.
    """
    workspace, plan = Workspace(run), read_plan(run)
    _, undated = _look_at(workspace, plan.period, UNDATED)  # the same files in all months

    def judge(month: str) -> MonthQuality:
        return _judge(workspace, month, undated, plan.params.late_minutes)

    with ThreadPoolExecutor(MONTHS_AT_ONCE) as pool:
        months = dict(zip(plan.months, pool.map(judge, plan.months), strict=True))
    for month, judged in months.items():
        log.info("validate %s: %d flights, %d cancelled", month, judged.rows, judged.cancelled)
        for finding in judged.findings:
            log.warning("validate %s: %s", month, finding)
    window = [month for month in plan.window if not months[month].findings]
    left_out = [month for month in plan.window if month not in window]
    notes = plan.notes
    if faults := months[plan.period].findings:
        wrong = f"{plan.period} breaks the data contract: {'; '.join(map(str, faults[:3]))}"
        wrong += f"; and {len(faults) - 3} more" * (len(faults) > 3)
    elif len(window) < FEWEST_MONTHS:
        faults = [fault for month in left_out for fault in months[month].findings]
        wrong = (
            f"too few good months are left to train on: {len(window)}, and {FEWEST_MONTHS} are "
            f"needed; left out: {', '.join(left_out)} ({faults[0]})"
        )
    else:
        wrong = ""
        faulty = [f"{month} ({months[month].findings[0]})" for month in left_out]
        notes = [f"left out of training: {', '.join(faulty)}"] * bool(faulty) + notes
    quality = Quality(
        good=not wrong,
        reason="; ".join([wrong] * bool(wrong) + notes) or "no findings",
        notes=notes,
        window=window,
        months=months,
    )
    write_json(workspace.quality, quality)
    log.info("validate: %s, %s", "good" if quality.good else "bad", quality.reason)
    return quality


def fit_months(run: Run) -> list[str]:
    """Return the months of a good run that features are made of: of the window, and the period."""
    return [*read_json(Workspace(run).quality, Quality).window, run.period]


def _judge(
    workspace: Workspace, month: str, undated: list[Finding], late_minutes: int
) -> MonthQuality:
    """Judge a month; `undated` is what was found in the tables that all months share."""
    manifest = read_json(workspace.manifest(month), Manifest)
    unreadable = [
        Finding(table=table_of(name), column=None, message=f"{name} is not readable as Parquet")
        for name, file in manifest.files.items()
        if file.rows is None
    ]
    if unreadable:
        return MonthQuality(rows=0, cancelled=0, findings=unreadable)
    tables, findings = _look_at(workspace, month, MONTHLY)
    flights = tables.get(MONTHLY[0], pl.DataFrame())
    cancelled = flights[OUTCOME].null_count() if OUTCOME in flights.columns else 0
    findings = findings + undated or find_one_sided(flights, late_minutes)
    return MonthQuality(rows=flights.height, cancelled=cancelled, findings=findings)


def _look_at(
    workspace: Workspace, month: str, names: Collection[str]
) -> tuple[dict[str, pl.DataFrame], list[Finding]]:
    """Return tables of a month, and what is wrong with them."""
    try:
        tables = Source(str(workspace.raw)).tables(month, names)
    except pl.exceptions.PolarsError as error:
        differing = Finding(table="files", column=None, message=str(error).splitlines()[0])
        return {}, [differing]
    return tables, find_faults(tables, month, names=names)
