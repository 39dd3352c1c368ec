"""Copy a month from the source into the run's folder."""

import io
import logging

import polars as pl
from pydantic import BaseModel

from ..plan import read_plan
from ..source import MONTHLY, UNDATED, Source, sha256, table_of
from ..workspace import Run, Workspace, write, write_json

log = logging.getLogger(__name__)


class Ingested(BaseModel):
    """One file as it was copied."""

    sha256: str
    rows: int | None
    """None where the file cannot be read as Parquet: what that means is for `validate` to say."""


class Manifest(BaseModel):
    """The files of a month, by name: `flights/month=2013-06/part-0.parquet`, ..."""

    files: dict[str, Ingested]


def ingest(run: Run, month: str) -> Manifest:
    """Copy the raw tables of `month` byte for byte, and note their checksums and row counts.

    Writes `raw/`, laid out like the source, and `manifests/<month>.json`.

    Raises:
        RuntimeError: a file is not the one that the run was planned with; the source is being
            written to. A retry may find it whole; else start the run anew.
        BadInput: a file is not to be read by us.
        OSError: the source does not answer.
    """
    workspace, plan = Workspace(run), read_plan(run)
    source = Source(plan.params.source, plan.params.source_timeout)
    found = source.files(month)
    files: dict[str, Ingested] = {}
    for name, expected in plan.checksums[month].items():
        content = source.read(found[name]) if name in found else None
        if content is None or sha256(content) != expected:
            raise RuntimeError(
                f"{name} of {month} {'is gone' if content is None else 'changed'} at the source "
                f"{plan.params.source} since run {run.run_id} was planned: start the run again "
                "once the delivery is complete."
            )
        write(workspace.raw / name, content)
        files[name] = Ingested(sha256=expected, rows=_count_rows(content))
    manifest = Manifest(files=files)
    write_json(workspace.manifest(month), manifest)
    rows = dict.fromkeys(MONTHLY + UNDATED, 0)
    for name, file in files.items():
        rows[table_of(name)] += file.rows or 0
    read = ", ".join(f"{count:,} {table}" for table, count in rows.items())
    log.info("ingest %s: read %s", month, read)
    return manifest


def _count_rows(content: bytes) -> int | None:
    try:
        # All of it: of a file damaged in its middle, the end still tells a row count.
        return pl.read_parquet(io.BytesIO(content)).height
    except pl.exceptions.PolarsError:
        return None
