"""The cache: the files of the source, and what was made of each period, for the runs that follow.

<runs>/.cache/files/<checksum>          a file, or rows, of the source
<runs>/.cache/periods/<period>-<hash>   what the steps of a period made of it
<runs>/.cache/checksums.json            see `checksums.py`

A run directory shares its files with the cache, so either can be removed without the other.
"""

import hashlib
import json
import logging
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from upath import UPath

from ..errors import one_line
from ..files import is_local, read_json, share, write_json
from ..results import Checkpoint, FeatureTable, Plan, Planned
from ..source.content import sha256
from .identity import preparing_version
from .run_dir import Run, RunDir

log = logging.getLogger(__name__)

STEPS = ("ingest", "features")
"""The steps of a period."""

FILES_AT_ONCE = 16

ABANDONED = 24 * 3600
"""Seconds after which a half-written file belongs to a process that was killed."""


def folder_of(runs: UPath) -> UPath:
    """Return the folder of the cache."""
    return runs / ".cache"


def file_of(runs: UPath, sha: str) -> UPath:
    """Return where the file of the source with this checksum is, or would be."""
    return folder_of(runs) / "files" / sha


def names_of(plan: Plan, periods: Iterable[str]) -> dict[str, str]:
    """Return the names of what the steps of periods make of them, by period.

    They depend on the period's files, those of undated tables among them, and on the parameters,
    the code and the libraries that prepare them.
    """
    prepares = {"params": plan.params.features.model_dump(), "code": preparing_version()}

    def name(period: str) -> str:
        what = {"files": plan.checksums[period], **prepares}
        digest = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()
        return f"{period}-{digest[:16]}"

    return {period: name(period) for period in periods}


def take(run: Run, plan: Plan) -> None:
    """Let a run have what earlier runs made of its periods: the steps of these count as done."""
    with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
        list(pool.map(lambda period: _take(run, plan, period), plan.periods))


def keep(run: Run, period: str) -> None:
    """Keep what a run made of a period, once all steps of the period are done.

    It is not kept where the code changed since the run was planned.
    """
    plan = read_json(RunDir(run).plan, Plan)
    if names_of(plan, [period])[period] != plan.prepared[period]:
        log.warning("%s is not kept for later runs: the code changed since the plan", period)
        return
    try:
        for cached, made in _made(run, plan, period).items():
            share(made, cached)
    except OSError as error:
        log.warning("%s cannot be kept for later runs: %s", period, one_line(error))


def is_prepared(run: Run, period: str) -> bool:
    """Return whether all steps of a period are done."""
    return RunDir(run).checkpoint(f"{STEPS[-1]}-{period}").exists()


def sweep(runs: UPath) -> None:
    """Remove what processes that were killed left half-written; an object store shows no such."""
    for part in folder_of(runs).rglob(".*.part") if is_local(runs) else []:
        with suppress(FileNotFoundError):  # it is whole by now
            if time.time() - part.stat().st_mtime > ABANDONED:
                part.unlink()


def prune(runs: UPath, needed: Iterable[Planned]) -> None:
    """Remove all that runs with these plans do not have."""
    names: set[str] = set()
    for plan in needed:
        names.update(plan.prepared.values(), plan.files.values())
    for cached in [*folder_of(runs).glob("files/*"), *folder_of(runs).glob("periods/*")]:
        if cached.name not in names and not cached.name.startswith("."):
            cached.fs.rm(cached.path, recursive=True)
    sweep(runs)


def _take(run: Run, plan: Plan, period: str) -> None:
    run_dir = RunDir(run)
    steps = {step: run_dir.checkpoint(f"{step}-{period}") for step in STEPS}
    if any(file.exists() for file in steps.values()):
        return  # the run itself has begun it
    try:
        for cached, made in reversed(_made(run, plan, period).items()):
            share(cached, made)
        for name, sha in plan.checksums[period].items():
            share(file_of(run_dir.folder.parent, sha), run_dir.raw / name)
        table = read_json(run_dir.step_result("features", period), FeatureTable)
        damaged = sha256(run_dir.features(period).read_bytes()) != table.sha256
    except FileNotFoundError:
        return  # the cache has it not, or not all of it
    except (OSError, ValueError) as error:
        log.warning("%s cannot be taken from an earlier run: %s", period, one_line(error))
        return
    if damaged:
        log.warning("%s is prepared again: what an earlier run made of it is damaged", period)
        for cached, made in _made(run, plan, period).items():
            cached.unlink(missing_ok=True)
            made.unlink(missing_ok=True)
        return
    for step, file in steps.items():
        write_json(file, Checkpoint(step=step, started=time.time(), seconds=0, taken=True))


def _made(run: Run, plan: Planned, period: str) -> dict[UPath, UPath]:
    """Return the files that the steps of a period make, by their place in the cache.

    The last is made last: where the cache has it, it has all.
    """
    run_dir = RunDir(run)
    entry = folder_of(run_dir.folder.parent) / "periods" / plan.prepared[period]
    return {
        entry / "manifest.json": run_dir.manifest(period),
        entry / "check.json": run_dir.check(period),
        entry / "features.parquet": run_dir.features(period),
        entry / "features.json": run_dir.step_result("features", period),
    }
