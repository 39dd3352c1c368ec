"""Postgres as the source: memory, cut connections, limits, grants, secrets."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.projects import Project, install, until
from tests.shared import once
from tests.shell import Shell
from tests.team.postgres import SECRET, Postgres

pytestmark = [pytest.mark.slow, pytest.mark.matrix, pytest.mark.xdist_group("team postgres")]

PASSWORD = "hunter2-of-reader"  # noqa: S105
PERIOD = "2013-05"
CROWDED = "2013-11"
"""A period to which rows are added, so that it has a million."""

STREAM = """
import resource, sys
from pathlib import Path
import polars as pl
from my_pipeline.runtime.config import load_params
from my_pipeline.runtime.source.address import source_of
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
def save(period):
    return parts(period).save(Path(f"{period}.parquet"))
def parts(period):
    return source.parts(period)[f"flights/period={period}/flights.parquet"]
source = source_of(load_params())
save(sys.argv[1])
before, checksum = peak(), save(sys.argv[2])
grown = peak() - before
rows = pl.read_parquet(f"{sys.argv[2]}.parquet")
print(rows.height, grown, rows.estimated_size(), checksum == save(sys.argv[2]))
"""

CUT = """
import sys
from my_pipeline.runtime.config import load_params
from my_pipeline.runtime.source.address import source_of
batches = source_of(load_params()).parts(sys.argv[1])[sys.argv[2]].batches()
print(sum(next(batches).height for _ in range(3)), flush=True)
input()
try:
    list(batches)
except OSError as error:
    print(type(error).__name__, error)
