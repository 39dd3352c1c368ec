"""Deploys, alerts, faults and the compiled file, tested inside a rendered project.

The tests of `inside/` import the project's package and KFP. They are copied beside the project's
own tests of the runtime, whose fixtures they use, and run by the project's Python.
"""

from pathlib import Path

import pytest

from tests.projects import Project, clone

INSIDE = Path(__file__).parent / "inside"
TAKE_MINUTES = ("test_deploy.py", "test_local_runs.py")

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("kubeflow inside")]


@pytest.fixture(scope="module")
def project(kubeflow: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project that holds the tests of `inside/`, too."""
    project = clone(kubeflow, tmp_path_factory.mktemp("inside") / "my-pipeline")
    for file in INSIDE.glob("*.py"):
        (project.folder / "tests/runtime" / file.name).write_bytes(file.read_bytes())
    return project


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(file.name, marks=[pytest.mark.matrix] * (file.name in TAKE_MINUTES))
        for file in sorted(INSIDE.glob("test_*.py"))
    ],
)
def test_inside(project: Project, name: str) -> None:
    python = project.folder / ".venv/bin/python"
    words = ("-m", "pytest", "-q", f"tests/runtime/{name}")
    done = project.shell(python, *words, cwd=project.folder, ok=False)
    assert done.returncode == 0, done.stdout
    assert " skipped" not in done.stdout
