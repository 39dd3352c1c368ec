"""Carry the champion over to a new registry, after a change of the tracker.

Its run, in the folder of runs, has all that is needed: the former tracker is not asked.
"""

import logging

import polars as pl
from upath import UPath

from .. import room
from ..config import Params
from ..errors import BadInput
from ..files import read_json, read_parquet, write_json
from ..registry import pickling, registry, tracker
from ..results import Champion, Evaluation, Result, Training
from ..run import Run, RunDir, read_plan
from ..run.outcome import history
from .release import one_at_a_time, promote, register
from .train import log_training

log = logging.getLogger(__name__)


def import_champion(params: Params, asked: str | None = None) -> Champion:
    """Register the model of the last champion's run, or of the one asked for, and return it.

    The version before it, which a rollback takes, comes first, where its run has its files.

    Raises:
        BadInput: there is a champion already, no run released one, or its files are missing.
        filelock.Timeout: a release holds the lock for too long.
    """
    runs = {past.run_id: past.result for past in history(params.runs) if past.result}
    released = _chosen(params, runs, asked)
    before = released.champion_before
    wanted = [runs[before.run_id]] if before and before.run_id in runs else []
    wanted = [result for result in wanted if _files(_run(params, result))] + [released]
    with one_at_a_time(UPath(params.runs)):
        current = registry.champion(params.model_name)
        if current and current.run_id not in {result.run_id for result in wanted}:
            raise BadInput(
                f"Version {current.version} of {params.model_name}, of run {current.run_id}, is "
                "the champion here: only a registry without one takes another over."
            )
        *_, champion = (_import(_run(params, result)) for result in wanted)
    return champion


def _chosen(params: Params, runs: dict[str, Result], asked: str | None) -> Result:
    """Return the run asked for, or that of the champion which the newest result names."""
    named = [result.champion_after.run_id for result in runs.values() if result.champion_after]
    run_id = asked or (named[-1] if named else None)
    if run_id is None:
        raise BadInput(f"No run in {params.runs} names a champion: `make run` trains one.")
    if run_id not in runs:
        raise BadInput(
            f"Run {run_id} is not in {params.runs}: restore its directory there, or name another "
            "with RUN=<run id>; `make status` lists the runs."
        )
    return runs[run_id]


def _run(params: Params, result: Result) -> Run:
    folder = str((UPath(params.runs) / result.run_id).absolute())
    return Run(run_id=result.run_id, period=result.period, folder=folder)


def _files(run: Run) -> bool:
    """Return whether a run has what an import needs."""
    run_dir = RunDir(run)
    needed = (run_dir.model, run_dir.training, run_dir.evaluation, run_dir.scores)
    return all(file.exists() for file in (*needed, run_dir.features(run.period)))


def _import(run: Run) -> Champion:
    """Log a run to the tracker, register its model, and make that the champion."""
    run_dir = RunDir(run)
    if not _files(run):
        raise BadInput(
            f"The files of run {run.run_id} are missing in {run_dir.folder}: restore them, or name "
            "another run with RUN=<run id>."
        )
    training = read_json(run_dir.training, Training)
    evaluation = read_json(run_dir.evaluation, Evaluation)
    model = pickling.load_run_model(run, training, "train a model with `make run`")
    rows = read_parquet(run_dir.features(run.period)).drop(room.features().LABEL)
    training = training.model_copy(update=log_training(run, model, rows))
    curves = {file.stem: pl.read_csv(file.read_bytes()) for file in run_dir.curves.glob("*.csv")}
    with tracker.open_run(run, read_plan(run).params.model_name, training.tracker_id):
        tracker.log_metrics(evaluation.metrics)
        tracker.log_curves(curves)
        tracker.log_report("imported", run_dir.report.read_text(encoding="utf-8"))
    write_json(run_dir.training, training)
    champion = register(run, evaluation)
    promote(run, champion.version)
    log.info("import: version %s is of run %s", champion.version, run.run_id)
    return champion
