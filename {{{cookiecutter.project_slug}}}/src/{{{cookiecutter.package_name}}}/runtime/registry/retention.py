"""What is kept of runs: their directories, and the snapshots of the data that they used."""

import logging
import re
from pathlib import Path

from upath import UPath

from ..config import Params
from ..errors import BadInput, one_line
from ..files import read_json
from ..results import Snapshot
from ..run import cache
from ..source import snapshots
from . import client, registry

log = logging.getLogger(__name__)

RESTORED = Path("data/versions")
DATA_VERSION = re.compile("[0-9a-f]{32}")


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
                f"{client.address()} has a run; check `runs` in params.yaml, and "
                "MLFLOW_TRACKING_URI."
            )
        snapshots.prune(needed, alone=alone)
        cache.prune(UPath(params.runs))
    return sorted(needed)


def prune_runs(params: Params) -> None:
    """Remove the oldest run directories, so that `keep_runs` are left of those that ended.

    The directories of the champion and of the version before it stay. What cannot be removed is
    only logged: the next run tries again.
    """
    if params.keep_runs is None:
        return
    runs = UPath(params.runs)
    ended = sorted(runs.glob("*/result.json"), key=lambda file: file.stat().st_mtime)
    old = {file.parent.name: file.parent for file in ended[: -params.keep_runs]}
    try:
        for run_id in old.keys() - (registry.runs_in_use(params.model_name) if old else set()):
            (old[run_id] / "plan.json").unlink(missing_ok=True)  # first: then it is no run
            old[run_id].fs.rm(old[run_id].path, recursive=True)
            log.info("removed run %s: `keep_runs` is %d", run_id, params.keep_runs)
        if old:
            cache.prune(runs)
    except OSError as error:
        log.warning("old runs cannot be removed: %s", one_line(error))


def kept(params: Params) -> dict[str, str]:
    """Return the data versions of kept runs by run id.

    A run is kept while its directory exists, or a version of a model that it registered.
    """
    files = UPath(params.runs).glob("*/snapshot.json")
    folders = {file.parent.name: read_json(file, Snapshot).data_version for file in files}
    return registry.data_versions() | folders
