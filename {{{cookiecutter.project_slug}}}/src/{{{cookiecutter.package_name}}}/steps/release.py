"""Put the challenger in the champion's place, if it earned it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from filelock import FileLock
from pydantic import BaseModel
from upath import UPath

from .. import tracking
from ..model import probability
from ..plan import read_plan
from ..results import Champion
from ..workspace import (
    Run,
    Workspace,
    read_json,
    read_parquet,
    timed,
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
    champion: Champion | None
    """The champion afterwards."""


@timed
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
    workspace, plan = Workspace(run), read_plan(run)
    name = plan.params.model_name
    if workspace.release.exists():
        return read_json(workspace.release, Release)
    with _one_at_a_time(run):
        current = tracking.champion(name)
        if current is not None and current.run_id == run.run_id:
            released = True  # and killed before it could say so
        else:
            evaluation = read_json(workspace.evaluation, Evaluation)
            if current != evaluation.champion:
                log.warning("release: the champion changed since the evaluation; evaluating again")
                evaluation = evaluate(run)
            released = evaluation.release
            if released:
                current = _promote(run, evaluation)
        done = Release(released=released, champion=current)
        write_json(workspace.release, done)
    version = f"version {current.version}" if current is not None else "none"
    log.info("release: the champion is %s %s", "now" if released else "still", version)
    return done


def _promote(run: Run, evaluation: Evaluation) -> Champion:
    workspace, plan = Workspace(run), read_plan(run)
    name = plan.params.model_name
    tags = {
        "run_id": run.run_id,
        "period": run.period,
        "data_version": read_json(workspace.version, DataVersion).data_version,
        "code_version": plan.code_version,
        **{f"metric.{metric}": repr(value) for metric, value in evaluation.metrics.items()},
    }
    version = tracking.register(read_json(workspace.training, Training).model_uri, name, tags)
    sample = read_parquet(workspace.features(run.period)).head(SAMPLE_ROWS)
    loaded = tracking.load_model(name, version.version)
    now = probability(loaded, sample.drop(LABEL))
    before = read_parquet(workspace.scores)["probability"].head(SAMPLE_ROWS).to_numpy()
    if not np.allclose(now, before, rtol=0, atol=1e-12):
        raise RuntimeError(
            f"Version {version.version} of {name} scores differently when loaded from the registry "
            f"(by up to {np.abs(now - before).max():.2g}): it is not released."
        )
    tracking.promote(name, version.version)
    return version


@contextmanager
def _one_at_a_time(run: Run) -> Iterator[None]:
    root = UPath(run.root)
    if root.protocol not in ("", "file", "local"):
        yield  # no lock to be had there: let the orchestrator run one at a time
        return
    with FileLock(Path(root.path) / ".release.lock", timeout=LOCK_SECONDS):
        yield
