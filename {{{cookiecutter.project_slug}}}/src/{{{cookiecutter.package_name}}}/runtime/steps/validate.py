"""Check what was ingested against the schemas, and decide whether the run continues."""

import logging
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

import polars as pl

from .. import room
from ..files import read_json, write_json
from ..periods import FEWEST_PERIODS
from ..results import Finding, Manifest, PeriodQuality, Plan, Quality
from ..run import Run, RunDir, cache, read_plan
from ..source.contract import find_faults
from ..source.kinds import table_of
from ..source.reader import Source

log = logging.getLogger(__name__)

PERIODS_AT_ONCE = 4
FINDINGS_SHOWN = 3


def validate(run: Run) -> Quality:
    """Check the data: the run's own period strictly; a bad period of the window is left out.

    The data are good where the run's period is, and enough good periods are left to train on.

    Writes `checks/<period>.json` and `quality.json`.
    """
    run_dir, plan = RunDir(run), read_plan(run)
    tables = room.tables()
    undated = [name for name in tables.TABLES if name not in tables.DATED]
    _, shared = _check(run_dir, plan.period, undated)  # the same files in all periods

    def check(period: str) -> PeriodQuality:
        if cache.is_prepared(run, period):  # by an earlier run
            return read_json(run_dir.check(period), PeriodQuality)
        found = _check_period(run_dir, plan, period, shared)
        write_json(run_dir.check(period), found)
        log.info("validate %s: %d rows, %d unlabelled", period, found.rows, found.unlabelled)
        for finding in found.findings:
            log.warning("validate %s: %s", period, finding)
        return found

    with ThreadPoolExecutor(PERIODS_AT_ONCE) as pool:
        periods = dict(zip(plan.periods, pool.map(check, plan.periods), strict=True))
    quality = assess(plan, periods)
    write_json(run_dir.quality, quality)
    log.info("validate: %s, %s", "good" if quality.good else "bad", quality.reason)
    return quality


def assess(plan: Plan, periods: dict[str, PeriodQuality]) -> Quality:
    """Return the quality report of a run, from what was found in each of its periods."""
    window = [period for period in plan.window if not periods[period].findings]
    left_out = [period for period in plan.window if period not in window]
    wrong, notes = "", plan.notes
    if faults := periods[plan.period].findings:
        shown = "; ".join(map(str, faults[:FINDINGS_SHOWN]))
        more = len(faults) - FINDINGS_SHOWN
        wrong = f"{plan.period} breaks the data contract: {shown}"
        wrong += f"; and {more} more" if more > 0 else ""
    elif len(window) < FEWEST_PERIODS:
        faults = [fault for period in left_out for fault in periods[period].findings]
        wrong = (
            f"too few good periods are left to train on: {len(window)}, and {FEWEST_PERIODS} are "
            f"needed; left out: {', '.join(left_out)} ({faults[0]})"
        )
    elif left_out:
        faulty = [f"{period} ({periods[period].findings[0]})" for period in left_out]
        notes = [f"left out of training: {', '.join(faulty)}", *notes]
    return Quality(
        good=not wrong,
        reason="; ".join([wrong, *notes] if wrong else notes) or "no findings",
        notes=notes,
        window=window,
        periods=periods,
    )


def good_periods(run: Run) -> list[str]:
    """Return the periods of a good run that features are made of: of the window, and its own."""
    return [*read_json(RunDir(run).quality, Quality).window, run.period]


def _check_period(run_dir: RunDir, plan: Plan, period: str, shared: list[Finding]) -> PeriodQuality:
    """Check a period; `shared` is what was found in the tables that all periods share."""
    names = room.tables()
    tables, findings = _check(run_dir, period, names.DATED)
    rows = tables.get(names.MAIN, pl.DataFrame())
    known = names.OUTCOME in rows.columns
    unlabelled = rows[names.OUTCOME].null_count() if known else 0
    findings = findings + shared or _check_labels(plan, rows)
    return PeriodQuality(rows=rows.height, unlabelled=unlabelled, findings=findings)


def _check_labels(plan: Plan, rows: pl.DataFrame) -> list[Finding]:
    """Return what is wrong with the labels of a period that has no other faults."""
    tables, features, params = room.tables(), room.features(), plan.params.features
    labels = rows.select(features.label(params)).to_series()
    wrong = features.check_labels(labels, params)
    if wrong is None:
        return []
    return [Finding(table=tables.MAIN, column=tables.OUTCOME, message=wrong)]


def _check(
    run_dir: RunDir, period: str, names: Collection[str]
) -> tuple[dict[str, pl.DataFrame], list[Finding]]:
    """Return tables of a period, and what is wrong with them; none where a file is not readable."""
    manifest = read_json(run_dir.manifest(period), Manifest)
    unreadable = [
        Finding(table=table_of(name), column=None, message=file.fault or f"{name} is damaged")
        for name, file in manifest.files.items()
        if file.rows is None and table_of(name) in names
    ]
    if unreadable:
        return {}, unreadable
    try:
        tables = Source(str(run_dir.raw), examined=True).tables(period, names)
    except pl.exceptions.PolarsError as error:
        return {}, [Finding(table="files", column=None, message=str(error).splitlines()[0])]
    try:
        return tables, find_faults(tables, period, names)
    except pl.exceptions.PanicException as error:
        why = f"their values cannot be checked: {str(error).splitlines()[0]}"
        return {}, [Finding(table="files", column=None, message=why)]
