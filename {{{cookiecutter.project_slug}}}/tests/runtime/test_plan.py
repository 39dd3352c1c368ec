"""Which period, which months, and which id a run has."""

import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

import {{{ cookiecutter.package_name }}} as package
from {{{ cookiecutter.package_name }}}.errors import BadInput
from {{{ cookiecutter.package_name }}}.plan import (
    plan_backfill,
    read_plan,
)
from {{{ cookiecutter.package_name }}}.steps.validate import Quality
from {{{ cookiecutter.package_name }}}.workspace import Workspace, read_json

from .conftest import Project, advance


def test_the_period_asked_for(project: Project) -> None:
    plan = read_plan(project.plan("2013-06"))
    assert plan.period == "2013-06"
    assert plan.window == ["2013-03", "2013-04", "2013-05"]
    assert plan.months == [*plan.window, plan.period]


@pytest.mark.parametrize(
    ("at", "period"),
    [
        (datetime(2013, 6, 30, 23, 59, tzinfo=UTC), "2013-05"),
        (datetime(2013, 7, 1, tzinfo=UTC), "2013-06"),
        (datetime(2026, 1, 1, tzinfo=UTC), "2013-12"),
    ],
)
def test_else_the_newest_that_had_ended(project: Project, at: datetime, period: str) -> None:
    assert project.plan(at=at).period == period


def test_no_month_had_ended(project: Project) -> None:
    with pytest.raises(BadInput, match="No month of the source had ended at 2013-01-31"):
        project.plan(at=datetime(2013, 1, 31, tzinfo=UTC))