"""


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


@pytest.fixture(scope="module")
def project(shell: Shell, postgres: Postgres) -> Project:
    """Give a project whose source is a Postgres database with the sample, and a run on it."""
    out = shell.home / "on-sql"
    once(out, lambda: install(shell, out.name, source="sql"))
    project = Project(out / "my-pipeline", shell)
    postgres(f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'; CREATE DATABASE flights")
    owner = f"postgresql+psycopg://postgres:{SECRET}@127.0.0.1:{postgres.port}/flights"
    python = project.folder / ".venv/bin/python"
    shell(python, "-m", "my_pipeline.sample", owner, cwd=project.folder)
    postgres("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader", "flights")
    address = f"postgresql+psycopg://reader@127.0.0.1:{postgres.port}/flights"
    run_on(project, address)
    return project


def run_on(project: Project, address: str) -> None:
    """Run a period on a database, whose password is in `.env`."""
    tune(project, "source", address)
    secret = address.replace("reader@", f"reader:{PASSWORD}@")
    (project.folder / ".env").write_text(f"SOURCE_URL='{secret}'\n")
    project.make("run", f"PERIOD={PERIOD}")


def tune(project: Project, name: str, value: object) -> None:
    """Change a parameter at the top of params.yaml."""
    file = project.folder / "params.yaml"
    lines = file.read_text().splitlines()
    found = [f"{name}: {value}" if line.startswith(f"{name}:") else line for line in lines]
    assert found != lines
    file.write_text("\n".join(found) + "\n")


@contextmanager
def kept(file: Path) -> Iterator[str]:
    """Yield the content of a file that a test changes, and restore it."""
    content = file.read_text()
    try:
        yield content
    finally:
        file.write_text(content)


def results(project: Project) -> list[dict[str, Any]]:
    """Return the results of the runs for the period, the newest last."""
    files = [*project.folder.glob(f"runs/{PERIOD}-*/result.json")]
    files.sort(key=lambda file: file.stat().st_mtime)
    return [json.loads(file.read_bytes()) for file in files]


def test_a_run_on_postgres(project: Project, postgres: Postgres) -> None:
    before = results(project)
    assert before[0]["status"] == "released"
    doctor = project.make("doctor", ok=False)
    assert f"//127.0.0.1:{postgres.port}/flights has 2013-01 to 2013-12" in doctor
    project.make("run", f"PERIOD={PERIOD}")
    assert results(project) == before


def test_a_connection_that_is_cut_is_retried(
    project: Project, postgres: Postgres, tmp_path: Path
) -> None:
    log = tmp_path / "run.log"
    with kept(project.folder / "params.yaml"):
        tune(project, "seed", 2014)
        process = project.start(log, "run", f"PERIOD={PERIOD}")
        # The input was checked before the server of Prefect starts; the plan reads the rows.
        until(lambda: "temporary server" in log.read_text(), process)
        with postgres.locked("planes", "flights"):
            until(lambda: postgres.waiting("reader"), process)
            postgres.terminate("reader")
        assert process.wait() == 0
    assert "terminating connection due to administrator command" in log.read_text()
    assert PASSWORD not in log.read_text()
    assert results(project)[-1]["status"] in ("released", "kept_champion")


def test_a_connection_that_is_cut_between_batches_is_an_error_to_retry(
    project: Project, postgres: Postgres
) -> None:
    python = project.folder / ".venv/bin/python"
    words = [str(python), "-c", CUT, PERIOD, f"flights/period={PERIOD}/flights.parquet"]
    with subprocess.Popen(
        words, cwd=project.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) > 20_000
        postgres.terminate("reader")
        said, _ = process.communicate("\n")
    assert said.startswith(
        "ConnectionError src/my_pipeline/queries/flights.sql failed at the source postgresql"
    )
    assert PASSWORD not in said


def test_a_million_rows_are_ingested_in_bounded_memory(
    project: Project, postgres: Postgres
) -> None:
    columns = postgres(
        "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute "
        "WHERE attrelid = 'flights'::regclass AND attnum > 0 AND attname != 'flight'",
        "flights",
    )
    postgres(
        f"INSERT INTO flights (flight, {columns}) SELECT flight + 10000 * n, {columns} FROM "
        "flights, generate_series(1, 37) n WHERE time_hour >= '2013-11-02' "
        "AND time_hour < '2013-11-30'",
        "flights",
    )
    rows, grown, size, again = project.run_code(STREAM, PERIOD, CROWDED).split()
    assert int(rows) > 900_000
    assert int(grown) < int(size) / 2
    assert again == "True"


def test_a_statement_that_takes_too_long_is_an_error_to_retry(
    project: Project, postgres: Postgres
) -> None:
    with kept(project.folder / "params.yaml"), postgres.locked("weather", "flights"):
        tune(project, "source_timeout", 1)
        said = project.make("doctor", ok=False)
    assert "canceling statement due to statement timeout" in said
    assert "`source_timeout` in params.yaml is 1 s" in said


def test_a_missing_grant_is_refused(project: Project, postgres: Postgres) -> None:
    postgres("REVOKE SELECT ON weather FROM reader", "flights")
    try:
        said = project.make("run", f"PERIOD={PERIOD}", ok=False)
    finally:
        postgres("GRANT SELECT ON weather TO reader", "flights")
    assert (
        "error: src/my_pipeline/queries/weather.sql failed at the source "
        f"postgresql+psycopg://127.0.0.1:{postgres.port}/flights: permission denied" in said
    )
    assert "permission denied for table weather" in said
    assert "Error 2" in said


def test_a_wrong_password_is_one_sentence(project: Project) -> None:
    file = project.folder / ".env"
    with kept(file) as content:
        file.write_text(content.replace(PASSWORD, "another"))
        said = project.make("run", f"PERIOD={PERIOD}", ok=False)
    assert "error: src/my_pipeline/queries/flights.sql failed at the source postgresql" in said
    assert 'password authentication failed for user "reader"' in said
    assert "Traceback" not in said


def test_the_password_is_nowhere(project: Project) -> None:
    """Neither in what the runs above wrote, nor in Prefect's database."""
    assert files_with_the_password(project) == []


@pytest.mark.parametrize("orchestrator", ["airflow", "kubeflow"])
def test_the_password_is_nowhere_under_others(
    orchestrator: str,
    shell: Shell,
    project: Project,
    postgres: Postgres,
    request: pytest.FixtureRequest,
) -> None:
    """Neither in the logs and the database of Airflow, nor in what KFP's tasks print and keep."""
    out, like = shell.home / f"{orchestrator}-on-sql", request.getfixturevalue(orchestrator)
    answers = {"orchestrator": orchestrator, "source": "sql"}
    once(out, lambda: install(shell, out.name, like, **answers))
    other = Project(out / "my-pipeline", shell)
    run_on(other, f"postgresql+psycopg://reader@127.0.0.1:{postgres.port}/flights")
    assert other.results()[PERIOD]["status"] == "released"
    assert files_with_the_password(other) == []


def files_with_the_password(project: Project) -> list[Path]:
    """Return the files of a project, but for `.env`, that have the password of the source."""
    files = [
        file
        for path in project.folder.iterdir()
        if path.name not in (".env", ".venv", ".git")
        for file in ([path] if path.is_file() else path.rglob("*"))
        if file.is_file()
    ]
    assert len(files) > 100
    return [file for file in files if PASSWORD.encode() in file.read_bytes()]
