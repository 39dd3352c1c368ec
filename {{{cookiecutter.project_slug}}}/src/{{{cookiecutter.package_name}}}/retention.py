"""Which data are kept: those of a run are brought back, or removed when nothing needs them."""

from pathlib import Path

from upath import UPath

from . import snapshots, tracking
from .errors import BadInput
from .params import Params
from .steps.version import DataVersion
from .workspace import read_json

RESTORED = Path("data/versions")


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
    with snapshots.one_at_a_time(UPath(params.runs)):
        versions = set(kept(params).values())
        snapshots.prune(versions)
    return versions


def kept(params: Params) -> dict[str, str]:
    """Return the data versions of kept runs by run id.

    A run is kept while its folder is there, or a version of the model that it registered.
    """
    registered = tracking.data_versions(params.model_name)
    files = UPath(params.runs).glob("*/version.json")
    return registered | {f.parent.name: read_json(f, DataVersion).data_version for f in files}
