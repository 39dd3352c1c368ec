"""Which data are kept: those of a run are brought back, or removed when nothing needs them."""

import re
from pathlib import Path

from upath import UPath

from . import snapshots, tracking
from .errors import BadInput
from .experiment import FOLDER
from .params import Params
from .steps.version import DataVersion
from .workspace import is_local, read_json

RESTORED = Path("data/versions")
DATA_VERSION = re.compile("[0-9a-f]{32}")


def restore(params: Params, asked: str) -> Path:
    """Bring back the data of a run, as a folder that `source` in params.yaml can name.

    Args:
        params: the parameters.
        asked: the id of a run, or a data version, 32 hex.

    Raises:
        BadInput: no such run is known, or the storage has not all of its data.
    """
    version = asked if DATA_VERSION.fullmatch(asked) else kept(params).get(asked)
    if version is None:
        raise BadInput(
            f"{asked} is neither a run that is kept nor a data version: `make status` lists the "
            "runs, and a run's result.json has its data_version."
        )
    target = RESTORED / version
    snapshots.restore(version, target)
    return target


def prune(params: Params) -> list[str]:
    """Remove the data that no kept run needs from DVC's storage; return the runs that are kept.

    Raises:
        BadInput: no run is kept here, or the storage lacks the data of one; nothing is removed.
    """
    runs = UPath(params.runs)
    if not is_local(runs):
        raise BadInput(
            f"Nothing is removed: the runs are at {runs}, where one cannot be kept from storing "
            "data meanwhile; prune where `runs` in params.yaml is a folder of this machine."
        )
    with snapshots.one_at_a_time(runs):
        needed = kept(params)
        if not needed:
            raise BadInput(
                f"Nothing is removed: neither {runs}/ nor the model registry has a run; is this "
                "the right place?"
            )
        snapshots.prune(needed)
    return sorted(needed)


def kept(params: Params) -> dict[str, str]:
    """Return the data versions of kept runs by run id, and of the last experiment.

    A run is kept while its folder is there, or a version of a model that it registered.
    """
    files = [*UPath(params.runs).glob("*/version.json"), UPath(FOLDER) / "version.json"]
    folders = {
        file.parent.name: read_json(file, DataVersion).data_version
        for file in files
        if file.exists()
    }
    return tracking.data_versions() | folders
