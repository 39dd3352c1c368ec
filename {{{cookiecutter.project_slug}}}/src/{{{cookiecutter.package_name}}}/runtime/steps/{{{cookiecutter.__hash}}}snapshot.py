"""Give the exact data of the run a version."""

import hashlib
import logging

from ..files import write_json
from ..results import Snapshot
from ..run import Run, RunDir, read_plan
from ..source.content import is_intact

log = logging.getLogger(__name__)


def snapshot(run: Run) -> Snapshot:
    """Check the raw files, and give them a version, 64 hex; they are stored nowhere else.

    It is the SHA-256 of lines of checksum and name, as `sha256sum` prints them for delivered files,
    in the order of the names. So the same names and contents have the same version.

    Writes `snapshot.json`.

    Raises:
        RuntimeError: a file is not what its checksum says.
    """
    run_dir, plan = RunDir(run), read_plan(run)
    digest = hashlib.sha256()
    for name, checksum in sorted(plan.files.items()):
        file = run_dir.raw / name
        if not is_intact(file, checksum):
            raise RuntimeError(
                f"{file} is damaged: remove it, {checksum} in `.cache/files` of the folder of "
                "runs, and this run's directory; then start the run again."
            )
        digest.update(f"{checksum}  {name}\n".encode())
    snapshot = Snapshot(data_version=digest.hexdigest())
    write_json(run_dir.snapshot, snapshot)
    log.info("snapshot: the data are version %s", snapshot.data_version)
    return snapshot
