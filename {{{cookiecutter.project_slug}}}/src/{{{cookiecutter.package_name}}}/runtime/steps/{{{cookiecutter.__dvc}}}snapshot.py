"""Keep the exact data of the run as a version."""

import logging

from ..files import write_json
from ..results import Snapshot
from ..run import Run, RunDir, read_plan
from ..source import snapshots

log = logging.getLogger(__name__)


def snapshot(run: Run) -> Snapshot:
    """Store the raw files in DVC's storage; `make data VERSION=...` restores them.

    Writes `snapshot.json`.
    """
    run_dir, plan = RunDir(run), read_plan(run)
    with snapshots.one_at_a_time():
        snapshot = Snapshot(data_version=snapshots.save(run_dir.raw, plan.files))
        write_json(run_dir.snapshot, snapshot)
    log.info("snapshot: the data are version %s", snapshot.data_version)
    return snapshot
