"""Which period, which window and which id a run has."""

import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from {{{ cookiecutter.package_name }}}.runtime import room
from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput
from {{{ cookiecutter.package_name }}}.runtime.files import read_json
from {{{ cookiecutter.package_name }}}.runtime.periods import PARTITIONS
from {{{ cookiecutter.package_name }}}.runtime.results import Quality
from {{{ cookiecutter.package_name }}}.runtime.run.outcome import history
from {{{ cookiecutter.package_name }}}.runtime.run.plan import plan_backfill, read_plan
from {{{ cookiecutter.package_name }}}.runtime.run.run_dir import RunDir

from .conftest import MAIN, NEVER, OTHER_TRAIN, P, Project, advance, drop_a_third, end_of

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
    plan = read_plan(project.plan(P[6]))
    assert plan.period == P[6]
    assert plan.window == [P[3], P[4], P[5]]
    assert plan.periods == [*plan.window, plan.period]


@pytest.mark.parametrize(
    ("at", "period"),
    [
        (end_of(P[6]) - timedelta(minutes=1), P[5]),
        (end_of(P[6]), P[6]),
    ],
)
def test_by_default_the_newest_that_had_ended(project: Project, at: datetime, period: str) -> None:
    assert project.plan(at=at).period == period


def test_no_period_had_ended(project: Project) -> None:
    with pytest.raises(BadInput, match="No period of the source had ended at "):
        project.plan(at=end_of(P[1]) - timedelta(minutes=1))


@pytest.mark.parametrize("name", PARTITIONS[1:])
def test_the_folder_of_a_period_has_one_of_two_names(project: Project, name: str) -> None:
    folder = project.delivered(MAIN, P[5]).parent
    other = folder.rename(folder.with_name(f"{name}={P[5]}"))
    assert f"{MAIN}/{other.name}/{MAIN}.parquet" in read_plan(project.plan(P[6])).checksums[P[5]]
    shutil.copytree(other, folder)
    with pytest.raises(BadInput, match=f"has one period twice, as {MAIN}/{folder.name} and as "):
        project.plan(P[6])


def test_a_backfill_is_planned_or_refused_as_a_whole(project: Project) -> None:
    periods = [P[4], P[5], P[6]]
    assert plan_backfill(project.params, P[4], P[6]) == periods
    with pytest.raises(BadInput, match="The source has no "):
        plan_backfill(project.params, P[5], NEVER)
    with pytest.raises(BadInput, match=f"Too few periods come before {P[1]} .* has 0 of the 3"):
        plan_backfill(project.params, P[1], P[4])


def test_a_period_missing_from_the_window_is_named(project: Project) -> None:
    remove(project, P[4])
    run = project.plan(P[6])
    plan = read_plan(run)
    assert (plan.window, plan.absent) == ([P[3], P[5]], [P[4]])
    advance(run, "validate")
    assert read_json(RunDir(run).quality, Quality).reason.endswith(f"not delivered: {P[4]}")


# The id


def test_the_same_work_has_the_same_id(project: Project, tmp_path: Path) -> None:
    run = project.plan(P[6])
    assert run.run_id.startswith(f"{P[6]}-")
    assert project.plan(P[6]) == run
    # The places of data and results do not change what the work is.
    shutil.move(project.folder / "data/source", tmp_path / "elsewhere")
    project.tune(source=str(tmp_path / "elsewhere"), runs="others", predictions="more")
    moved = project.plan(P[6])
    assert moved.run_id == run.run_id
    assert Path(moved.folder).parent == project.folder / "others"


@pytest.mark.parametrize("table", DATED)
@pytest.mark.parametrize("period", [P[3], P[6]])
def test_other_data_give_another_id(project: Project, table: str, period: str) -> None:
    before = project.plan(P[6])
    project.deliver(table, period, pl.DataFrame.reverse)
    assert project.plan(P[6]).run_id != before.run_id


def test_periods_that_are_not_read_do_not_count(project: Project) -> None:
    before = project.plan(P[5])
    redeliver(project, P[1])
    redeliver(project, P[6])
    assert project.plan(P[5]) == before


