"""Give the exact data of the run a name."""

import hashlib
import logging

from pydantic import BaseModel

from ..plan import read_plan
from ..workspace import Run, Workspace, read_json, timed, write_json
from .ingest import Manifest

log = logging.getLogger(__name__)


class DataVersion(BaseModel):
    """The name of the data, the same whenever and wherever the same files are ingested."""

    data_version: str


@timed
def version(run: Run) -> DataVersion:
    """Name the data by a hash over the checksums of all raw files, 32 hex.

    Writes `version.json`.
    """
    workspace, digest = Workspace(run), hashlib.sha256()
    for month in read_plan(run).months:
        manifest = read_json(workspace.manifest(month), Manifest)
        for name, file in sorted(manifest.files.items()):
            digest.update(f"{month}/{name} {file.sha256}\n".encode())
    version = DataVersion(data_version=digest.hexdigest()[:32])
    write_json(workspace.version, version)
    log.info("version: the data are %s", version.data_version)
    return version
