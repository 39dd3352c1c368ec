"""A SQL database as the source: the results of files, and the same under every orchestrator."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import cache

import pytest

from tests.projects import ORCHESTRATORS, Project, install, run_runtime_tests
from tests.run.test_parity import assert_same
from tests.shell import Shell

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("team sources")]

QUICK = "airflow"
PERIOD = "2013-05"

# Rows of a database come in the order of their key.
WRITE_FILES = """
from pathlib import Path
import polars as pl
from my_pipeline.sample import main
from my_pipeline.tables import TABLES
main(Path("data/source"))
for table, schema in TABLES.items():
    for file in Path("data/source", table).rglob("*.parquet"):
        pl.read_parquet(file).sort(schema.unique).write_parquet(file)
"""


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
def test_a_database_gives_the_results_of_files(projects: Callable[[str], Project]) -> None:
    project = projects(QUICK)
    expected = project.results()[PERIOD]
    assert expected["status"] == "released"
    params = project.folder / "params.yaml"
    kept = params.read_text()
    for before, after in (
        ("source: sqlite:///data/source.db ", "source: data/source "),
        ('model_name: "my-pipeline"', 'model_name: "of-files"'),
        ("runs: runs ", "runs: runs-of-files "),
    ):
        assert before in kept
        params.write_text(params.read_text().replace(before, after))
    project.run_code(WRITE_FILES)
    project.make("run", f"PERIOD={PERIOD}")
    params.write_text(kept)
    found = project.results("runs-of-files")[PERIOD]
    assert found["metrics"] == pytest.approx(expected["metrics"], abs=1e-9)
    same = ("status", "reason", "rows", "code_version")
    assert [found[name] for name in same] == [expected[name] for name in same]


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
