"""Keep the exact data of the run, and give them a name."""

import logging
from contextlib import AbstractContextManager
from pathlib import Path

from pydantic import BaseModel
from upath import UPath

from .. import snapshots
from ..errors import BadInput
from ..params import Params
from ..plan import read_plan
from ..workspace import Run, Workspace, locked, read_json, timed, write_json

log = logging.getLogger(__name__)

RESTORED = Path("data/versions")


class DataVersion(BaseModel):
    """The name of the data, the same whenever and wherever the same files are ingested."""

    data_version: str


@timed
def version(run: Run) -> DataVersion:
    """Snapshot the raw months to DVC's storage; `restore` brings them back.

    Writes `version.json`.
    """
    workspace = Workspace(run)
    with one_at_a_time(UPath(read_plan(run).params.runs)):
        version = DataVersion(data_version=snapshots.save(workspace.raw))
        write_json(workspace.version, version)
    log.info("version: the data are %s", version.data_version)
    return version


def restore(params: Params, asked: str) -> Path:
    """Bring back the data of a run, as a folder that `source` in params.yaml can name.

    Args:
        params: the parameters.
        asked: the id of a run, or a data version, 32 hex.

    Raises:
        BadInput: no such run is known, or the storage has not all of its data.
    """
    version = kept(params).get(asked, asked)
    if len(version) != 32 or not set(version) <= set("0123456789abcdef"):
        raise BadInput(
            f"{asked} is neither a run that is kept nor a data version: `make status` lists the "
            "runs, and a run's result.json has its data_version."
        )
    target = RESTORED / version
    if not target.exists():
        snapshots.restore(version, target)
    return target


def prune(params: Params) -> set[str]:
    """Remove the data that no kept run needs from DVC's storage; return the versions that stay.

    Raises:
        BadInput: the storage lacks one of them; nothing is removed.
    """
    with one_at_a_time(UPath(params.runs)):
        versions = set(kept(params).values())
        snapshots.prune(versions)
    return versions


def kept(params: Params) -> dict[str, str]:
    """Return the data versions of kept runs by run id.

    A run is kept while its folder is there, or a version of the model that it registered.
    """
    from .. import tracking

    registered = tracking.data_versions(params.model_name)
    files = UPath(params.runs).glob("*/version.json")
    return registered | {f.parent.name: read_json(f, DataVersion).data_version for f in files}


def one_at_a_time(runs: UPath) -> AbstractContextManager[None]:
    """Keep `prune` from removing what a run has stored and not yet said so."""
    return locked(runs / ".snapshots.lock", "version: waiting for another snapshot to end")
