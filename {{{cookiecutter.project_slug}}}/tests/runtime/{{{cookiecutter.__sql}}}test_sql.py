"""A database as the source: the same model as of files, and one sentence for what is wrong."""

import sqlite3
from contextlib import closing
from pathlib import Path
from uuid import UUID

import polars as pl
import pytest

from {{{ cookiecutter.package_name }}}.runtime import room
from {{{ cookiecutter.package_name }}}.runtime.config import load_params
from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput
from {{{ cookiecutter.package_name }}}.runtime.files import read_json
from {{{ cookiecutter.package_name }}}.runtime.monitor.doctor import examine
from {{{ cookiecutter.package_name }}}.runtime.results import Quality
from {{{ cookiecutter.package_name }}}.runtime.run.checkpoint import undone
from {{{ cookiecutter.package_name }}}.runtime.run.plan import read_plan
from {{{ cookiecutter.package_name }}}.runtime.run.run_dir import RunDir
from {{{ cookiecutter.package_name }}}.runtime.source import sql
from {{{ cookiecutter.package_name }}}.runtime.source.address import source_of
from {{{ cookiecutter.package_name }}}.runtime.steps.ingest import ingest

from .conftest import MAIN, REQUIRED, P, Project, advance, end_of

TIME = room.tables().DATED[MAIN]
ADDRESS = "sqlite:///data/source.db"
DURING = f"{TIME} >= :start AND {TIME} < :end"


