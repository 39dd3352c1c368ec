"""The run, and the names of the files it makes.

A `Run` is the one value that tasks hand to each other; all else lies in the run's folder, in files
with the names given here. A file is there whole or not at all: a killed task leaves no half file.
"""

import io
import json
import time
from collections.abc import Callable
from functools import wraps
from operator import itemgetter
from typing import Any, Concatenate, ParamSpec, TypeVar, cast
from uuid import uuid4

import polars as pl
from pydantic import BaseModel
from upath import UPath

Model = TypeVar("Model", bound=BaseModel)
Given = ParamSpec("Given")
Returned = TypeVar("Returned")


class Run(BaseModel, frozen=True):
    """One piece of work: training for a period on exactly these data, parameters and code."""

    run_id: str
    """`<period>-<8 hex>`: the same work has the same id."""
    period: str
    """The month the model is judged on, `YYYY-MM`."""
    root: str
    """The folder or URI below which every run has its folder."""


class Workspace:
    """The folder of a run, `<root>/<run_id>/`."""

    def __init__(self, run: Run) -> None:
        """Name the files of `run`; nothing is made yet."""
        self.folder = UPath(run.root) / run.run_id
        self.plan = self.folder / "plan.json"
        self.quality = self.folder / "quality.json"
        self.quarantine = self.folder / "quarantine.json"
        self.version = self.folder / "version.json"
        self.model = self.folder / "model.pkl"
        self.training = self.folder / "training.json"
        self.scores = self.folder / "scores.parquet"
        self.evaluation = self.folder / "evaluation.json"
        self.release = self.folder / "release.json"
        self.report = self.folder / "report.html"
        self.result = self.folder / "result.json"

    def raw(self, month: str) -> UPath:
        """The folder of a month's raw tables, each a folder of Parquet files."""
        return self.folder / "raw" / month

    def manifest(self, month: str) -> UPath:
        """What was ingested of a month."""
        return self.folder / "manifests" / f"{month}.json"

    def features(self, month: str) -> UPath:
        """The joined table of a month."""
        return self.folder / "features" / f"{month}.parquet"

    def seconds(self) -> dict[str, float]:
        """How long each step took; the months of a step are added up."""
        total: dict[str, float] = {}
        files = (self.folder / "seconds").glob("*.json")
        for took in sorted((json.loads(f.read_bytes()) for f in files), key=itemgetter("started")):
            total[took["step"]] = round(total.get(took["step"], 0.0) + took["seconds"], 3)
        return total


def is_local(path: UPath) -> bool:
    """Tell whether `path` is on a disk of this machine, where files can be renamed and locked."""
    return path.protocol in ("", "file", "local")


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
    """Write `table` as Parquet."""
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    write(file, buffer.getvalue())


def read_parquet(file: UPath) -> pl.DataFrame:
    """Read one Parquet file."""
    return pl.read_parquet(io.BytesIO(file.read_bytes()))


def timed(
    step: Callable[Concatenate[Run, Given], Returned],
) -> Callable[Concatenate[Run, Given], Returned]:
    """Keep with the run how many seconds `step` took, whoever called it."""

    @wraps(step)
    def wrapper(run: Run, *args: Given.args, **kwargs: Given.kwargs) -> Returned:
        began, started = time.time(), time.perf_counter()
        returned = step(run, *args, **kwargs)
        took: dict[str, Any] = {
            "step": step.__name__,
            "started": began,
            "seconds": round(time.perf_counter() - started, 3),
        }
        name = "-".join([step.__name__, *(str(arg) for arg in args)])
        file = Workspace(run).folder / "seconds" / f"{name}.json"
        write(file, json.dumps(took).encode())
        return returned

    return cast("Callable[Concatenate[Run, Given], Returned]", wrapper)
