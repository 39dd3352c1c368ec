"""Which period, which window and which id a run has."""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from {{{ cookiecutter.package_name }}}.runtime import room
from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput
from {{{ cookiecutter.package_name }}}.runtime.files import read_json
from {{{ cookiecutter.package_name }}}.runtime.periods import PARTITION
from {{{ cookiecutter.package_name }}}.runtime.results import Quality
from {{{ cookiecutter.package_name }}}.runtime.run.plan import plan_backfill, read_plan
from {{{ cookiecutter.package_name }}}.runtime.run.run_dir import RunDir

from .conftest import MAIN, Project, advance

DATED = list(room.tables().DATED)


def remove(project: Project, period: str) -> None:
    """Remove a period from the source."""
    for table in DATED:
        shutil.rmtree(project.delivered(table, period).parent)


def redeliver(project: Project, period: str) -> None:
    """Deliver a period again with other content."""
    for table in DATED:
        project.deliver(table, period, pl.DataFrame.reverse)


# The period and its window


def test_the_period_asked_for(project: Project) -> None:
    plan = read_plan(project.plan("2013-06"))
    assert plan.period == "2013-06"
    assert plan.window == ["2013-03", "2013-04", "2013-05"]
    assert plan.periods == [*plan.window, plan.period]


@pytest.mark.parametrize(
    ("at", "period"),
    [
        (datetime(2013, 6, 30, 23, 59, tzinfo=UTC), "2013-05"),
        (datetime(2013, 7, 1, tzinfo=UTC), "2013-06"),
    ],
)
def test_by_default_the_newest_that_had_ended(project: Project, at: datetime, period: str) -> None:
    assert project.plan(at=at).period == period


def test_no_period_had_ended(project: Project) -> None:
    with pytest.raises(BadInput, match="No period of the source had ended at 2013-01-31"):
        project.plan(at=datetime(2013, 1, 31, tzinfo=UTC))


