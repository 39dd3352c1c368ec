"""Copy a period from the source into the run directory."""

import logging
from pathlib import Path

import polars as pl
from upath import UPath

from .. import room
from ..files import is_local, move, scratch, share, write_json
from ..results import NOT_READ, IngestedFile, Manifest
from ..run import Run, RunDir, cache, read_plan
from ..source import formats, isolated
from ..source.address import source_of
from ..source.content import ROWS, rows_if_intact, sha256
from ..source.kinds import table_of, why_unread

log = logging.getLogger(__name__)


def ingest(run: Run, period: str) -> Manifest:
    """Copy the files of `period` byte for byte, and note their checksums and row counts.

    Rows are written as Parquet. What was read for the plan, or by an earlier run, is in the cache
    already. Unread files are recorded, not copied.

    Writes `raw/`, laid out like the source, and `manifests/<period>.json`.

    Raises:
        RuntimeError: a file is not the one that the run was planned with, so the source is being
            written to. A retry may find it whole; else the run must be started again.
        BadInput: we may not read a file.
        OSError: the source does not answer.
    """
    run_dir, plan = RunDir(run), read_plan(run)
    source = source_of(plan.params)
    parts = source.parts(period)
    files: dict[str, IngestedFile] = {}
    for name, expected in plan.checksums[period].items():
        if expected.startswith(NOT_READ):
            files[name] = IngestedFile(sha256=expected, rows=None, fault=why_unread(name, expected))
            continue
        copy, cached = run_dir.raw / name, cache.file_of(UPath(plan.params.runs), expected)
        found = _examine(name, cached, expected)
        if found is not None:
            if copy.exists() and _examine(name, copy, expected) is None:
                copy.unlink()
            share(cached, copy)
        else:
            cached.unlink(missing_ok=True)  # it is damaged
            # Here, a run removes what a process that was killed left half-written.
            with scratch(copy) as written:
                if name in parts:
                    parts[name].save(written)
                    found = _examine(name, UPath(written), expected)
                if found is None:
                    raise RuntimeError(
                        f"{name} of {period} {'changed' if name in parts else 'is gone'} at the "
                        f"source {source.address} since run {run.run_id} was planned: start the "
                        "run again once the delivery is complete."
                    )
                copy.unlink(missing_ok=True)
                move(written, copy)
            share(copy, cached)
        files[name] = found
    manifest = Manifest(files=files)
    write_json(run_dir.manifest(period), manifest)
    rows = dict.fromkeys(room.tables().TABLES, 0)
    for name, file in files.items():
        rows[table_of(name)] += file.rows or 0
    read = ", ".join(f"{count:,} {table}" for table, count in rows.items())
    log.info("ingest %s: read %s", period, read)
    return manifest


def _examine(name: str, file: UPath, expected: str) -> IngestedFile | None:
    """Return what a file holds, None where it is missing or has another content than expected.

    All of it is read: the end of a Parquet file that is damaged in its middle still has a count.
    """
    if expected.startswith(ROWS):
        rows = rows_if_intact(file, expected)
        return None if rows is None else IngestedFile(sha256=expected, rows=rows)
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return None
    if sha256(content) != expected:
        return None
    try:
        given = Path(file.path).absolute() if is_local(file) else content
        rows = isolated.call(formats.count, name, given, formats.declared(table_of(name)))
    except pl.exceptions.PolarsError as error:
        return IngestedFile(sha256=expected, rows=None, fault=str(error))
    return IngestedFile(sha256=expected, rows=rows)
