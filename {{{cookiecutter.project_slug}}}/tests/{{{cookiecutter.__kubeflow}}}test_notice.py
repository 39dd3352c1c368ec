"""What the last task says of a run, and what the check of deadlines says where it never came."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pytest

from {{{ cookiecutter.package_name }}} import plan
from {{{ cookiecutter.package_name }}}.deadlines import (
    FORGOTTEN,
    Job,
    check_jobs,
    job_file,
)
from {{{ cookiecutter.package_name }}}.once import Record
from {{{ cookiecutter.package_name }}}.results import (
    Result,
    write_failed,
)
from {{{ cookiecutter.package_name }}}.workspace import (
    Run,
    Workspace,
    read_json,
    write_json,
)

from .conftest import ROOT, Project
from .inbox import Inbox

JOB = "4f2c"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A folder with parameters, which is the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    return Project(tmp_path)


@pytest.fixture
def run(project: Project) -> Run:
    """A run that was planned, and is at `train`."""
    run = Run(run_id="2013-05-0a1b2c3d", period="2013-05", folder=f"{project.folder}/runs/it")
    begin(project, run)
    for step in ("ingest-2013-05", "train"):
        Workspace(run).lock(step).parent.mkdir(parents=True, exist_ok=True)
        Workspace(run).lock(step).touch()
    done = Record(step="ingest", started=0, seconds=1, returned={})
    write_json(Workspace(run).record("ingest-2013-05"), done)
    return run


def begin(
    project: Project, run: Run, outcome: Literal["planned", "nothing_new", "refused"] = "planned"
) -> None:
    write_json(job_file(project.params, JOB), Job(run=run, outcome=outcome, reason="why"))


def notice(job: str = JOB, period: str = "") -> None:
    """Do the task in this process; it does not need to know how KFP says that the run ended."""
    from kubeflow import pipeline

    task: Any = pipeline.notice
    task.python_func(None, job=job, period=period, window=0)


def test_a_killed_task_is_named_whatever_was_tried_again_before(run: Run, inbox: Inbox) -> None:
    write_failed(run, "kubeflow", ConnectionError("cured since"), "ingest")
    notice()
    result = read_json(Workspace(run).result, Result)
    assert (result.step, result.reason[:17]) == ("train", "a task was killed")
    (alert,) = inbox.alerts
    assert (alert["kind"], alert["step"], alert["reason"]) == ("run_failed", "train", result.reason)


def test_what_failed_for_good_is_said_once_with_the_way_there_and_back(
    project: Project, run: Run, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KFP_UI_URL", "https://kfp.example.com/")
    write_failed(run, "kubeflow", ConnectionError("the tracker is gone"))
    for _ in range(2):  # KFP tries the task again
        notice()
        assert read_json(job_file(project.params, JOB), Job).ended
    (alert,) = inbox.alerts
    assert (alert["step"], alert["reason"]) == ("train", "ConnectionError: the tracker is gone")
    assert alert["run_url"] == f"https://kfp.example.com/#/runs/details/{JOB}"
    assert alert["rerun"] == "clone the run in its page, with period=2013-05"


def test_a_job_that_was_never_planned_is_said_once(project: Project, inbox: Inbox) -> None:
    half = Path(f"runs/.jobs/.{JOB}.json.0a1b2c3d.part")  # as a killed `plan` leaves it
    half.parent.mkdir(parents=True)
    half.touch()
    for _ in range(2):
        notice(period="2013-05")
    (alert,) = inbox.alerts
    assert (alert["kind"], alert["step"], alert["period"]) == ("run_crashed", "plan", "2013-05")
    assert alert["reason"] == "the run was never planned: the log of `plan` says why"
    assert not half.exists()


def test_a_source_that_did_not_let_it_be_planned_is_said(
    project: Project, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kubeflow import pipeline

    def no_answer(*_: object) -> Run:
        raise TimeoutError("the source did not answer in 120 s")

    monkeypatch.setattr(plan, "plan_run", no_answer)
    task: Any = pipeline.plan
    for _ in range(4):
        with pytest.raises(TimeoutError):  # so KFP tries it again
            task.python_func("2013-05", 0, JOB)
    notice(period="2013-05")
    (alert,) = inbox.alerts
    assert (alert["kind"], alert["step"], alert["period"]) == ("run_failed", "plan", "2013-05")
    assert alert["reason"] == "the source did not answer in 120 s"
    assert len(list(project.folder.glob("runs/refused-*"))) == 1


def test_nothing_is_said_where_there_is_nothing_to_do(
    project: Project, run: Run, inbox: Inbox
) -> None:
    begin(project, run, "nothing_new")
    notice()
    assert inbox.alerts == []
    assert read_json(job_file(project.params, JOB), Job).ended


def test_a_job_that_does_not_end_is_said_once(project: Project, run: Run, inbox: Inbox) -> None:
    file, now = Path(job_file(project.params, JOB).path), datetime.now(UTC)

    def looks_after(minutes: float) -> list[str]:
        then = now.timestamp() - minutes * 60
        os.utime(file, (then, then))
        return check_jobs(project.params, 180, now)

    assert looks_after(179) == []
    for minutes in (181, 241):
        (reason,) = looks_after(minutes)
        assert reason.startswith(f"Run {run.run_id} has not ended within 180 minutes")
    assert inbox.kinds == ["deadline_missed"]
    notice()  # it comes all the same, late
    assert inbox.kinds == ["deadline_missed", "run_failed"]
    begin(project, run)
    assert looks_after(FORGOTTEN.total_seconds() / 60 + 1) == []
    assert not file.exists()
    assert len(inbox.alerts) == 2
