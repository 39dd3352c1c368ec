"""The steps up to evaluate over fixed paths, as the stages of `dvc.yaml` call them.

An experiment has no release: the registry is only read.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import polars as pl
from upath import UPath

from ..config import Params
from ..errors import BadInput
from ..files import read_json, write, write_json
from ..results import Manifest
from ..run import Run, RunDir, read_plan
from ..run.checksums import checksums
from ..run.identity import PACKAGE
from ..run.plan import Checksums, draft, identify
from ..source.address import source_of
from .validate import good_periods

STEPS = ("ingest", "validate", "snapshot", "features", "train", "evaluate")
FOLDER = "experiment"
"""The run directory of all stages."""


def run_step(params: Params, name: str) -> None:
    """Run a step for the period of the experiment; raise `BadInput` where data are bad."""
    step = find_step(name)
    run = plan_experiment(params, datetime.now(UTC), ingested=name != "ingest")
    if name == "ingest":
        for period in read_plan(run).periods:
            step(run, period)
    elif name == "features":
        for period in good_periods(run):
            step(run, period)
    else:
        done = step(run)
        if name == "validate" and not done.good:
            raise BadInput(f"{done.reason}.")
        if name == "evaluate":
            write_for_dvc(RunDir(run).folder, done.metrics)


def find_step(name: str) -> Callable[..., Any]:
    """Return one of `STEPS`, or a step of the team's: a function in the module of its name."""
    package = __package__ if name in STEPS else PACKAGE.name
    if name.isidentifier() and find_spec(f"{package}.{name}"):
        step: Callable[..., Any] | None = getattr(import_module(f"{package}.{name}"), name, None)
        if callable(step):
            return step
    raise BadInput(
        f"There is no step {name}: it is one of {', '.join(STEPS)}, or a function `{name}` of "
        f"yours in src/{PACKAGE.name}/{name}.py."
    )


def plan_experiment(params: Params, at: datetime, *, ingested: bool) -> Run:
    """Settle what a stage works on, and write it to the folder of the experiment.

    Once the stage `ingest` is done, its manifests have the checksums.
    """

    def of_manifests(periods: list[str]) -> Checksums:
        run_dir = RunDir(Run(run_id="", period="", folder=FOLDER))
        found = {period: read_json(run_dir.manifest(period), Manifest) for period in periods}
        return {
            period: {name: file.sha256 for name, file in manifest.files.items()}
            for period, manifest in found.items()
        }

    source = source_of(params)
    of_source = partial(checksums, source, UPath(params.runs))
    found = of_manifests if ingested else of_source
    plan = draft(params, source, params.experiment.period or None, at, found)
    run = identify(plan, UPath(), FOLDER)
    write_json(RunDir(run).plan, plan)  # DVC's stages depend on nothing but dvc.yaml's files
    return run


def write_for_dvc(folder: UPath, metrics: dict[str, float]) -> None:
    """Write the metrics and the curves as DVC shows and compares them: flat, and of x and y."""
    write(folder / "metrics.json", f"{json.dumps(metrics, indent=2)}\n".encode())
    for file in (folder / "curves").glob("*.csv"):
        curve = pl.read_csv(file.read_bytes())
        points = curve.select(pl.nth(0).alias("x"), pl.nth(1).alias("y"))
        write(folder / "plots" / file.name, points.write_csv().encode())
