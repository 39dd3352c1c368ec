"""What the tests of the runtime share: projects in which a test may do as it likes.

They run on a domain of their own, in `domain/`: see `package.py`.

- Fixtures: `project` (nothing has run), `released` (version `V[1]`, of `P[4]`, is the champion) and
  `evaluated` (the same, and `P[5]` is about to be released) are a test's own and the current
  folder. `fresh`, `released_folder` and `evaluated_folder` are what they are copied from.
- `Project` changes parameters and deliveries, and runs steps without an orchestrator.
- `adapter` and `server` are the orchestrator's, from `orchestrator.py`.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import wraps
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

# On so few rows threads gain nothing, and they wait for each other where the machine is busy.
os.environ.setdefault("OMP_NUM_THREADS", "1")

os.environ.pop("ALERT_URLS", None)  # a test alerts nobody
os.environ.pop("SOURCE", None)

import polars as pl
import pytest
import yaml

import {{{ cookiecutter.package_name }}} as under_test
from {{{ cookiecutter.package_name }}}.runtime import room
from {{{ cookiecutter.package_name }}}.runtime.config import Params, load_params
from {{{ cookiecutter.package_name }}}.runtime.files import read_json
from {{{ cookiecutter.package_name }}}.runtime.periods import (
    PARTITIONS,
    bounds,
    period_of,
    shift,
)
from {{{ cookiecutter.package_name }}}.runtime.registry import registry
from {{{ cookiecutter.package_name }}}.runtime.results import Champion, Quality, Result
from {{{ cookiecutter.package_name }}}.runtime.run.checkpoint import checkpoint
from {{{ cookiecutter.package_name }}}.runtime.run.outcome import history
from {{{ cookiecutter.package_name }}}.runtime.run.plan import plan_run, read_plan
from {{{ cookiecutter.package_name }}}.runtime.run.run_dir import Run, RunDir
from {{{ cookiecutter.package_name }}}.runtime.steps import (
    evaluate,
    features,
    ingest,
    quarantine,
    release,
    report,
    snapshot,
    train,
    validate,
)

from . import package, tracked
from .deliveries import FIRST, write_source
from .inbox import inbox  # noqa: F401 - a fixture
from .orchestrator import adapter, server  # noqa: F401 - fixtures
from .servers import ours, proxy  # noqa: F401 - fixtures

ROOT = package.PROJECT
PARAMS = package.DOMAIN / "params.yaml"
NOW = datetime(2014, 1, 2, tzinfo=UTC)
"""All periods of the source had ended."""

# What an orchestrator calls its tasks.
TASKS = (
    "plan",
    "ingest",
    "validate",
    "quarantine",
    "snapshot",
    "features",
    "train",
    "evaluate",
    "release",
    "report",
)

# Those of good data, in their order; and which waits for which, bad data included.
# A team may add tasks before, between and after them.
CHAIN = tuple(task for task in TASKS if task not in ("plan", "quarantine"))
DESIGN = {*pairwise(CHAIN), ("validate", "quarantine"), ("quarantine", "report")}

MAIN = room.tables().MAIN
OUTCOME = room.tables().OUTCOME
SCHEMA = room.tables().TABLES[MAIN]
KEY: list[str] = list(SCHEMA.unique or [])

Change = Callable[[pl.DataFrame], pl.DataFrame]


REQUIRED = "weight"
"""A column of the main table of which few values may be missing."""

OTHER_TRAIN = {"alpha": 100.0}
"""Another section `train` of `params.yaml`."""

P = ["", *(shift(FIRST, number) for number in range(12))]
"""The periods of the source: `P[1]` is the first, `P[12]` the last."""

V = tracked.VERSIONS
"""What the registry calls its versions: `V[1]` is the first."""

NEXT, NEVER = shift(P[12], 1), period_of(date(2099, 1, 5))
"""Periods that the source lacks: the one after its last, and one that has not ended."""


def pytest_configure() -> None:
    """Refuse to test another package than `package.py` makes."""
    if not Path(str(vars(room.tables())["__file__"])).samefile(package.DOMAIN / "tables.py"):
        pytest.exit("The tests of the runtime run alone: `make test`, or `pytest tests/runtime`.")


def end_of(period: str) -> datetime:
    """Return when a period ended."""
    return bounds(period, room.tables().TIME_ZONE)[1]


def allowed_missing(table: str, column: str) -> float:
    """Return the share of a column that may be missing."""
    rules = (room.tables().TABLES[table].columns[column].metadata or {}).get("rules", [])
    return float(next((rule.allowed for rule in rules if rule.what == "missing"), 1))


@dataclass(frozen=True)
class Project:
    """A project's folder, which is also the current one: parameters, source, runs and registry."""

    folder: Path

    @property
    def params(self) -> Params:
        return load_params(self.folder / "params.yaml")

    def tune(self, **values: Any) -> None:
        """Change parameters; one within another is written `train__seed`."""
        file = self.folder / "params.yaml"
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        for name, value in values.items():
            *outer, key = name.split("__")
            (content.setdefault(outer[0], {}) if outer else content)[key] = value
        file.write_text(yaml.safe_dump(content), encoding="utf-8")

    def delivered(self, table: str, period: str) -> Path:
        """Return the file of a dated table at the source."""
        return self.folder / f"data/source/{table}/{PARTITIONS[0]}={period}/{table}.parquet"

    def deliver(self, table: str, period: str, change: Change) -> None:
        """Change a file at the source."""
        file = self.delivered(table, period)
        change(pl.read_parquet(file)).write_parquet(file)

    def plan(self, period: str | None = None, at: datetime = NOW) -> Run:
        """Plan a run for a period; None is the newest that had ended."""
        return plan_run(self.params, period, at)

    def work(self, period: str | None, last: str = "report") -> Run:
        """Run the steps for a period, in the order of the graph, up to and with the `last`."""
        run = self.plan(period)
        advance(run, last)
        return run

    def result(self, run: Run) -> Result:
        """Return how a run ended."""
        return read_json(RunDir(run).result, Result)

    def files(self) -> set[str]:
        """Return all paths in the folder."""
        return {str(file.relative_to(self.folder)) for file in self.folder.rglob("*")}


