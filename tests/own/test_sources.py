"""A SQL database as the source: the same results under every orchestrator."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import cache

import pytest

from tests.projects import ORCHESTRATORS, Project, install, run_runtime_tests
from tests.run.test_parity import assert_same
from tests.shell import Shell

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("own sources")]

QUICK = "airflow"
PERIOD = "2013-05"


@pytest.fixture(scope="module")
def projects(shell: Shell, request: pytest.FixtureRequest) -> Callable[[str], Project]:
    """Give a project of an orchestrator that reads a database, and was run from nothing."""

    @cache
    def run(orchestrator: str) -> Project:
        installed: Project = request.getfixturevalue(ORCHESTRATORS[orchestrator])
        answers = {"orchestrator": orchestrator, "source": "sql"}
        project = install(shell, f"sql-on-{orchestrator}", installed, **answers)
        project.make("run", f"PERIOD={PERIOD}")
        return project

    return run


def test_a_database_releases_a_model(projects: Callable[[str], Project]) -> None:
    result = projects(QUICK).results()[PERIOD]
    assert result["status"] == "released"
    assert result["rows"]["trained"] > result["rows"]["scored"] > 0


def test_its_own_tests_pass(projects: Callable[[str], Project]) -> None:
    run_runtime_tests(projects(QUICK), "sql")


@pytest.mark.matrix
def test_the_result_is_the_same(projects: Callable[[str], Project]) -> None:
    expected, *others = (projects(name).results()[PERIOD] for name in ORCHESTRATORS)
    for other in others:
        assert_same(expected, other)


@pytest.mark.matrix
def test_an_experiment_takes_the_rows_as_they_are(projects: Callable[[str], Project]) -> None:
    """`make repro` reads the database again; a stage is stale by code, queries and parameters."""
    project = projects(QUICK)
    assert "ingest" in project.make("repro", f"PERIOD={PERIOD}")
    project.make("dvc-check")
    with closing(sqlite3.connect(project.folder / "data/source.db")) as database, database:
        database.execute(f"UPDATE weather SET temp = 50 WHERE time_hour LIKE '{PERIOD}%'")
    again = project.make("repro")
    assert "Stage 'ingest' didn't change, skipping" in again
    assert "Running stage 'train'" in again
