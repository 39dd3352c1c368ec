"""The same commit and data give the same lock, run and metrics on every Python and in the image.

These are the versions that the question `python_version` offers. Each runs a clone of one project.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.projects import Project, install, interpreter, need_docker
from tests.run.test_kubeflow import STEPS
from tests.shell import ROOT, Shell

pytestmark = [pytest.mark.slow, pytest.mark.matrix, pytest.mark.xdist_group("pythons")]

OFFERED: list[str] = json.loads((ROOT / "cookiecutter.json").read_bytes())["python_version"]
PERIODS = ("2013-05", "2013-06")
SAME = ("run_id", "status", "rows", "data_version", "code_version")

COMPUTING = ("numpy", "scipy", "scikit-learn", "polars", "pyarrow", "joblib")
"""The packages whose releases may change a number."""
TOLERANCE = 1e-6
"""By how much metrics may differ if these packages do; otherwise they must be equal."""

PACKAGES = """
import json
from importlib.metadata import distributions
found = {d.metadata["Name"].lower().replace("_", "-"): d.version for d in distributions()}
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Outcome:
    """The results of the commit on a Python."""

    python: str
    packages: dict[str, str]
    results: dict[str, Any]
    """The content of `result.json`, by period."""


@pytest.fixture(scope="module")
def committed(shell: Shell) -> Project:
    """Return the project, with its lock, that is cloned for each Python."""
    return install(shell, "for-every-python")


@pytest.fixture(scope="module")
def under(
    committed: Project, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Outcome | None]:
    """Return a cached function: the outcome on a Python, None if that is not installed."""

    @cache
    def run(version: str) -> Outcome | None:
        if python := interpreter(version):
            return run_clone(committed, tmp_path_factory.mktemp(version) / "it", python)
        return None

    return run


def run_clone(committed: Project, folder: Path, python: Path) -> Outcome:
    """Clone the project, set it up with a Python, check that the lock is unchanged, and run it."""
    shell, lock = committed.shell, folder / "uv.lock"
    shell("git", "clone", "-q", committed.folder, folder)
    if (committed.folder / ".uv").exists():  # `make` fetched uv
        (folder / ".uv").symlink_to(committed.folder / ".uv")
        (folder / ".git/info/exclude").write_text(".uv\n")
    project = Project(folder, shell)
    uv = folder / ".uv/bin/uv" if (folder / ".uv").exists() else "uv"
    with_python = ("env", f"UV_PYTHON={python}")
    shell(*with_python, uv, "lock", "--check", cwd=folder)
    shell(*with_python, "make", "setup", cwd=folder)
    project.make("lint")  # stubs, too, are those of the Python
    for period in PERIODS:
        project.make("run", f"PERIOD={period}")
    assert lock.read_bytes() == (committed.folder / "uv.lock").read_bytes()
    assert not shell("git", "status", "--porcelain", cwd=folder).stdout
    own = folder / ".venv/bin/python"
    return Outcome(
        python=shell(own, "--version").stdout.split()[1],
        packages=json.loads(shell(own, "-c", PACKAGES, cwd=folder).stdout),
        results=project.results(),
    )


def compare(one: Outcome, other: Outcome, where: str) -> None:
    """Check that two outcomes are the same; print the packages that differ."""
    names = sorted({*one.packages, *other.packages})
    others = {n for n in names if one.packages.get(n) != other.packages.get(n)} - {"pip"}
    computing = {name: one.packages[name] for name in COMPUTING if name in others}
    allowed = TOLERANCE if computing else 0.0
    for period, result in other.results.items():
        expected = one.results[period]
        assert {n: result[n] for n in SAME} == {n: expected[n] for n in SAME}
        metrics, before = result["metrics"], expected["metrics"]
        assert metrics.keys() == before.keys()
        furthest = max(abs(metrics[name] - before[name]) for name in metrics)
        print(
            f"{period} on {other.python} {where}: run {result['run_id']}, data "
            f"{result['data_version'][:8]}, AUC {metrics['auc']:.6f}; metrics differ from those "
            f"on {one.python} by at most {furthest:.0e}, {allowed:.0e} allowed"
        )
        assert furthest <= allowed
    for name in sorted(others):
        print(f"  {name}: {one.packages.get(name)} there, {other.packages.get(name)} here")
    document = (ROOT / "{{{cookiecutter.project_slug}}}/docs/architecture.md").read_text()
    (text,) = [part for part in document.split("\n\n") if part.startswith("**The same everywhere")]
    for name in computing:
        assert name in text, f"docs/architecture.md does not say that {name} differs"


@pytest.mark.parametrize("version", OFFERED)
def test_a_python_gives_the_same(version: str, under: Callable[[str], Outcome | None]) -> None:
    if not (outcome := under(version)):
        pytest.skip(f"Python {version} is not installed")
    assert outcome.python.startswith(f"{version}.")
    assert outcome.results["2013-05"]["status"] == "released"
    first = next(filter(None, map(under, OFFERED)))
    compare(first, outcome, "outside")


@pytest.fixture
def image(committed: Project) -> Iterator[str]:
    """Build the project's image if there is a Docker engine; yield its name."""
    need_docker()
    name = f"my-pipeline-everywhere:{uuid4().hex[:8]}"
    file = f"--file={committed.folder / 'ops/Dockerfile'}"
    committed.shell("docker", "build", "--quiet", "--tag", name, file, committed.folder)
    yield name
    committed.shell("docker", "image", "rm", name)


def test_the_image_gives_the_same(
    committed: Project, image: str, under: Callable[[str], Outcome | None], tmp_path: Path
) -> None:
    """All steps, as its own user, without a network or an orchestrator, for one period."""
    first = next(filter(None, map(under, OFFERED)))
    for name in ("data", "runs", "mlruns"):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(0o777)
    committed.make("data")
    shutil.copytree(committed.folder / "data/source", tmp_path / "data/source")
    volumes = [f"--volume={tmp_path / name}:/app/{name}" for name in ("data", "runs", "mlruns")]
    tracker = "--env=MLFLOW_TRACKING_URI=sqlite:////app/mlruns/mlflow.db"
    docker = ("docker", "run", "--rm", "--network=none", tracker)
    committed.shell(*docker, *volumes, image, "python", "-c", STEPS)
    results = Project(tmp_path, committed.shell).results()
    assert list(results) == [PERIODS[0]]
    about = committed.shell(*docker, image, "python", "-c", PACKAGES).stdout
    version = committed.shell(*docker, image, "python", "--version").stdout.split()[1]
    there = json.loads(about)
    for_tools = {name: said for name, said in first.packages.items() if name not in there}
    compare(first, Outcome(version, there | for_tools, results), "in the image")
