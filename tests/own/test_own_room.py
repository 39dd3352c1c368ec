"""A team replaces the sample by a regression of its own: its modules, and nothing else.

They are those of `tests/runtime/domain/` in the tree.
"""

import shutil

import pytest

from tests.blocks import git_rm
from tests.projects import Project, clone

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("own room")]

DELIVER = """
from pathlib import Path
from tests.runtime.deliveries import write_source
write_source(Path("data/source"))
"""


@pytest.fixture(scope="module")
def team(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project whose team has replaced the sample, and deleted its tests."""
    ours = clone(project, tmp_path_factory.mktemp("team") / "my-pipeline")
    package, tests = ours.folder / "src/my_pipeline", ours.folder / "tests"
    for module in tests.glob("runtime/domain/*.py"):
        shutil.copy(module, package)
    ours.shell("sh", "-c", git_rm(ours.folder), cwd=ours.folder)
    (tests / "test_evaluation.py").unlink()  # of the sample's metrics
    shutil.copy(tests / "runtime/domain/params.yaml", ours.folder)
    shutil.rmtree(ours.folder / "data/source")
    return ours


def python(team: Project, *words: str) -> tuple[int, str]:
    """Run the team's package, and not the one that the environment was made for."""
    program = (team.folder / ".venv/bin/python", "-m", "my_pipeline", *words)
    done = team.shell("env", "PYTHONPATH=src", *map(str, program), cwd=team.folder, ok=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.matrix
def test_runs_release_what_is_better_where_lower_is_better(team: Project) -> None:
    team.shell(
        *("env", "PYTHONPATH=src", team.folder / ".venv/bin/python"),
        *("-c", DELIVER),
        cwd=team.folder,
    )
    for period in ("2013-04", "2013-05"):
        code, said = python(team, "run", "--period", period)
        assert code == 0, said
    results = team.results()
    assert results["2013-04"]["status"] == "released"
    result = results["2013-05"]
    gained = result["champion_before"]["metrics"] != result["champion_after"]["metrics"]
    assert (result["status"] == "released") == gained
    assert "than the champion: MAE " in result["reason"]


@pytest.mark.matrix
def test_what_people_read_names_the_team_s_metric(team: Project) -> None:
    _, said = python(team, "status")
    assert "MAE" in said
    assert "AUC" not in said
    run = team.folder / "runs" / team.results()["2013-05"]["run_id"]
    assert "Predicted against actual" in (run / "report.html").read_text()
    code, said = python(team, "report", "--run", run.name)
    assert code == 0, said


@pytest.mark.matrix
def test_the_checks_of_the_project_pass(team: Project) -> None:
    for command in (
        ("ruff", "check", "."),
        ("ruff", "format", "--check", "."),
        ("mypy",),
        ("lint-imports",),
    ):
        program = team.folder / ".venv/bin" / command[0]
        team.shell("env", "PYTHONPATH=src", program, *command[1:], cwd=team.folder)
    code, said = python(team, "check-room")
    assert code == 0, said


@pytest.mark.matrix
def test_the_tests_of_the_runtime_pass(team: Project) -> None:
    """They have a domain of their own."""
    program = ("env", f"PYTHONPATH={team.folder / 'src'}", team.folder / ".venv/bin/python")
    words = ("-m", "pytest", "tests/runtime", "-n", "auto", "--dist", "loadfile")
    team.shell(*program, *words, cwd=team.folder)
