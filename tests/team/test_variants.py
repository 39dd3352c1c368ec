"""Weeks and days, a regression and a classification under every orchestrator.

Two runs each: a release, then a comparison with it.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.projects import ORCHESTRATORS, Project, make_own, share_types, with_answers
from tests.run.test_parity import assert_same
from tests.shell import change

pytestmark = pytest.mark.slow
RUNS = pytest.mark.xdist_group("team variants")

PERIODS = {"weekly": ("2013-W23", "2013-W24"), "daily": ("2013-06-17", "2013-06-18")}
PROBLEM = {"weekly": "regression", "daily": "binary"}
HEADLINE = {"regression": "mae", "binary": "auc"}
QUICK = [("airflow", "weekly")]  # test_declined.py has days
OTHERS = [pair for o in ORCHESTRATORS for c in PERIODS if (pair := (o, c)) not in QUICK]


def with_cadence(installed: Project, folder: Path, orchestrator: str, cadence: str) -> Project:
    """Render a project with the environment of an installed one, and a window of three periods."""
    answers = {"orchestrator": orchestrator, "cadence": cadence, "problem": PROBLEM[cadence]}
    project = with_answers(installed, folder, **answers)
    window = {"weekly": "window: 12", "daily": "window: 28"}[cadence]
    change(project.folder / "params.yaml", window, "window: 3")
    return project


@pytest.fixture(scope="module")
def projects(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str], Project]:
    """Give a project in which both periods were run, the first before the second."""

    @cache
    def run(orchestrator: str, cadence: str) -> Project:
        installed: Project = request.getfixturevalue(ORCHESTRATORS[orchestrator])
        project = with_cadence(installed, tmp_path_factory.mktemp("own"), orchestrator, cadence)
        for period in PERIODS[cadence]:
            make_own(project, "run", f"PERIOD={period}")
        return project

    return run


@RUNS
@pytest.mark.parametrize(
    ("orchestrator", "cadence"),
    [*QUICK, *(pytest.param(*pair, marks=pytest.mark.matrix) for pair in OTHERS)],
)
def test_a_release_and_a_comparison(
    orchestrator: str, cadence: str, projects: Callable[[str, str], Project]
) -> None:
    found = projects(orchestrator, cadence).results()
    first, second = PERIODS[cadence]
    assert found[first]["status"] == "released"
    assert found[second]["status"] in ("released", "kept_champion")
    assert found[second]["champion_before"]["period"] == first
    metric = HEADLINE[PROBLEM[cadence]]
    score = f"{metric.upper()} {found[second]['metrics'][metric]:.4f}"
    assert f"champion: {score} against " in found[second]["reason"]


@RUNS
@pytest.mark.matrix
@pytest.mark.parametrize("cadence", PERIODS)
def test_the_result_is_the_same(cadence: str, projects: Callable[[str, str], Project]) -> None:
    expected, *others = (projects(name, cadence).results() for name in ORCHESTRATORS)
    for other in others:
        for period in PERIODS[cadence]:
            assert_same(expected[period], other[period])


@pytest.mark.xdist_group("airflow project")
def test_the_regression_passes_its_checks(airflow: Project, tmp_path: Path) -> None:
    """Those of the code, and the tests of its room."""
    project = with_cadence(airflow, tmp_path, "airflow", "weekly")
    share_types(airflow, project)
    own, programs = f"PYTHONPATH={project.folder / 'src'}", project.folder / ".venv/bin"
    for program, *words in (
        ("ruff", "check", "."),
        ("ruff", "format", "--check", "."),
        ("mypy", "src", "tests"),
        ("pytest", "tests", "--ignore", "tests/runtime", "-n", "0"),
    ):
        project.shell("env", own, programs / program, *words, cwd=project.folder)
