"""What is kept of runs: their directories."""

import logging

from upath import UPath

from ..config import Params
from ..errors import BadInput, one_line
from ..files import read_json
from ..results import Planned, Result
from ..run import cache
from . import registry

log = logging.getLogger(__name__)

KEPT = {"plan.json", "result.json", "report.html", "alerts"}
"""What stays of a run whose files are removed."""


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
    """Remove from the cache what only runs without files had.

    Raises:
        BadInput: the plan of a run is damaged, so what it needs is unknown; nothing is removed.
    """
    runs = UPath(params.runs)
    plans = [file for file in runs.glob("*/plan.json") if not is_pruned(file.parent)]
    cache.prune(runs, [_planned(file) for file in plans])


def _planned(file: UPath) -> Planned:
    try:
        return read_json(file, Planned)
    except ValueError as error:
        raise BadInput(
            f"{file} is damaged, so the cached files that its run needs are unknown: remove "
            f"{file.parent}, and try again."
        ) from error


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
