"""Validate and quarantine: which data a run uses, and what it reports about the others."""

import logging

import polars as pl
import pytest

from {{{ cookiecutter.package_name }}}.runtime import room
from {{{ cookiecutter.package_name }}}.runtime.files import read_json
from {{{ cookiecutter.package_name }}}.runtime.periods import PARTITION
from {{{ cookiecutter.package_name }}}.runtime.results import Quality, Quarantine
from {{{ cookiecutter.package_name }}}.runtime.run.run_dir import RunDir
from {{{ cookiecutter.package_name }}}.runtime.source.reader import sha256
from {{{ cookiecutter.package_name }}}.runtime.steps.quarantine import quarantine

from .conftest import (
    MAIN,
    OUTCOME,
    REQUIRED,
    SCHEMA,
    Project,
    allowed_missing,
    drop_a_third,
)


def finding(project: Project, period: str) -> str:
    """Return the finding of a period that `drop_a_third` was delivered for."""
    values = pl.read_parquet(project.delivered(MAIN, period))[REQUIRED]
    share, allowed = values.null_count() / len(values), allowed_missing(MAIN, REQUIRED)
    allowance = f"{allowed:.1%}" if allowed else "none"
    return f"{MAIN}.{REQUIRED}: {share:.1%} are missing, {allowance} allowed"


def quality_of(project: Project) -> Quality:
    run = project.work("2013-06", last="validate")
    return read_json(RunDir(run).quality, Quality)


def test_good_data(project: Project) -> None:
    quality = quality_of(project)
    assert quality.good
    assert quality.reason == "no findings"
    assert quality.window == ["2013-03", "2013-04", "2013-05"]
    for period, found in quality.periods.items():
        rows = pl.read_parquet(project.delivered(MAIN, period))
        assert found.rows == rows.height
        assert found.unlabelled == rows[OUTCOME].null_count()


def test_a_bad_period_stops_the_run(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    project.deliver(MAIN, "2013-06", drop_a_third)
    with caplog.at_level(logging.INFO):
        quality = quality_of(project)
    assert not quality.good
    found = finding(project, "2013-06")
    assert quality.reason == f"2013-06 breaks the data contract: {found}"
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warned == [f"validate 2013-06: {found}"]


def test_a_reason_names_three_findings_and_counts_the_rest(project: Project) -> None:
    project.deliver(MAIN, "2013-06", lambda rows: rows.drop(list(SCHEMA.columns)[:4]))
    assert quality_of(project).reason.endswith("; and 1 more")


def test_a_bad_period_of_the_window_is_left_out(project: Project) -> None:
    project.deliver(MAIN, "2013-04", drop_a_third)
    quality = quality_of(project)
    assert quality.good
    assert quality.window == ["2013-03", "2013-05"]
    found = finding(project, "2013-04")
    assert quality.reason == f"left out of training: 2013-04 ({found})"
    assert [str(one) for one in quality.periods["2013-04"].findings] == [found]


def test_too_few_good_periods_stop_the_run(project: Project) -> None:
    for period in ("2013-04", "2013-05"):
        project.deliver(MAIN, period, drop_a_third)
    quality = quality_of(project)
    assert not quality.good
    assert quality.reason == (
        "too few good periods are left to train on: 1, and 2 are needed; "
        f"left out: 2013-04, 2013-05 ({finding(project, '2013-04')})"
    )


@pytest.mark.parametrize("damage", ["empty", "truncated", "a hole", "missing"])
@pytest.mark.parametrize("table", room.tables().DATED)
def test_files_that_cannot_be_read(project: Project, table: str, damage: str) -> None:
    file = project.delivered(table, "2013-06")
    content, message = file.read_bytes(), f"{file.name} is not readable as Parquet"
    message = f"{table}/{PARTITION}=2013-06/{message}"
    if damage == "missing":
        file.rename(file.with_suffix(".csv"))
        message = "no file was delivered"
    else:
        half = len(content) // 2
        hole = content[: half // 2] + content[half:]
        damaged = {"empty": b"", "truncated": content[:half], "a hole": hole}
        file.write_bytes(damaged[damage])
    assert quality_of(project).reason == f"2013-06 breaks the data contract: {table}: {message}"


def test_files_of_a_table_that_differ(project: Project) -> None:
    file = project.delivered(MAIN, "2013-06")
    other = pl.read_parquet(file).head(10).drop(REQUIRED)
    other.write_parquet(file.with_name("more.parquet"))
    assert quality_of(project).reason.endswith(f"files: those of {MAIN} differ in {REQUIRED}")


def test_labels_that_the_team_refuses(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room.features(), "check_labels", lambda labels, _: f"all {labels.dtype}")
    (found,) = quality_of(project).periods["2013-06"].findings
    assert str(found).startswith(f"{MAIN}.{OUTCOME}: all ")


def test_the_quarantine_lists_what_was_delivered(project: Project) -> None:
    project.deliver(MAIN, "2013-04", drop_a_third)
    project.deliver(MAIN, "2013-06", drop_a_third)
    run = project.work("2013-06", last="validate")
    kept = quarantine(run)
    assert kept == read_json(RunDir(run).quarantine, Quarantine)
    assert list(kept.periods) == ["2013-04", "2013-06"]
    for period, bad in kept.periods.items():
        assert bad.findings == [finding(project, period)]
        delivered = project.delivered(MAIN, period).read_bytes()
        assert bad.sha256[f"{MAIN}/{PARTITION}={period}/{MAIN}.parquet"] == sha256(delivered)