@pytest.mark.parametrize(
    ("period", "sentence"),
    [
        ("2013-6", "'2013-6' is not a month"),
        ("2014-01", "The source has no 2014-01: it holds 2013-01 to 2013-12"),
        ("2013-02", "Too few months come before 2013-02 to train on: the source has 1 of the 3"),
        ("2013-01", "the source has 0 of the 3"),
        ("2013-12", "2013-12 has not ended yet, and a run judges on a whole month"),
    ],
)
def test_a_period_that_is_refused(project: Project, period: str, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        project.plan(period, at=datetime(2013, 12, 31, 23, 59, tzinfo=UTC))
    assert not (project.folder / "runs").exists()


def test_a_month_missing_from_the_window(project: Project) -> None:
    for table in ("flights", "weather"):
        shutil.rmtree(project.delivered(table, "2013-04").parent)
    assert read_plan(project.plan("2013-06")).window == ["2013-03", "2013-05"]


@pytest.mark.parametrize("address", ["data/nowhere", "data"])
def test_a_source_without_months(project: Project, address: str) -> None:
    project.tune(source=address)
    with pytest.raises(BadInput, match=f"The source {address} has no month of flights"):
        project.plan("2013-06")


def test_a_source_of_a_kind_that_nothing_opens(project: Project) -> None:
    project.tune(source="nosuch://bucket/flights")
    with pytest.raises(BadInput, match="The source nosuch://bucket/flights"):
        project.plan("2013-06")


def test_a_backfill_lists_its_months(project: Project) -> None:
    months = ["2013-04", "2013-05", "2013-06"]
    assert plan_backfill(project.params, "2013-04", "2013-06") == months


def test_a_backfill_is_refused_before_it_starts(project: Project) -> None:
    with pytest.raises(BadInput, match="The source has no 2014-01"):
        plan_backfill(project.params, "2013-11", "2014-01")
    # The first has too few months before it: the months after it are not worked on either.
    with pytest.raises(BadInput, match="Too few months come before 2013-01"):
        plan_backfill(project.params, "2013-01", "2013-04")


def test_the_same_work_has_the_same_id(project: Project, tmp_path: Path) -> None:
    run = project.plan("2013-06")
    assert run.run_id.startswith("2013-06-")
    assert project.plan("2013-06") == run
    # Where data and results lie does not change what the work is.
    shutil.move(project.folder / "data/source", tmp_path / "elsewhere")
    project.tune(source=str(tmp_path / "elsewhere"), runs="others", predictions="more")
    moved = project.plan("2013-06")
    assert moved.run_id == run.run_id
    assert Path(moved.folder).parent == project.folder / "others"


@pytest.mark.parametrize("table", ["flights", "weather"])
@pytest.mark.parametrize("month", ["2013-03", "2013-06"])
def test_other_data_give_another_id(project: Project, table: str, month: str) -> None:
    before = project.plan("2013-06")
    project.deliver(table, month, pl.DataFrame.reverse)
    assert project.plan("2013-06").run_id != before.run_id


def test_months_that_are_not_read_do_not_count(project: Project) -> None:
    before = project.plan("2013-06")
    project.deliver("flights", "2013-01", pl.DataFrame.reverse)
    project.deliver("flights", "2013-07", pl.DataFrame.reverse)
    assert project.plan("2013-06") == before


@pytest.mark.parametrize(
    ("name", "value"),
    [("seed", 1), ("late_minutes", 30), ("train__max_iter", 31), ("evaluate__min_gain", 0.01)],
)
def test_other_parameters_give_another_id(project: Project, name: str, value: float) -> None:
    before = project.plan("2013-06")
    project.tune(**{name: value})
    assert project.plan("2013-06").run_id != before.run_id


def test_other_code_gives_another_id(tmp_path: Path) -> None:
    name = package.__name__
    folder = Path(str(package.__file__)).parent
    copy = shutil.copytree(folder, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    script = f"from {name}.plan import code_version; print(code_version())"

    def code_version(src: Path) -> str:
        found = subprocess.run(
            [sys.executable, "-c", script], cwd=src, capture_output=True, text=True, check=True
        )
        return found.stdout

    assert code_version(tmp_path) == code_version(folder.parent)
    (copy / "steps" / "features.py").open("a", encoding="utf-8").write("\n# changed\n")
    assert code_version(tmp_path) != code_version(folder.parent)


def test_data_that_moved_are_found_by_the_run_started_again(project: Project) -> None:
    run = project.plan("2013-06")
    before = read_plan(run)
    shutil.copytree(project.folder / "data/source", project.folder / "data/moved")
    project.tune(source="data/moved")
    assert project.plan("2013-06") == run
    after = read_plan(run)
    assert after.params.source == "data/moved"
    assert after.begun == before.begun
    assert after.checksums == before.checksums


def test_a_month_delivered_anew_is_noted(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    may = project.plan("2013-05")
    assert read_plan(may).notes == []
    for table in ("flights", "weather"):
        project.deliver(table, "2013-04", pl.DataFrame.reverse)
    with caplog.at_level("WARNING"):
        june, again = project.plan("2013-06"), project.plan("2013-05")
    assert again.run_id != may.run_id
    note = f"2013-04 was delivered anew since run {may.run_id} used it"
    assert read_plan(june).notes == read_plan(again).notes == [note]
    assert [r.getMessage() for r in caplog.records if r.levelname == "WARNING"] == [
        f"run {run.run_id}: {note}" for run in (june, again)
    ]
    # The last run had the same as this: with it, nothing is new any more.
    project.tune(seed=1)
    assert read_plan(project.plan("2013-05")).notes == []


def test_a_note_is_no_other_work(project: Project) -> None:
    july = project.plan("2013-07")
    reverse = pl.DataFrame.reverse
    project.deliver("flights", "2013-06", reverse)
    project.plan("2013-06")
    project.deliver("flights", "2013-06", reverse)
    assert project.plan("2013-07") == july
    project.deliver("flights", "2013-06", reverse)
    shutil.rmtree(july.folder)
    noted = project.plan("2013-07")
    shutil.rmtree("runs")
    assert project.plan("2013-07") == noted


def test_tables_without_a_date_grow(project: Project) -> None:
    project.plan("2013-05")
    file = project.folder / "data/source/planes/planes.parquet"
    pl.read_parquet(file).reverse().write_parquet(file)
    assert read_plan(project.plan("2013-05")).notes == []


def test_plans_of_other_parameters_are_understood(project: Project) -> None:
    """An earlier run may be of a project that knew other parameters."""
    file = Workspace(project.plan("2013-05")).plan
    file.write_text(file.read_text().replace('"seed"', '"former"'))
    project.deliver("flights", "2013-05", pl.DataFrame.reverse)
    assert len(read_plan(project.plan("2013-05")).notes) == 1


def test_a_month_of_the_window_that_was_not_delivered_is_named(project: Project) -> None:
    shutil.rmtree(project.folder / "data/source/flights/month=2013-04")
    run = project.plan("2013-06")
    assert read_plan(run).absent == ["2013-04"]
    advance(run, "validate")
    assert read_json(Workspace(run).quality, Quality).reason.endswith("not delivered: 2013-04")
