"""Keep the exact data of the run, and give them a name."""

import logging

from pydantic import BaseModel

from .. import snapshots
from ..plan import read_plan
from ..workspace import Run, Workspace, write_json

log = logging.getLogger(__name__)


class DataVersion(BaseModel):
    """The name of the data, the same whenever and wherever the same files are ingested."""

    data_version: str


def version(run: Run) -> DataVersion:
    """Snapshot the raw months to DVC's storage; `make data VERSION=...` brings them back.

    Writes `version.json`.
    """
    workspace, plan = Workspace(run), read_plan(run)
    names = {name for month in plan.months for name in plan.checksums[month]}
    with snapshots.one_at_a_time():
        version = DataVersion(data_version=snapshots.save(workspace.raw, names))
        write_json(workspace.version, version)
    log.info("version: the data are %s", version.data_version)
    return version
