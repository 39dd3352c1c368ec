"""What is kept of runs: their directories, and the snapshots of the data that they used."""

import logging
import re
from pathlib import Path

from upath import UPath

from ..config import Params
from ..errors import BadInput, one_line
from ..files import read_json
from ..results import Planned, Result, Snapshot
from ..run import cache
from ..source import snapshots
from . import client, registry

log = logging.getLogger(__name__)

KEPT = {"plan.json", "result.json", "report.html", "alerts"}
"""What stays of a run whose files are removed."""

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
        prune_cache(params)
    return sorted(needed)


def prune_runs(params: Params) -> None:
    """Remove the files of old runs, so that `keep_runs` of those that completed have theirs.

    Their plan, result, report and alerts stay: such a run is not repeated.
    The files of the champion's run stay, and of the version before it. What cannot be removed is
    only logged: the run that ends now is complete, and the next one tries again.
    """
    if params.keep_runs is None:
        return
    try:
        old = _completed(UPath(params.runs))[: -params.keep_runs]
        in_use = registry.runs_in_use(params.model_name) if old else set()
        for folder in (folder for folder in old if folder.name not in in_use):
            _remove_files(folder)
            log.info(
                "removed the files of run %s: `keep_runs` is %d", folder.name, params.keep_runs
            )
        if old:
            prune_cache(params)
    except Exception as error:  # noqa: BLE001 - of the tracker, or of any storage
        log.warning("old runs cannot be removed: %s", one_line(error))


def prune_cache(params: Params) -> None:
    """Remove from the cache what only runs without files had."""
    runs = UPath(params.runs)
    plans = [file for file in runs.glob("*/plan.json") if not is_pruned(file.parent)]
    cache.prune(runs, [read_json(file, Planned) for file in plans])


def _completed(runs: UPath) -> list[UPath]:
    """Return the directories of the runs that completed and have their files, oldest first."""
    found = [file for file in runs.glob("*/result.json") if not is_pruned(file.parent)]
    ended = sorted(found, key=lambda file: file.stat().st_mtime)
    return [file.parent for file in ended if read_json(file, Result).status != "failed"]


def is_pruned(folder: UPath) -> bool:
    """Return whether the files of a run that completed were removed."""
    return (folder / "result.json").exists() and not (folder / "steps").exists()


def _remove_files(folder: UPath) -> None:
    """Remove the files of a run; `steps` last, so that what was interrupted goes on."""
    inside = [path for path in folder.iterdir() if path.name not in KEPT]
    for path in sorted(inside, key=lambda path: path.name == "steps"):
        path.fs.rm(path.path, recursive=True)


def kept(params: Params) -> dict[str, str]:
    """Return the data versions of kept runs by run id.

    A run is kept while its directory has its files, or a version of a model that it registered.
    """
    files = UPath(params.runs).glob("*/snapshot.json")
    folders = {file.parent.name: read_json(file, Snapshot).data_version for file in files}
    return registry.data_versions() | folders
