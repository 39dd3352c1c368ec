"""Copy a period from the source into the run directory."""

import io
import logging

import polars as pl
from upath import UPath

from .. import room
from ..files import share, write, write_json
from ..results import IngestedFile, Manifest
from ..run import Run, RunDir, cache, read_plan
from ..source.reader import Source, sha256, table_of

log = logging.getLogger(__name__)


def ingest(run: Run, period: str) -> Manifest:
    """Copy the files of `period` byte for byte, and note their checksums and row counts.

    Files that were read for the plan, or by an earlier run, are in the cache already.

    Writes `raw/`, laid out like the source, and `manifests/<period>.json`.

    Raises:
        RuntimeError: a file is not the one that the run was planned with, so the source is being
            written to. A retry may find it whole; else the run must be started again.
        BadInput: we may not read a file.
        OSError: the source does not answer.
    """
    run_dir, plan = RunDir(run), read_plan(run)
    source = Source(plan.params.source, plan.params.source_timeout)
    delivered = source.files(period)
    files: dict[str, IngestedFile] = {}
    for name, expected in plan.checksums[period].items():
        copy, cached = run_dir.raw / name, cache.file_of(UPath(plan.params.runs), expected)
        content = cached.read_bytes() if cached.exists() else None
        if content is not None and sha256(content) == expected:
            if copy.exists() and sha256(copy.read_bytes()) != expected:
                copy.unlink()
            share(cached, copy)
        else:
            if content is not None:
                cached.unlink(missing_ok=True)  # it is damaged
            content = source.read(delivered[name]) if name in delivered else None
            if content is None or sha256(content) != expected:
                raise RuntimeError(
                    f"{name} of {period} {'is gone' if content is None else 'changed'} at the "
                    f"source {plan.params.source} since run {run.run_id} was planned: start the "
                    "run again once the delivery is complete."
                )
            write(copy, content)  # here, a run removes what a process that was killed left of it
            share(copy, cached)
        files[name] = IngestedFile(sha256=expected, rows=_count_rows(content))
    manifest = Manifest(files=files)
    write_json(run_dir.manifest(period), manifest)
    rows = dict.fromkeys(room.tables().TABLES, 0)
    for name, file in files.items():
        rows[table_of(name)] += file.rows or 0
    read = ", ".join(f"{count:,} {table}" for table, count in rows.items())
    log.info("ingest %s: read %s", period, read)
    return manifest


def _count_rows(content: bytes) -> int | None:
    """Return the rows of a Parquet file, None where it is not readable.

    All of it is read: the end of a file that is damaged in its middle still has a row count.
    """
    try:
        return pl.read_parquet(io.BytesIO(content)).height
    except pl.exceptions.PolarsError:
        return None