GRAPH: dict[str, Callable[[Run], object]] = {
    "ingest": lambda run: [
        checkpoint(ingest.ingest, run, period) for period in read_plan(run).periods
    ],
    "validate": lambda run: checkpoint(validate.validate, run),
    "snapshot": lambda run: checkpoint(snapshot.snapshot, run),
    "features": lambda run: [
        checkpoint(features.features, run, period) for period in validate.good_periods(run)
    ],
    "train": lambda run: checkpoint(train.train, run),
    "evaluate": lambda run: checkpoint(evaluate.evaluate, run),
    "release": lambda run: checkpoint(release.release, run),
    "report": lambda run: checkpoint(report.report, run, "none"),
}


def advance(run: Run, last: str) -> None:
    """Run the steps in the order of the graph, up to and with the `last`.

    Bad data take the other branch, to quarantine and report.
    """
    for name, step in GRAPH.items():
        step(run)
        if name == last:
            return
        if name == "validate" and not read_json(RunDir(run).quality, Quality).good:
            checkpoint(quarantine.quarantine, run)
            checkpoint(report.report, run, "none")
            return


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source: `<table>/[<partition>=<period>/]<table>.parquet`, of the periods `P`."""
    folder = tmp_path_factory.mktemp("sample") / "source"
    write_source(folder)
    return folder


@pytest.fixture(scope="session")
def fresh(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which nothing has run; its registry is there, which takes seconds to make."""
    folder = tmp_path_factory.mktemp("fresh")
    shutil.copytree(source, folder / "data/source")
    shutil.copy(PARAMS, folder)
{% if cookiecutter.versioning == "dvc" %}
    (folder / ".dvc").mkdir()
    shutil.copy(ROOT / ".dvc/config", folder / ".dvc")
{% endif %}
    with pytest.MonkeyPatch.context() as patch:
        enter(folder, patch)
        tracked.prepare()
    return folder


