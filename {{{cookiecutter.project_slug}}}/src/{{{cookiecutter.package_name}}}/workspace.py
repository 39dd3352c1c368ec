"""The run, and the names of the files it makes.

A `Run` is the one value that tasks hand to each other; all else lies in the run's folder, in files
with the names given here. A file is there whole or not at all: a killed task leaves no half file.
"""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar
from uuid import uuid4

import polars as pl
from filelock import FileLock, Timeout
from pydantic import BaseModel
from upath import UPath

log = logging.getLogger(__name__)

Model = TypeVar("Model", bound=BaseModel)


class Run(BaseModel, frozen=True):
    """One piece of work: training for a period on exactly these data, parameters and code."""

    run_id: str
    """`<period>-<8 hex>`: the same work has the same id."""
    period: str
    """The month the model is judged on, `YYYY-MM`."""
    folder: str
    """The folder or URI of everything the run makes, `<runs>/<run_id>`."""


class Workspace:
    """The folder of a run."""

    def __init__(self, run: Run) -> None:
        """Name the files of `run`; nothing is made yet."""
        self.folder = UPath(run.folder)
        self.plan = self.folder / "plan.json"
        self.raw = self.folder / "raw"
        """The months as delivered, laid out like the source."""
        self.quality = self.folder / "quality.json"
        self.quarantine = self.folder / "quarantine.json"
        self.version = self.folder / "version.json"
        self.model = self.folder / "model.pkl"
        self.training = self.folder / "training.json"
        self.scores = self.folder / "scores.parquet"
        self.evaluation = self.folder / "evaluation.json"
        self.metrics = self.folder / "metrics.json"
        self.release = self.folder / "release.json"
        self.report = self.folder / "report.html"
        self.result = self.folder / "result.json"
        self.records = self.folder / "steps"
        """What each step returned, by `once`."""
        self.tries = self.folder / "tries"
        """How often each step was begun, by `once`."""
        self.locks = self.folder / ".locks"

    def manifest(self, month: str) -> UPath:
        """What was ingested of a month."""
        return self.folder / "manifests" / f"{month}.json"

    def features(self, month: str) -> UPath:
        """The joined table of a month."""
        return self.folder / "features" / f"{month}.parquet"

    def curve(self, name: str) -> UPath:
        """The points of a curve, as CSV."""
        return self.folder / "curves" / f"{name}.csv"

    def record(self, name: str) -> UPath:
        """What a step returned, and how long it took."""
        return self.records / f"{name}.json"

    def lock(self, name: str) -> UPath:
        """The lock of a step: one process at a time works on it."""
        return self.locks / name

    def sweep(self) -> None:
        """Remove what killed processes left half written, but of the plan: that is `plan_run`'s."""
        if is_local(self.folder):
            for part in self.folder.rglob(".*.part"):
                if not part.name.startswith(f".{self.plan.name}."):
                    part.unlink(missing_ok=True)


def is_local(path: UPath) -> bool:
    """Tell whether `path` is on a disk of this machine, where files can be renamed and locked."""
    return path.protocol in ("", "file", "local")


@contextmanager
def locked(file: UPath, waiting: str, patience: float = 3600) -> Iterator[None]:
    """Hold the lock `file`, which the operating system frees when its holder dies.

    Where the folder is not on a disk of this machine there is no lock: there the orchestrator sees
    to it that what must not overlap does not.

    Args:
        file: made if missing.
        waiting: what to log when another process holds it.
        patience: seconds to wait for it.

    Raises:
        filelock.Timeout: it was held for longer.
    """
    if not is_local(file):
        yield
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(file.path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        log.warning(waiting)
        lock.acquire(timeout=patience)
    try:
        yield
    finally:
        lock.release()


def write(file: UPath, content: bytes) -> None:
    """Write `file` whole or not at all, with the folders above it."""
    if not is_local(file):
        file.write_bytes(content)  # an object store shows an object only once it is complete
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.{uuid4().hex[:8]}.part")
    try:
        part.write_bytes(content)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def write_json(file: UPath, content: BaseModel) -> None:
    """Write `content` as indented JSON."""
    write(file, content.model_dump_json(indent=2).encode() + b"\n")


def read_json(file: UPath, model: type[Model]) -> Model:
    """Read what `write_json` wrote."""
    return model.model_validate_json(file.read_bytes())


def write_parquet(file: UPath, table: pl.DataFrame) -> None:
    """Write `table` as Parquet, packed by what is quick to write and known everywhere."""
    buffer = io.BytesIO()
    table.write_parquet(buffer, compression="snappy")
    write(file, buffer.getvalue())


def read_parquet(file: UPath) -> pl.DataFrame:
    """Read one Parquet file."""
    return pl.read_parquet(io.BytesIO(file.read_bytes()))