def test_other_parameters_give_another_id(project: Project) -> None:
    seed, window = project.params.seed + 1, project.params.window - 1
    changed: dict[str, Any] = {"seed": seed, "window": window, "train": OTHER_TRAIN}
    ids = {project.plan(P[6]).run_id}
    for name, value in changed.items():
        project.tune(**{name: value})
        ids.add(project.plan(P[6]).run_id)
    assert len(ids) == 1 + len(changed)
    project.tune(alerts__quality_drop=0.5, deadlines__champion_days=3, source_timeout=1.0)
    assert project.plan(P[6]).run_id in ids


def test_a_run_on_data_that_moved_is_resumed(project: Project) -> None:
    run = project.plan(P[6])
    before = read_plan(run)
    shutil.copytree(project.folder / "data/source", project.folder / "data/moved")
    project.tune(source="data/moved")
    assert project.plan(P[6]) == run
    after = read_plan(run)
    assert after.params.source == "data/moved"
    assert (after.begun, after.checksums) == (before.begun, before.checksums)


# Data delivered again


def test_a_redelivered_period_is_noted(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    may = project.plan(P[5])
    assert read_plan(may).notes == []
    redeliver(project, P[4])
    with caplog.at_level("WARNING"):
        june, again = project.plan(P[6]), project.plan(P[5])
    assert again.run_id != may.run_id
    note = f"{P[4]} has changed since run {may.run_id} used it"
    assert read_plan(june).notes == read_plan(again).notes == [note]
    assert [r.getMessage() for r in caplog.records if r.levelname == "WARNING"] == [
        f"run {run.run_id}: {note}" for run in (june, again)
    ]
    # The run before this one had the same data: nothing is new any more.
    project.tune(seed=project.params.seed + 1)
    assert read_plan(project.plan(P[5])).notes == []


def test_a_run_on_bad_data_used_none(project: Project) -> None:
    good = project.delivered(MAIN, P[6]).read_bytes()
    project.deliver(MAIN, P[6], drop_a_third)
    bad = project.work(P[6])
    assert project.result(bad).status == "quarantined"
    project.delivered(MAIN, P[6]).write_bytes(good)
    assert read_plan(project.plan(P[6])).notes == []


def test_the_same_rows_as_files_are_not_delivered_again(project: Project) -> None:
    folder = project.folder / "data/source" / MAIN
    rows = pl.concat([pl.read_parquet(file) for file in sorted(folder.rglob("*.parquet"))])
    rows.write_parquet(folder.with_suffix(".parquet"))
    shutil.rmtree(folder)
    run = project.work(P[6], last="ingest")
    project.tune(source=f"{run.folder}/raw")
    assert read_plan(project.plan(P[6])).notes == []


def test_a_note_does_not_change_the_id(project: Project) -> None:
    june = project.plan(P[6])
    redeliver(project, P[5])
    project.plan(P[5])
    redeliver(project, P[5])
    assert project.plan(P[6]) == june
    redeliver(project, P[5])
    shutil.rmtree(june.folder)
    noted = project.plan(P[6])
    shutil.rmtree("runs")
    assert project.plan(P[6]) == noted


def test_redelivered_tables_without_a_date_do_not_count(project: Project) -> None:
    project.plan(P[5])
    undated = [name for name in room.tables().TABLES if name not in DATED]
    for file in (file for name in undated for file in Path("data/source", name).iterdir()):
        pl.read_parquet(file).reverse().write_parquet(file)
    assert read_plan(project.plan(P[5])).notes == []


def test_plans_with_other_parameters_can_be_read(project: Project) -> None:
    """An earlier run may be of a version of the project that had other parameters."""
    file = RunDir(project.plan(P[5])).plan
    file.write_text(file.read_text().replace('"seed"', '"former"'))
    redeliver(project, P[5])
    assert len(read_plan(project.plan(P[5])).notes) == 1


def test_a_plan_that_cannot_be_read_is_passed_over(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    project.plan(P[5])
    file = RunDir(project.plan(P[4])).plan
    file.write_text("{")
    with caplog.at_level("WARNING"):
        project.plan(P[5])
    (said,) = (r.getMessage() for r in caplog.records if r.levelname == "WARNING")
    assert said.startswith(f"runs/{file.parent.name}/plan.json cannot be read, and is passed over")
    assert [past.period for past in history("runs")] == [P[5]]