@pytest.fixture
def queries(project: Project, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The queries of the project, whose source is a database with the data of its files."""
    folder = project.folder / "queries"
    folder.mkdir()
    monkeypatch.setattr(sql, "QUERIES", folder)
    monkeypatch.delenv(sql.VARIABLE, raising=False)
    with closing(sqlite3.connect("data/source.db")) as database, database:
        for name in room.tables().TABLES:
            files = sorted(Path("data/source", name).rglob("*.parquet"))
            rows = pl.concat([pl.read_parquet(file) for file in files])
            where = f" WHERE {DURING}" if name in room.tables().DATED else ""
            (folder / f"{name}.sql").write_text(f"SELECT * FROM {name}{where};\n")
            if TIME in rows.columns:
                rows = rows.with_columns(pl.col(TIME).dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
            database.execute(f"CREATE TABLE {name} ({', '.join(rows.columns)})")
            marks = ", ".join("?" * rows.width)
            database.executemany(f"INSERT INTO {name} VALUES ({marks})", rows.iter_rows())
    project.tune(source=ADDRESS)
    return folder


def execute(statement: str) -> None:
    """Change the database."""
    with closing(sqlite3.connect("data/source.db")) as database, database:
        database.execute(statement)


def in_period(period: str) -> str:
    """Return the condition that rows are of a period."""
    start, end = (f"{end_of(each):%Y-%m-%dT%H:%M:%SZ}" for each in (P[P.index(period) - 1], period))
    return f"{TIME} >= '{start}' AND {TIME} < '{end}'"


@pytest.mark.usefixtures("queries")
def test_the_same_data_give_the_same_model(project: Project) -> None:
    project.tune(source="data/source", model_name="of-files")
    expected = project.result(project.work(P[6]))
    project.tune(source=ADDRESS, model_name="of-database")
    assert source_of(project.params).periods() == P[1:]
    result = project.result(project.work(P[6]))
    assert result.metrics == pytest.approx(expected.metrics, abs=1e-9)
    assert (result.status, result.rows) == (expected.status, expected.rows)


@pytest.mark.usefixtures("queries")
def test_a_changed_row_makes_a_new_run_and_another_order_does_not(project: Project) -> None:
    run = project.work(P[6], last="features")
    execute(f"CREATE TABLE other AS SELECT * FROM {MAIN} ORDER BY {REQUIRED}")
    execute(f"DROP TABLE {MAIN}")
    execute(f"ALTER TABLE other RENAME TO {MAIN}")
    assert project.plan(P[6]) == run
    execute(
        f"UPDATE {MAIN} SET {REQUIRED} = 0.5 WHERE rowid = "
        f"(SELECT min(rowid) FROM {MAIN} WHERE {in_period(P[4])})"
    )
    again = project.plan(P[6])
    assert again != run
    assert read_plan(again).notes == [f"{P[4]} has changed since run {run.run_id} used it"]
    assert undone(ingest, again, read_plan(again).periods) == [P[4], P[6]]
    # What the plan has read is used, whatever the database does meanwhile.
    Path("data/source.db").unlink()
    write(project.folder / "queries", "depots", "nonsense")
    Path("data/source.db").touch()
    advance(again, "snapshot")


def write(folder: Path, table: str, query: str) -> None:
    (folder / f"{table}.sql").write_text(query)


@pytest.mark.usefixtures("queries")
def test_rows_that_change_after_the_plan_are_refused(project: Project) -> None:
    run = project.plan(P[6])
    for file in (project.folder / "runs/.cache/files").iterdir():
        file.write_bytes(b"damaged")
    advance(run, "validate")
    for file in (project.folder / "runs/.cache/files").iterdir():
        file.unlink()
    execute(f"DELETE FROM {MAIN} WHERE {in_period(P[5])} AND {REQUIRED} > 25")
    with pytest.raises(RuntimeError, match=f"of {P[5]} changed at the source {ADDRESS} since run "):
        ingest(run, P[5])


@pytest.mark.usefixtures("queries")
def test_two_rows_of_one_key_are_quarantined(project: Project) -> None:
    execute(f"INSERT INTO {MAIN} SELECT * FROM {MAIN} WHERE {in_period(P[6])} LIMIT 3")
    run = project.work(P[6])
    reason = read_json(RunDir(run).quality, Quality).reason
    key = ", ".join(room.tables().TABLES[MAIN].unique or [])
    assert f"{MAIN}: 3 rows repeat the {key} of another" in reason


def others(table: str, column: str) -> str:
    """Return a query for all columns but one."""
    columns = [name for name in room.tables().TABLES[table].columns if name != column]
    return f"SELECT {', '.join(columns)} FROM {table}"


def naive(table: str) -> str:
    """Return a query whose times have lost their zone."""
    time = f"SELECT substr({TIME}, 1, 19) AS {TIME}, "
    return f"{others(table, TIME).replace('SELECT ', time)} WHERE {DURING}"


def blank(table: str) -> str:
    """Return a query whose times have a blank before the time of day, which sorts before `T`."""
    return naive(table).replace(f"substr({TIME}, 1, 19)", f"replace({TIME}, 'T', ' ')")


OTHER = next(name for name in room.tables().DATED if name != MAIN)
WHOLE = next(name for name in room.tables().TABLES if name not in room.tables().DATED)

WRONG = {
    "no query": (MAIN, None, f"queries/{MAIN}.sql is missing: write the query "),
    "no bounds": (MAIN, f"SELECT * FROM {MAIN}", f"queries/{MAIN}.sql lacks :end and :start: let "),
    "no end": (OTHER, f"SELECT * FROM {OTHER} WHERE {TIME} >= :start", f"{OTHER}.sql lacks :end: "),
    "bounds of no date": (
        WHOLE,
        f"SELECT * FROM {WHOLE} WHERE {DURING}",
        f"has :end and :start, but {WHOLE} is not in `DATED` of tables.py",
    ),
    "another bound": (
        MAIN,
        f"SELECT * FROM {MAIN} WHERE {DURING} AND {TIME} > :now",
        f"has :now, but {MAIN} has :start and :end alone",
    ),
    "a column is missing": (
        MAIN,
        f"SELECT {TIME} FROM {MAIN} WHERE {DURING}",
        f"{REQUIRED}, ",
    ),
    "no table": (
        OTHER,
        f"SELECT * FROM gone WHERE {DURING}",
        "failed at the source sqlite:///data/",
    ),
    "no SQL": (MAIN, f"SELEKT * FROM {MAIN} WHERE {DURING}", ': near "*": syntax error'),
    "no zone": (
        MAIN,
        naive(MAIN),
        f"`{TIME}` has no time zone: return one with",
    ),
    "no zone beside": (
        OTHER,
        naive(OTHER),
        f"{OTHER}.sql, `{TIME}` has no time ",
    ),
    "another type": (
        MAIN,
        f"SELECT *, 'x' AS {REQUIRED} FROM ({others(MAIN, REQUIRED)}) WHERE {DURING}",
        f"queries/{MAIN}.sql, `{REQUIRED}` is no Float64, as tables.py declares it: ",
    ),
    "a blank in the time": (
        OTHER,
        blank(OTHER),
        "Z': SQLite compares times as text, so write them as 2013-",
    ),
    "a column twice": (
        MAIN,
        f"SELECT *, {REQUIRED} FROM {MAIN} WHERE {DURING}",
        f"{MAIN}.sql returns `{REQUIRED}` more than once: name the columns",
    ),
    "no rows": (MAIN, f"SELECT * FROM {MAIN} WHERE {DURING} AND 1 = 0", f"has no rows of {MAIN}: "),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_query_that_cannot_work_is_refused(project: Project, queries: Path, kind: str) -> None:
    table, query, sentence = WRONG[kind]
    (queries / f"{table}.sql").unlink() if query is None else write(queries, table, query)
    with pytest.raises(BadInput) as refusal:
        project.plan(P[6])
    assert sentence in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert not list(Path("runs").glob("*/plan.json"))
    assert sentence in {name: said for name, _, said in examine(project.params)}["source"] or (
        kind in ("no zone beside", "another type")  # known once rows are read
    )


# The address


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([UUID(int=1), None], pl.String, ["00000000-0000-0000-0000-000000000001", None]),
        (
            [{"a": 1}],
            pl.String,
            "is no String, as tables.py declares it: the database returns dict",
        ),
        ([end_of(P[5])], pl.Date, "the time of day would be lost"),
        ([1.5], pl.Int64, "digits would be lost"),
    ],
)
def test_a_value_is_read_whole_or_refused(
    values: list[object], dtype: pl.DataType, expected: list[str] | str
) -> None:
    query = sql.Query(MAIN, "", {}, None)
    if isinstance(expected, list):
        assert sql._column(query, "x", values, dtype).to_list() == expected
        return
    with pytest.raises(BadInput, match=expected):
        sql._column(query, "x", values, dtype)


@pytest.mark.usefixtures("queries")
@pytest.mark.parametrize(
    "address",
    [
        "postgresql+psycopg://reader:hunter2@127.0.0.1:1/x",
        "postgresql+psycopg://127.0.0.1:1/x?user=reader&password=hunter2",
        "mssql+pyodbc:///?odbc_connect=PWD%3Dhunter2",
    ],
)
def test_a_password_in_the_parameters_is_refused(project: Project, address: str) -> None:
    project.tune(source=address)
    with pytest.raises(BadInput, match="has a password, and each run keeps its parameters") as no:
        project.plan(P[6])
    assert "hunter2" not in str(no.value)


@pytest.mark.usefixtures("queries")
def test_the_variable_overrides_the_address(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Path("data/source.db").rename("data/moved.db")
    with pytest.raises(BadInput, match=f"The source {ADDRESS} does not exist"):
        project.plan(P[6])
    Path(".env").write_text(f"{sql.VARIABLE}='sqlite:///{database}'\n")
    assert read_plan(project.plan(P[6])).params.source == ADDRESS
    monkeypatch.setenv("SOURCE", f"sqlite:///{database}")
    assert source_of(load_params()).address == f"sqlite:///{database}"
    monkeypatch.delenv("SOURCE")
    monkeypatch.setenv(sql.VARIABLE, "postgresql+psycopg://reader:hunter2@127.0.0.1:1/x")
    with pytest.raises(
        ConnectionError, match=r"//reader@127\.0\.0\.1:1/x: connection failed"
    ) as down:
        project.plan(P[6])
    assert "hunter2" not in str(down.value)
    monkeypatch.setenv(sql.VARIABLE, "oracle://ada:hunter2@db/x")
    with pytest.raises(BadInput, match="needs a package that is not installed") as missing:
        project.plan(P[6])
    assert "hunter2" not in str(missing.value)
    monkeypatch.setenv(sql.VARIABLE, "ada:hunter2")
    with pytest.raises(BadInput, match=f"{sql.VARIABLE} is not the URL of a database"):
        project.plan(P[6])
    project.tune(source="data/source")  # such as restored data, which the variable does not hide
    assert source_of(project.params).address == "data/source"