@pytest.fixture(scope="session")
def released_folder(fresh: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose champion is version `V[1]`, of `P[4]`."""
    folder = shutil.copytree(fresh, tmp_path_factory.mktemp("released") / "project")
    with pytest.MonkeyPatch.context() as patch:
        enter(folder, patch).work(P[4])
    return folder


@pytest.fixture(scope="session")
def evaluated_folder(released_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, in which the run for `P[5]` has come as far as its evaluation."""
    folder = shutil.copytree(released_folder, tmp_path_factory.mktemp("evaluated") / "project")
    with pytest.MonkeyPatch.context() as patch:
        enter(folder, patch).work(P[5], last="evaluate")
    return folder


def enter(folder: Path, patch: pytest.MonkeyPatch) -> Project:
    """Make a project the current one, and return it."""
    patch.chdir(folder)
    tracked.point(folder, patch)
    return Project(folder)


def copy_of(folder: Path, tmp_path: Path) -> Path:
    """Copy a project to where none was before, and return where that is.

    A tracker may remember databases by their path, and pytest may give the path of a test that has
    passed to another one.
    """
    return shutil.copytree(folder, tmp_path / uuid4().hex[:8])


def copy_package(code: Path) -> Path:
    """Copy the package under test into a folder, as the code that a test changes."""
    return shutil.copytree(Path(str(under_test.__file__)).parent, code / package.NAME)


def python(code: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run Python in the current folder, on the package that was copied into `code`."""
    return subprocess.run(
        [sys.executable, *words],
        env=os.environ | {"PYTHONPATH": str(code)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def project(fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project of the test's own, in which nothing has run."""
    return enter(copy_of(fresh, tmp_path), monkeypatch)


@pytest.fixture
def released(released_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project of the test's own, whose champion is version `V[1]`, of `P[4]`."""
    return enter(copy_of(released_folder, tmp_path), monkeypatch)


@pytest.fixture
def evaluated(evaluated_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The same, in which `P[5]` is about to be released."""
    return enter(copy_of(evaluated_folder, tmp_path), monkeypatch)


def champion_of(project: Project) -> Champion:
    """Return the champion, which must be there."""
    found = registry.champion(project.params.model_name)
    assert found is not None
    return found


def waits(edges: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return which task waits for which, also by way of others."""
    found = set(edges)
    while more := {(a, d) for a, b in found for c, d in edges if b == c} - found:
        found |= more
    return found


def check_first_release(folder: Path, result: Result, orchestrator: str) -> None:
    """Check that the first run of a project released its model, and left nothing else."""
    assert result.status == "released"
    assert result.orchestrator == orchestrator
    assert result.champion_before is None
    assert result.champion_after is not None
    assert result.champion_after.run_id == result.run_id
    assert [past.result for past in history(str(folder / "runs"))] == [result]
    assert set(result.seconds) >= {*CHAIN, "all"}


def remove_after(folder: Path, period: str) -> None:
    """Make a period the newest at the source of a project."""
    for partition in folder.glob(f"data/source/*/{PARTITIONS[0]}=*"):
        if partition.name > f"{PARTITIONS[0]}={period}":
            shutil.rmtree(partition)


def drop_a_third(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows of the main table with a third of a required column lost."""
    lost = pl.int_range(pl.len()) % 3 == 0
    return rows.with_columns(pl.when(~lost).then(REQUIRED).alias(REQUIRED))


def failing(
    patch: pytest.MonkeyPatch, module: Any, name: str, error: Exception, times: int
) -> list[Any]:
    """Let a step raise `error` the first `times`; return its calls, a list that grows."""
    step: Callable[..., Any] = getattr(module, name)
    calls: list[Any] = []

    @wraps(step)
    def faulty(*args: Any) -> Any:
        calls.append(args)
        if len(calls) <= times:
            raise error
        return step(*args)

    patch.setattr(module, name, faulty)
    return calls
