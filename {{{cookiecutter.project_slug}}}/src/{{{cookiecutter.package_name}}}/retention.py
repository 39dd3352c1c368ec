"""Which data are kept: those of a run are brought back, or removed when nothing needs them."""

import re
from pathlib import Path

from upath import UPath

from . import snapshots, tracking
from .errors import BadInput
from .params import Params
from .steps.version import DataVersion
from .workspace import read_json

RESTORED = Path("data/versions")
DATA_VERSION = re.compile("[0-9a-f]{32}")


def restore(params: Params, asked: str) -> Path:
    """Bring back the data of a run, as a folder that `source` in params.yaml can name.

    Args:
        params: the parameters.
        asked: the id of a run, or a data version: 32 hex, or as many as tell it from others.

    Raises:
        BadInput: no such run is known, or the storage has not all of its data.
    """
    runs = {} if DATA_VERSION.fullmatch(asked) else kept(params)
    found = {v for run_id, v in runs.items() if asked and (run_id == asked or v.startswith(asked))}
    if len(found) > 1 or not (found or DATA_VERSION.fullmatch(asked)):
        raise BadInput(
            f"{asked!r} is neither a run that is kept nor a data version: `make status` lists the "
            "runs with theirs."
        )
    (version,) = found or {asked}
    target = RESTORED / version
    with snapshots.one_at_a_time():
        snapshots.restore(version, target)
    return target


def prune(params: Params, *, alone: bool = False) -> list[str]:
    """Remove the data that no kept run needs from DVC's storage; return the runs that are kept.

    Args:
        params: the parameters.
        alone: whether it is known that nobody else stores data there.

    Raises:
        BadInput: no run is kept here, the storage lacks the data of one, or others may store theirs
            there; nothing is removed.
    """
    with snapshots.one_at_a_time():
        needed = kept(params)
        if not needed:
            raise BadInput(
                f"Nothing is removed: neither {params.runs} nor the registry at "
                f"{tracking.address()} has a run; are they the right ones?"
            )
        snapshots.prune(needed, alone=alone)
    return sorted(needed)


def kept(params: Params) -> dict[str, str]:
    """Return the data versions of kept runs by run id.

    A run is kept while its folder is there, or a version of a model that it registered.
    """
    files = UPath(params.runs).glob("*/version.json")
    folders = {file.parent.name: read_json(file, DataVersion).data_version for file in files}
    return tracking.data_versions() | folders