@pytest.mark.parametrize(
    ("period", "sentence"),
    [
        ("2013-6", f"'2013-6' is not a {PARTITION}"),
        ("2099-01", "The source has no 2099-01: it holds 2013-01 to "),
        ("2013-02", "Too few periods come before 2013-02 to train on: the source has 1 of the 3"),
        ("2013-01", "the source has 0 of the 3"),
        ("2013-06", "2013-06 has not ended yet, and a run evaluates on a whole period"),
    ],
)
def test_a_period_that_is_refused(project: Project, period: str, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        project.plan(period, at=datetime(2013, 6, 30, 23, 59, tzinfo=UTC))
    assert not (project.folder / "runs").exists()


@pytest.mark.parametrize("address", ["data/nowhere", "data"])
def test_a_source_without_periods(project: Project, address: str) -> None:
    project.tune(source=address)
    with pytest.raises(BadInput, match=f"The source {address} has no {PARTITION} of {MAIN}"):
        project.plan("2013-06")


def test_a_source_with_an_unknown_scheme(project: Project) -> None:
    project.tune(source="nosuch://bucket/data")
    with pytest.raises(BadInput, match="The source nosuch://bucket/data"):
        project.plan("2013-06")


def test_a_backfill_is_planned_or_refused_as_a_whole(project: Project) -> None:
    periods = ["2013-04", "2013-05", "2013-06"]
    assert plan_backfill(project.params, "2013-04", "2013-06") == periods
    with pytest.raises(BadInput, match="The source has no "):
        plan_backfill(project.params, "2013-05", "2099-01")
    with pytest.raises(BadInput, match="Too few periods come before 2013-01"):
        plan_backfill(project.params, "2013-01", "2013-04")


def test_a_period_missing_from_the_window_is_named(project: Project) -> None:
    remove(project, "2013-04")
    run = project.plan("2013-06")
    plan = read_plan(run)
    assert (plan.window, plan.absent) == (["2013-03", "2013-05"], ["2013-04"])
    advance(run, "validate")
    assert read_json(RunDir(run).quality, Quality).reason.endswith("not delivered: 2013-04")


# The id


def test_the_same_work_has_the_same_id(project: Project, tmp_path: Path) -> None:
    run = project.plan("2013-06")
    assert run.run_id.startswith("2013-06-")
    assert project.plan("2013-06") == run
    # The places of data and results do not change what the work is.
    shutil.move(project.folder / "data/source", tmp_path / "elsewhere")
    project.tune(source=str(tmp_path / "elsewhere"), runs="others", predictions="more")
    moved = project.plan("2013-06")
    assert moved.run_id == run.run_id
    assert Path(moved.folder).parent == project.folder / "others"


@pytest.mark.parametrize("table", DATED)
@pytest.mark.parametrize("period", ["2013-03", "2013-06"])
def test_other_data_give_another_id(project: Project, table: str, period: str) -> None:
    before = project.plan("2013-06")
    project.deliver(table, period, pl.DataFrame.reverse)
    assert project.plan("2013-06").run_id != before.run_id


def test_periods_that_are_not_read_do_not_count(project: Project) -> None:
    before = project.plan("2013-05")
    redeliver(project, "2013-01")
    redeliver(project, "2013-06")
    assert project.plan("2013-05") == before


def test_other_parameters_give_another_id(project: Project, other_train: dict[str, Any]) -> None:
    seed, window = project.params.seed + 1, project.params.window - 1
    changed: dict[str, Any] = {"seed": seed, "window": window, "train": other_train}
    ids = {project.plan("2013-06").run_id}
    for name, value in changed.items():
        project.tune(**{name: value})
        ids.add(project.plan("2013-06").run_id)
    assert len(ids) == 1 + len(changed)
    project.tune(alerts__quality_drop=0.5, deadlines__champion_days=3, source_timeout=1.0)
    assert project.plan("2013-06").run_id in ids


def test_a_run_on_data_that_moved_is_resumed(project: Project) -> None:
    run = project.plan("2013-06")
    before = read_plan(run)
    shutil.copytree(project.folder / "data/source", project.folder / "data/moved")
    project.tune(source="data/moved")
    assert project.plan("2013-06") == run
    after = read_plan(run)
    assert after.params.source == "data/moved"
    assert (after.begun, after.checksums) == (before.begun, before.checksums)


# Data delivered again


def test_a_redelivered_period_is_noted(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    may = project.plan("2013-05")
    assert read_plan(may).notes == []
    redeliver(project, "2013-04")
    with caplog.at_level("WARNING"):
        june, again = project.plan("2013-06"), project.plan("2013-05")
    assert again.run_id != may.run_id
    note = f"2013-04 was delivered again since run {may.run_id} used it"
    assert read_plan(june).notes == read_plan(again).notes == [note]
    assert [r.getMessage() for r in caplog.records if r.levelname == "WARNING"] == [
        f"run {run.run_id}: {note}" for run in (june, again)
    ]
    # The run before this one had the same data: nothing is new any more.
    project.tune(seed=project.params.seed + 1)
    assert read_plan(project.plan("2013-05")).notes == []


def test_a_note_does_not_change_the_id(project: Project) -> None:
    june = project.plan("2013-06")
    redeliver(project, "2013-05")
    project.plan("2013-05")
    redeliver(project, "2013-05")
    assert project.plan("2013-06") == june
    redeliver(project, "2013-05")
    shutil.rmtree(june.folder)
    noted = project.plan("2013-06")
    shutil.rmtree("runs")
    assert project.plan("2013-06") == noted


def test_redelivered_tables_without_a_date_do_not_count(project: Project) -> None:
    project.plan("2013-05")
    undated = [name for name in room.tables().TABLES if name not in DATED]
    for file in (file for name in undated for file in Path("data/source", name).iterdir()):
        pl.read_parquet(file).reverse().write_parquet(file)
    assert read_plan(project.plan("2013-05")).notes == []


def test_plans_with_other_parameters_can_be_read(project: Project) -> None:
    """An earlier run may be of a version of the project that had other parameters."""
    file = RunDir(project.plan("2013-05")).plan
    file.write_text(file.read_text().replace('"seed"', '"former"'))
    redeliver(project, "2013-05")
    assert len(read_plan(project.plan("2013-05")).notes) == 1
