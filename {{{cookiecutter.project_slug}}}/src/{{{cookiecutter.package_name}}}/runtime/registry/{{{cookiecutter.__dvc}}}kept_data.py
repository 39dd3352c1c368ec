"""Which snapshots of data are kept: those that runs and registered models need."""

import re
from pathlib import Path

from upath import UPath

from ..config import Params
from ..errors import BadInput
from ..files import read_json
from ..results import Snapshot
from ..source import snapshots
from . import registry, store
from .retention import prune_cache

RESTORED = Path("data/versions")
DATA_VERSION = re.compile("[0-9a-f]{32}")
"""A version that is stored; runs without DVC gave their data a longer one."""


def restore(params: Params, asked: str) -> Path:
    """Restore the data of a run, as a folder that `source` in params.yaml can name; return it.

    What is asked for is the id of a run, or a data version, or an unambiguous start of one.

    Raises:
        BadInput: no such run is known, or the storage lacks some of its data.
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
    """Remove what no kept run needs from DVC's storage and from the cache; return the runs kept.

    Raises:
        BadInput: no run is kept here, the storage lacks the data of one, or others may store theirs
            there; nothing is removed.
    """
    with snapshots.one_at_a_time():
        needed = kept(params)
        if not needed:
            raise BadInput(
                f"Nothing is removed: neither {params.runs} nor the registry at "
                f"{store.address()} has a run whose data are stored; check `runs` in params.yaml, "
                f"and {store.VARIABLE}."
            )
        snapshots.prune(needed, alone=alone)
        prune_cache(params)
    return sorted(needed)


def kept(params: Params) -> dict[str, str]:
    """Return the data versions of kept runs by run id, where they are stored.

    A run is kept while its directory has its files, or a version of a model that it registered.

    Raises:
        BadInput: a run's file that names its version is damaged.
    """
    files = UPath(params.runs).glob("*/snapshot.json")
    folders = {file.parent.name: _version(file) for file in files}
    found = registry.data_versions() | folders
    return {run_id: version for run_id, version in found.items() if DATA_VERSION.fullmatch(version)}


def _version(file: UPath) -> str:
    try:
        return read_json(file, Snapshot).data_version
    except ValueError as error:
        raise BadInput(
            f"Nothing is removed or restored: {file}, which names the data of its run, is damaged; "
            "remove the folder of that run, and give the same command again."
        ) from error
