"""The stack's own Postgres as the source: it has the sample, which the pipeline only reads."""

from collections.abc import Iterator

import pytest

from tests.projects import install, need_docker
from tests.shell import Shell
from tests.stack.compose import Stack

pytestmark = [pytest.mark.slow, pytest.mark.matrix, pytest.mark.xdist_group("stack")]

PERIOD = "2013-05"
WRITE = """
import os, sqlalchemy
with sqlalchemy.create_engine(os.environ["SOURCE_URL"]).begin() as database:
    database.exec_driver_sql("{}")
"""


@pytest.fixture(scope="module")
def stack(shell: Shell) -> Iterator[Stack]:
    """Return a stack that `make up` started, whose project reads a database."""
    need_docker()
    stack = Stack(install(shell, "stack-on-sql", source="sql"), "prefect")
    stack.prepare()
    try:
        assert "336,776 flights of 12 months are in" in stack.project.make("up")
        yield stack
    finally:
        stack.compose("--profile", "*", "down", "--volumes", ok=False)


def psql(stack: Stack, statement: str) -> str:
    """Return what a statement of the superuser prints."""
    words = ("psql", "--username=postgres", "--no-align", "--tuples-only", "source", "-c")
    return stack.exec("postgres", *words, statement).strip()


def test_a_run_releases_a_model_of_the_sample(stack: Stack) -> None:
    stack.project.make("retrain", f"PERIOD={PERIOD}")
    assert stack.ends(PERIOD)["status"] == "released"
    assert "postgresql+psycopg://postgres/source has 2013-01 to 2013-12" in stack.tool("doctor")
    types = "SELECT DISTINCT data_type FROM information_schema.columns WHERE column_name = "
    assert psql(stack, f"{types} 'time_hour'") == "timestamp with time zone"


@pytest.mark.parametrize("statement", ["DELETE FROM planes", "CREATE TABLE more (id int)"])
def test_the_pipeline_only_reads_it(stack: Stack, statement: str) -> None:
    words = ("exec", "-T", "prefect-worker", "python", "-c", WRITE.format(statement))
    assert "permission denied for " in stack.compose(*words, ok=False)


def test_it_is_written_once_and_not_where_another_database_is_the_source(stack: Stack) -> None:
    psql(stack, "DELETE FROM planes; DROP TABLE airports")
    assert "336,776 flights" in stack.project.make("up")
    count = "SELECT (SELECT count(*) FROM planes), (SELECT count(*) FROM airports)"
    assert psql(stack, count) == "0|1458"
    assert "flights" not in stack.project.make("up")
    psql(stack, "DROP TABLE airports")
    with (stack.project.folder / ".env").open("a") as file:
        file.write("SOURCE_URL='postgresql+psycopg://ada@db.example.com/own'\n")
    assert "flights" not in stack.project.make("up")
    given = stack.exec("prefect-worker", "printenv", "SOURCE_URL")
    assert given.strip() == "postgresql+psycopg://ada@db.example.com/own"
