"""Release the challenger, if the evaluation says so: it becomes the champion."""

import logging
from contextlib import AbstractContextManager

from upath import UPath

from ..files import locked, read_json, write_json
from ..registry import registry
from ..results import Champion, Evaluation, Release, Snapshot, Training
from ..run import Run, RunDir, read_plan
from .evaluate import difference, evaluate

log = logging.getLogger(__name__)

LOCK_SECONDS = 600
TOLERANCE = 1e-12
"""By which predictions may differ when a model comes back from the registry."""


def release(run: Run) -> Release:
    """Register the challenger and make it the champion, or leave the champion where it is.

    One release at a time: under a lock, the champion must still be the one that the challenger was
    compared with; else both are evaluated again. The registered version is loaded back through the
    registry, and released only if it scores as it did before.

    Writes `release.json`. Running it again changes nothing.

    Raises:
        RuntimeError: the version loaded back scores differently.
        filelock.Timeout: another release holds the lock for too long.
    """
    run_dir = RunDir(run)
    if run_dir.release.exists():
        return read_json(run_dir.release, Release)
    with one_at_a_time(run_dir.folder.parent):
        done = _release(run)
        write_json(run_dir.release, done)
    version = f"version {done.champion.version}" if done.champion is not None else "none"
    log.info("release: the champion is %s %s", "now" if done.released else "still", version)
    return done


def rollback(model_name: str, runs: UPath) -> tuple[Champion, Champion]:
    """Make the previous version the champion again; return the champion before and after.

    Raises:
        BadInput: there is no previous version.
        filelock.Timeout: a release holds the lock for too long.
    """
    with one_at_a_time(runs):
        return registry.rollback(model_name)


def one_at_a_time(runs: UPath) -> AbstractContextManager[None]:
    """Hold the lock of releases, a file in the folder of runs."""
    return locked(runs / ".release.lock", "release: waiting for another release", LOCK_SECONDS)


def _release(run: Run) -> Release:
    run_dir, plan = RunDir(run), read_plan(run)
    name = plan.params.model_name
    evaluation = read_json(run_dir.evaluation, Evaluation)
    current = registry.champion(name)
    if current is not None and current.run_id == run.run_id:
        # An earlier try was killed after it set the alias.
        return Release(released=True, reason=evaluation.reason, champion=current)
    if current != evaluation.champion:
        log.warning("release: the champion changed since the evaluation; evaluating again")
        evaluation = evaluate(run)
    if not evaluation.release:
        return Release(released=False, reason=evaluation.reason, champion=current)
    challenger = register(run, evaluation)
    if registry.was_rolled_back(name, challenger.version):
        reason = f"version {challenger.version}, of this run, was rolled back"
        return Release(released=False, reason=reason, champion=current)
    promote(run, challenger.version)
    return Release(released=True, reason=evaluation.reason, champion=challenger)


def register(run: Run, evaluation: Evaluation) -> Champion:
    """Return the version of a run's model, registered on first use."""
    run_dir, plan = RunDir(run), read_plan(run)
    training = read_json(run_dir.training, Training)
    tags = {
        "run_id": run.run_id,
        "period": run.period,
        "data_version": read_json(run_dir.snapshot, Snapshot).data_version,
        "code_version": plan.code_version,
        "python": training.python,
        **{f"metric.{metric}": repr(value) for metric, value in evaluation.metrics.items()},
    }
    return registry.register(training.model_uri, plan.params.model_name, tags)


def promote(run: Run, version: str) -> None:
    """Make the version of a run's model the champion, if it scores as it did before.

    Raises:
        RuntimeError: loaded back through the registry, it scores differently.
    """
    name = read_plan(run).params.model_name
    by = difference(run, version)
    if not by <= TOLERANCE:  # also where it is not a number
        raise RuntimeError(
            f"Version {version} of {name} scores differently when loaded from the "
            f"registry (by up to {by:.2g}): it is not released."
        )
    registry.promote(name, version)
