"""Code blocks of docs/problems.md and docs/steps.md, applied to a project, run there."""

from pathlib import Path

import pytest

from tests import blocks
from tests.projects import (
    ORCHESTRATORS,
    Project,
    clone,
    make_own,
    share_types,
    with_answers,
)
from tests.shell import ROOT, TREE, change

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("default project")]


def failing(project: Project, *words: str) -> set[str]:
    """Run some of the project's tests, and return the files in which one fails."""
    python = project.folder / ".venv/bin/python"
    given = ("env", f"PYTHONPATH={project.folder / 'src'}", python, "-m", "pytest", "-q", "-rf")
    done = project.shell(*given, *words, cwd=project.folder, ok=False)
    assert " passed" in done.stdout, done.stdout + done.stderr
    assert " error" not in done.stdout.splitlines()[-1], done.stdout
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED ")]
    return {line.split()[1].partition("::")[0] for line in failed}


def add_step(project: Project) -> None:
    """Apply the blocks of docs/steps.md."""
    blocks.apply((project.folder / "docs/steps.md").read_text(encoding="utf-8"), project)


def solve(project: Project, heading: str) -> str:
    """Apply the blocks of a section of docs/problems.md, and return its text."""
    text = blocks.section(project.folder / "docs/problems.md", heading)
    blocks.apply(text, project)
    return text


@pytest.mark.matrix
@pytest.mark.parametrize("orchestrator", ORCHESTRATORS)
def test_a_step_of_your_own(
    orchestrator: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    original: Project = request.getfixturevalue(ORCHESTRATORS[orchestrator])
    project = clone(original, tmp_path / "my-pipeline")
    share_types(original, project)
    add_step(project)
    make_own(project, "format", "lint", *(["compile"] if orchestrator == "kubeflow" else []))
    make_own(project, "run", "PERIOD=2013-05")
    result = project.results()["2013-05"]
    assert result["status"] == "released"
    assert list(result["seconds"])[-4:-1] == ["audit", "release", "report"]
    assert (project.folder / "runs" / result["run_id"] / "audit.json").exists()


@pytest.mark.matrix
@pytest.mark.parametrize("orchestrator", ORCHESTRATORS)
def test_the_tests_of_the_runtime_pass_with_a_step_of_your_own(
    orchestrator: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """The step needs the team's tables, which are not those of the tests."""
    project = clone(request.getfixturevalue(ORCHESTRATORS[orchestrator]), tmp_path / "my-pipeline")
    add_step(project)
    change(project.folder / "src/my_pipeline/audit.py", "[PREDICTION].n", '["carrier"].n')
    if orchestrator == "kubeflow":
        make_own(project, "compile")
    own = (ROOT / TREE / "tests/runtime").glob(f"*__{orchestrator}}}}}}}test_*.py")
    names = [*(file.name.partition("}}}")[2] for file in own), "test_experiment.py"]
    assert failing(project, *(f"tests/runtime/{name}" for name in names)) == set()


@pytest.mark.matrix
def test_a_step_of_your_own_is_a_stage_of_an_experiment(project: Project, tmp_path: Path) -> None:
    ours = clone(project, tmp_path / "my-pipeline")
    add_step(ours)
    make_own(ours, "repro")
    assert (ours.folder / "experiment/audit.json").exists()
    assert "audit" in (ours.folder / "dvc.lock").read_text()


@pytest.mark.matrix
def test_more_than_two_classes(project: Project, tmp_path: Path) -> None:
    ours = clone(project, tmp_path / "my-pipeline")
    text = solve(ours, "## More than two classes")
    make_own(ours, "format", "lint")
    listed = set(blocks.FILE.findall(text.rpartition("```")[2]))
    assert failing(ours, "tests") == listed
    check_two_runs(ours, "log loss")
    make_own(ours, "predict", "PERIOD=2013-07")


@pytest.mark.matrix
@pytest.mark.parametrize("source", ["files", "sql"])
def test_a_forecast(project: Project, tmp_path: Path, source: str) -> None:
    ours = with_answers(project, tmp_path, problem="regression", source=source)
    solve(ours, "## A forecast")
    make_own(ours, "format", "lint")
    assert failing(ours, "tests") == set()
    check_two_runs(ours, "MAE")
    make_own(ours, "predict", "PERIOD=2013-07")


def check_two_runs(project: Project, headline: str) -> None:
    """Check that a first model is released, and that the next is compared with it."""
    make_own(project, "backfill", "FROM=2013-05", "TO=2013-06")
    first, second = (project.results()[period] for period in ("2013-05", "2013-06"))
    assert first["status"] == "released"
    assert f"than the champion: {headline} " in second["reason"]
    assert "of version 1" in second["reason"]
