"""What the tests share: a small source, and projects that a test may do with as it likes."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

# On so few rows threads gain nothing, and they wait for each other where the machine is busy.
os.environ.setdefault("OMP_NUM_THREADS", "1")

os.environ.pop("ALERT_URLS", None)  # nobody is woken by a test

import polars as pl
import pytest
import yaml

from {{{ cookiecutter.package_name }}} import tracking
from {{{ cookiecutter.package_name }}}.once import once
from {{{ cookiecutter.package_name }}}.params import Params, load_params
from {{{ cookiecutter.package_name }}}.plan import plan_run, read_plan
from {{{ cookiecutter.package_name }}}.results import Result, history
from {{{ cookiecutter.package_name }}}.steps import (
    evaluate,
    features,
    ingest,
    release,
    report,
    train,
    validate,
    version,
)
from {{{ cookiecutter.package_name }}}.workspace import (
    Run,
    Workspace,
    read_json,
)

from .inbox import inbox  # noqa: F401 - a fixture
from .orchestrator import adapter, server  # noqa: F401 - fixtures

ROOT = Path(__file__).parents[1]
NOW = datetime(2014, 1, 2, tzinfo=UTC)
# Tests stay in their folder, also where the project's own runs read and write elsewhere.
HERE = {"source": "data/source", "runs": "runs", "predictions": "predictions"}
THINNED = 8  # every so many flights are kept, all the weather

# What an orchestrator calls its tasks.
TASKS = (
    "plan",
    "ingest",
    "validate",
    "quarantine",
    "version",
    "features",
    "train",
    "evaluate",
    "release",
    "report",
)

# Those of good data, in their order; and which waits for which, bad data included.
CHAIN = tuple(task for task in TASKS if task not in ("plan", "quarantine"))
DESIGN = {*pairwise(CHAIN), ("validate", "quarantine"), ("quarantine", "report")}

Change = Callable[[pl.DataFrame], pl.DataFrame]


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
            (content[outer[0]] if outer else content)[key] = value
        file.write_text(yaml.safe_dump(content), encoding="utf-8")

    def delivered(self, table: str, month: str) -> Path:
        """The file of a monthly table at the source."""
        return self.folder / f"data/source/{table}/month={month}/{table}.parquet"

    def deliver(self, table: str, month: str, change: Change) -> None:
        """Change a file at the source."""
        file = self.delivered(table, month)
        change(pl.read_parquet(file)).write_parquet(file)

    def plan(self, period: str | None = None, at: datetime = NOW) -> Run:
        return plan_run(self.params, period, at)

    def work(self, period: str, last: str = "report") -> Run:
        """Run the steps for a period, in the order of the graph, up to and with the `last`."""
        run = self.plan(period)
        advance(run, last)
        return run

    def result(self, run: Run) -> Result:
        """How a run ended."""
        return read_json(Workspace(run).result, Result)

    def files(self) -> set[str]:
        """What lies in the folder."""
        return {str(file.relative_to(self.folder)) for file in self.folder.rglob("*")}


GRAPH: dict[str, Callable[[Run], object]] = {
    "ingest": lambda run: [once(ingest.ingest, run, month) for month in read_plan(run).months],
    "validate": lambda run: once(validate.validate, run),
    "version": lambda run: once(version.version, run),
    "features": lambda run: [
        once(features.features, run, month) for month in validate.fit_months(run)
    ],
    "train": lambda run: once(train.train, run),
    "evaluate": lambda run: once(evaluate.evaluate, run),
    "release": lambda run: once(release.release, run),
    "report": lambda run: once(report.report, run, "none"),
}


def advance(run: Run, last: str) -> None:
    """Run the steps of good data in the order of the graph, up to and with the `last`."""
    for name, step in GRAPH.items():
        step(run)
        if name == last:
            return


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A part of the sample: enough for the contract and for a model that is worth something."""
    from scripts.sample_data import main

    folder = tmp_path_factory.mktemp("sample") / "source"
    main(folder)
    for file in folder.glob("flights/*/*.parquet"):
        pl.read_parquet(file).gather_every(THINNED).write_parquet(file)
    return folder


@pytest.fixture(scope="session")
def fresh(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which nothing has run; its registry is there, which takes seconds to make."""
    folder = tmp_path_factory.mktemp("fresh")
    shutil.copytree(source, folder / "data/source")
    shutil.copy(ROOT / "params.yaml", folder)
    (folder / ".dvc").mkdir()
    shutil.copy(ROOT / ".dvc/config", folder / ".dvc")
    Project(folder).tune(**HERE, train__max_iter=30)
    with pytest.MonkeyPatch.context() as patch:
        enter(folder, patch)
        tracking.client()
    return folder


@pytest.fixture(scope="session")
def after_april(fresh: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose champion is version 1, of 2013-04."""
    folder = shutil.copytree(fresh, tmp_path_factory.mktemp("april") / "project")
    with pytest.MonkeyPatch.context() as patch:
        enter(folder, patch)
        Project(folder).work("2013-04")
    return folder


@pytest.fixture(scope="session")
def before_may(after_april: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, in which 2013-05 has gone as far as its evaluation."""
    folder = shutil.copytree(after_april, tmp_path_factory.mktemp("may") / "project")
    with pytest.MonkeyPatch.context() as patch:
        enter(folder, patch)
        Project(folder).work("2013-05", last="evaluate")
    return folder


def enter(folder: Path, patch: pytest.MonkeyPatch) -> Project:
    """Make a project the current one."""
    patch.chdir(folder)
    patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
    return Project(folder)


def copy_of(folder: Path, tmp_path: Path) -> Path:
    """Copy a project to where none was before.

    MLflow remembers databases by their path, and pytest may give the path of a test that has
    passed to another one.
    """
    return shutil.copytree(folder, tmp_path / uuid4().hex[:8])


@pytest.fixture
def project(fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project of the test's own, in which nothing has run."""
    return enter(copy_of(fresh, tmp_path), monkeypatch)


@pytest.fixture
def released(after_april: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project of the test's own, whose champion is version 1, of 2013-04."""
    return enter(copy_of(after_april, tmp_path), monkeypatch)


@pytest.fixture
def evaluated(before_may: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The same, in which 2013-05 is about to be released."""
    return enter(copy_of(before_may, tmp_path), monkeypatch)


def check_first_release(folder: Path, result: Result, orchestrator: str) -> None:
    """See that the first run of a project released its model, and left nothing else."""
    assert result.status == "released"
    assert result.orchestrator == orchestrator
    assert result.champion_before is None
    assert result.champion_after is not None
    assert result.champion_after.run_id == result.run_id
    assert history(str(folder / "runs")) == {result.run_id: result}
    assert set(result.seconds) == {*TASKS, "all"} - {"plan", "quarantine"}


def remove_after(folder: Path, month: str) -> None:
    """Let a month be the newest at the source of a project."""
    for late in folder.glob("data/source/*/month=*"):
        if late.name > f"month={month}":
            shutil.rmtree(late)


def drop_a_third(rows: pl.DataFrame) -> pl.DataFrame:
    """Lose a third of a required column."""
    lost = pl.int_range(pl.len()) % 3 == 0
    return rows.with_columns(pl.when(~lost).then("dest").alias("dest"))


def failing(
    patch: pytest.MonkeyPatch, module: Any, name: str, error: Exception, times: int
) -> list[Any]:
    """Let a step raise `error` the first `times`; return its calls, which grow."""
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
