"""Put the challenger in the champion's place, if it earned it."""

import logging
from contextlib import AbstractContextManager

import numpy as np
from pydantic import BaseModel
from upath import UPath

from .. import tracking
from ..model import probability
from ..params import Params
from ..plan import read_plan
from ..results import Champion
from ..workspace import (
    Run,
    Workspace,
    locked,
    read_json,
    read_parquet,
    write_json,
)
from .evaluate import Evaluation, evaluate
from .features import LABEL
from .train import Training
from .version import DataVersion

log = logging.getLogger(__name__)

SAMPLE_ROWS = 1000
LOCK_SECONDS = 600


class Release(BaseModel):
    """What the release step did."""

    released: bool
    reason: str
    champion: Champion | None
    """The champion afterwards."""


def release(run: Run) -> Release:
    """Register the challenger and make it the champion, or leave the champion where it is.

    One release at a time: under a lock, the champion is checked to be still the one that the
    challenger was compared with, else both are evaluated again. The registered version is loaded
    back through the registry, and released only if it scores as it did before.

    Writes `release.json`. Running it again changes nothing.

    Raises:
        RuntimeError: the version loaded back scores differently.
        filelock.Timeout: another release holds the lock for too long.
    """
    workspace = Workspace(run)
    if workspace.release.exists():
        return read_json(workspace.release, Release)
    with one_at_a_time(workspace.folder.parent):
        done = _release(run)
        write_json(workspace.release, done)
    version = f"version {done.champion.version}" if done.champion is not None else "none"
    log.info("release: the champion is %s %s", "now" if done.released else "still", version)
    return done


def rollback(params: Params) -> tuple[Champion, Champion]:
    """Make the previous version the champion again; return the champion before and after.

    Raises:
        BadInput: there is no previous version.
        filelock.Timeout: a release holds the lock for too long.
    """
    with one_at_a_time(UPath(params.runs)):
        return tracking.rollback(params.model_name)


def one_at_a_time(runs: UPath) -> AbstractContextManager[None]:
    """Hold the lock of releases, a file in the folder of runs."""
    waiting = "release: waiting for another release to end"
    return locked(runs / ".release.lock", waiting, LOCK_SECONDS)


def _release(run: Run) -> Release:
    workspace, plan = Workspace(run), read_plan(run)
    name = plan.params.model_name
    evaluation = read_json(workspace.evaluation, Evaluation)
    current = tracking.champion(name)
    if current is not None and current.run_id == run.run_id:
        # It was killed after the alias was set, and before it could say so.
        return Release(released=True, reason=evaluation.reason, champion=current)
    if current != evaluation.champion:
        log.warning("release: the champion changed since the evaluation; evaluating again")
        evaluation = evaluate(run)
    if not evaluation.release:
        return Release(released=False, reason=evaluation.reason, champion=current)
    tags = {
        "run_id": run.run_id,
        "period": run.period,
        "data_version": read_json(workspace.version, DataVersion).data_version,
        "code_version": plan.code_version,
        **{f"metric.{metric}": repr(value) for metric, value in evaluation.metrics.items()},
    }
    challenger = tracking.register(read_json(workspace.training, Training).model_uri, name, tags)
    if tracking.was_rolled_back(name, challenger.version):
        reason = f"version {challenger.version}, of this run, was rolled back"
        return Release(released=False, reason=reason, champion=current)
    _check_loaded(run, name, challenger.version)
    tracking.promote(name, challenger.version)
    return Release(released=True, reason=evaluation.reason, champion=challenger)


def _check_loaded(run: Run, name: str, version: str) -> None:
    """Score a sample with the version as the registry gives it, against what was evaluated."""
    workspace = Workspace(run)
    sample = read_parquet(workspace.features(run.period)).head(SAMPLE_ROWS)
    now = probability(tracking.load_model(name, version), sample.drop(LABEL))
    before = read_parquet(workspace.scores)["probability"].head(SAMPLE_ROWS).to_numpy()
    if not np.allclose(now, before, rtol=0, atol=1e-12):
        raise RuntimeError(
            f"Version {version} of {name} scores differently when loaded from the registry "
            f"(by up to {np.abs(now - before).max():.2g}): it is not released."
        )
