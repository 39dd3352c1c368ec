"""A project of days without delivery, stack and DVC: it runs, and takes them later."""

import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.projects import ORCHESTRATORS, Project, install, run_runtime_tests, share_types
from tests.shell import Shell

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("run declined")]

DECLINED = {"delivery": "none", "stack": "none", "monitoring": "none", "versioning": "none"}
PERIOD, LATER = "2013-06-17", "2013-06-18"
TAKEN = {"delivery": "github", "stack": "compose", "versioning": "dvc"}


@pytest.fixture(scope="module")
def declined(shell: Shell, request: pytest.FixtureRequest) -> Callable[[str], Project]:
    """Give the project of an orchestrator that declined all, after a run."""

    @cache
    def make(orchestrator: str) -> Project:
        installed: Project = request.getfixturevalue(ORCHESTRATORS[orchestrator])
        answers = {"orchestrator": orchestrator, "cadence": "daily"} | DECLINED
        project = install(shell, f"declined-{orchestrator}", installed, **answers)
        share_types(installed, project)
        project.make("run", f"PERIOD={PERIOD}")
        return project

    return make


def packages(project: Project) -> set[str]:
    """Return the names in the lock."""
    lock = tomllib.loads((project.folder / "uv.lock").read_text(encoding="utf-8"))
    return {package["name"] for package in lock["package"]}


EACH = [
    "prefect",
    *(pytest.param(name, marks=pytest.mark.matrix) for name in ORCHESTRATORS if name != "prefect"),
]


@pytest.mark.parametrize("orchestrator", EACH)
def test_it_passes_its_checks_and_is_used(
    orchestrator: str, declined: Callable[[str], Project]
) -> None:
    project = declined(orchestrator)
    project.make("lint")
    tests = [f"tests/runtime/test_{name}.py" for name in ("doctor", "machine", "config")]
    run_runtime_tests(project, "hash", *tests)
    run = project.results()[PERIOD]
    assert run["status"] == "released"
    assert len(run["data_version"]) == 64
    project.make("prune")


def test_dvc_is_a_fifth_of_the_lock(declined: Callable[[str], Project], project: Project) -> None:
    of_dvc = packages(project) - packages(declined("prefect"))
    assert "dvc" in of_dvc
    assert len(of_dvc) > 40


@pytest.mark.matrix
@pytest.mark.parametrize("orchestrator", ORCHESTRATORS)
def test_what_was_declined_is_taken_later(
    orchestrator: str, declined: Callable[[str], Project], tmp_path: Path
) -> None:
    """Runs from before have a data version that DVC does not store: `make prune` knows that."""
    before = declined(orchestrator)
    shell, folder = before.shell, tmp_path / "my-pipeline"
    shell("cp", "-r", before.folder, folder)
    project = Project(folder, shell)
    shell("rm", "-rf", ".venv", cwd=folder)
    answers = [word for name, answer in TAKEN.items() for word in ("-d", f"{name}={answer}")]
    shell("copier", "update", "--defaults", *answers, cwd=folder)
    project.make("setup")
    project.make("lint", "dvc-check")
    project.make("run", f"PERIOD={LATER}")
    run = project.results()[LATER]
    assert len(run["data_version"]) == 32
    assert run["champion_before"]["period"] == PERIOD
    project.make("data", f"VERSION={run['run_id']}")
    assert "Kept the data of 1 run and" in project.make("prune")
    project.make("repro")
