"""Validate and quarantine: which data a run uses, and what it reports about the others."""

import logging

import polars as pl
import pytest

from {{{ cookiecutter.package_name }}}.runtime import room
from {{{ cookiecutter.package_name }}}.runtime.files import read_json
from {{{ cookiecutter.package_name }}}.runtime.periods import PARTITIONS
from {{{ cookiecutter.package_name }}}.runtime.results import Quality, Quarantine
from {{{ cookiecutter.package_name }}}.runtime.run.run_dir import RunDir
from {{{ cookiecutter.package_name }}}.runtime.source.content import sha256
from {{{ cookiecutter.package_name }}}.runtime.steps.quarantine import quarantine

from .conftest import MAIN, OUTCOME, REQUIRED, SCHEMA, P, Project, allowed_missing, drop_a_third


def finding(project: Project, period: str) -> str:
    """Return the finding of a period that `drop_a_third` was delivered for."""
    values = pl.read_parquet(project.delivered(MAIN, period))[REQUIRED]
    share, allowed = values.null_count() / len(values), allowed_missing(MAIN, REQUIRED)
    allowance = f"{allowed:.1%}" if allowed else "none"
    return f"{MAIN}.{REQUIRED}: {share:.1%} are missing, {allowance} allowed"


def quality_of(project: Project) -> Quality:
    run = project.work(P[6], last="validate")
    return read_json(RunDir(run).quality, Quality)


def test_good_data(project: Project) -> None:
    quality = quality_of(project)
    assert quality.good
    assert quality.reason == "no findings"
    assert quality.window == [P[3], P[4], P[5]]
    for period, found in quality.periods.items():
        rows = pl.read_parquet(project.delivered(MAIN, period))
        assert found.rows == rows.height
        assert found.unlabelled == rows[OUTCOME].null_count()


def test_a_bad_period_stops_the_run(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    project.deliver(MAIN, P[6], drop_a_third)
    with caplog.at_level(logging.INFO):
        quality = quality_of(project)
    assert not quality.good
    found = finding(project, P[6])
    assert quality.reason == f"{P[6]} breaks the data contract: {found}"
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warned == [f"validate {P[6]}: {found}"]


def test_a_second_table_that_cannot_be_read_stops_the_run(project: Project) -> None:
    other = next(table for table in room.tables().DATED if table != MAIN)
    file = project.delivered(other, P[6])
    file.write_bytes(file.read_bytes()[:-100])
    assert f"{other}: " in quality_of(project).reason


def test_a_reason_names_three_findings_and_counts_the_rest(project: Project) -> None:
    project.deliver(MAIN, P[6], lambda rows: rows.drop(list(SCHEMA.columns)[:4]))
    assert quality_of(project).reason.endswith("; and 1 more")


def test_labels_that_the_team_refuses(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room.features(), "check_labels", lambda labels, _: f"all {labels.dtype}")
    (found,) = quality_of(project).periods[P[6]].findings
    assert str(found).startswith(f"{MAIN}.{OUTCOME}: all ")


def test_the_quarantine_lists_what_was_delivered(project: Project) -> None:
    project.deliver(MAIN, P[4], drop_a_third)
    project.deliver(MAIN, P[6], drop_a_third)
    run = project.work(P[6], last="validate")
    kept = quarantine(run)
    assert kept == read_json(RunDir(run).quarantine, Quarantine)
    assert list(kept.periods) == [P[4], P[6]]
    for period, bad in kept.periods.items():
        assert bad.findings == [finding(project, period)]
        delivered = project.delivered(MAIN, period).read_bytes()
        assert bad.sha256[f"{MAIN}/{PARTITIONS[0]}={period}/{MAIN}.parquet"] == sha256(delivered)
