"""Which run an experiment is: the stages of `dvc.yaml` work in a directory of a fixed name."""

from datetime import datetime
from functools import partial

from upath import UPath

from ..config import Params
from ..files import read_json, write_json
from ..results import Manifest
from ..source.reader import Source
from .checksums import checksums
from .plan import Checksums, draft, identify
from .run_dir import Run, RunDir

EXPERIMENT = "experiment"
"""The run directory of the stages of `dvc.yaml`."""


def plan_experiment(params: Params, at: datetime, *, ingested: bool) -> Run:
    """Settle what a stage of `dvc.yaml` works on, and write it to the folder `experiment`.

    Once the stage `ingest` is done, its manifests have the checksums.
    """

    def of_manifests(periods: list[str]) -> Checksums:
        run_dir = RunDir(Run(run_id="", period="", folder=EXPERIMENT))
        found = {period: read_json(run_dir.manifest(period), Manifest) for period in periods}
        return {
            period: {name: file.sha256 for name, file in manifest.files.items()}
            for period, manifest in found.items()
        }

    source = Source(params.source, params.source_timeout)
    of_source = partial(checksums, source, UPath(params.runs))
    found = of_manifests if ingested else of_source
    plan = draft(params, params.experiment.period or None, at, found)
    run = identify(plan, UPath(), EXPERIMENT)
    write_json(RunDir(run).plan, plan)  # DVC's stages depend on nothing but dvc.yaml's files
    return run
