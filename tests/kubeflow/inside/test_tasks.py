"""The first and the last task of a run: what they record, and the alerts they send."""

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest
from my_pipeline.runtime.files import read_json, write_json
from my_pipeline.runtime.notify.jobs import FORGOTTEN, Job, check_jobs, job_file
from my_pipeline.runtime.results import Result
from my_pipeline.runtime.run import Run, RunDir, plan
from my_pipeline.runtime.run.checkpoint import Checkpoint
from my_pipeline.runtime.run.outcome import write_failed
from pipelines.tasks import notice, plan_job

from .conftest import PARAMS, Project
from .inbox import Inbox

JOB = "4f2c"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A folder with parameters, which is the current one."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(PARAMS, tmp_path)
    return Project(tmp_path)


@pytest.fixture
def run(folder: Project) -> Run:
    """A run that was planned, and is at `train`."""
    run = Run(run_id="2013-05-0a1b2c3d", period="2013-05", folder=f"{folder.folder}/runs/it")
    begin(folder, run)
    for step in ("ingest-2013-05", "train"):
        RunDir(run).lock(step).parent.mkdir(parents=True, exist_ok=True)
        RunDir(run).lock(step).touch()
    done = Checkpoint(step="ingest", started=0, seconds=1)
    write_json(RunDir(run).checkpoint("ingest-2013-05"), done)
    return run


def begin(
    folder: Project, run: Run, outcome: Literal["planned", "nothing_new"] = "planned"
) -> None:
    write_json(job_file(folder.params, JOB), Job(run=run, outcome=outcome, reason="why"))


def ended(folder: Project) -> bool:
    return bool(read_json(job_file(folder.params, JOB), Job).ended)


def test_a_run_that_is_planned_again_has_another_cache_key(project: Project) -> None:
    first, again = (plan_job("2013-05", 0, job).run for job in ("first", "again"))
    assert first == again
    assert Run.model_validate(first) == project.plan("2013-05")
    shutil.rmtree(first["folder"])
    second = plan_job("2013-05", 0, "second").run
    assert second["run_id"] == first["run_id"]
    assert second != first


def test_a_window_replaces_that_of_the_parameters(project: Project) -> None:
    assert plan_job("2013-05", 2, JOB).periods == ["2013-03", "2013-04", "2013-05"]


def test_a_killed_task_is_named_whatever_failed_before(run: Run, inbox: Inbox) -> None:
    write_failed(run, "kubeflow", ConnectionError("gone since"), "ingest")
    notice(JOB, "", 0)
    result = read_json(RunDir(run).result, Result)
    assert (result.step, result.reason[:17]) == ("train", "a task was killed")
    (alert,) = inbox.alerts
    assert (alert["kind"], alert["step"], alert["reason"]) == ("run_failed", "train", result.reason)


def test_a_failure_is_sent_once_with_links(
    folder: Project, run: Run, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KFP_UI_URL", "https://kfp.example.com/")
    write_failed(run, "kubeflow", ConnectionError("the tracker is gone"))
    for _ in range(2):  # KFP retries the task
        notice(JOB, "", 3)
        assert ended(folder)
    (alert,) = inbox.alerts
    assert (alert["step"], alert["reason"]) == ("train", "ConnectionError: the tracker is gone")
    assert alert["run_url"] == f"https://kfp.example.com/#/runs/details/{JOB}"
    assert alert["rerun"] == "clone the run on its page, with period=2013-05 window=3"


def test_a_job_that_was_never_planned_is_sent_once(folder: Project, inbox: Inbox) -> None:
    half = Path(f"runs/.jobs/.{JOB}.json.0a1b2c3d.part")  # as a killed `plan` leaves it
    half.parent.mkdir(parents=True)
    half.touch()
    for _ in range(2):
        notice(JOB, "2013-05", 0)
    (alert,) = inbox.alerts
    assert (alert["kind"], alert["step"], alert["period"]) == ("run_failed", "plan", "2013-05")
    assert alert["reason"] == "the run was never planned: the log of `plan` says why"
    assert not half.exists()
    assert ended(folder)


def test_a_source_that_does_not_answer_is_tried_again_and_sent_once(
    folder: Project, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_answer(*_: object) -> Run:
        raise TimeoutError("the source did not answer in 120 s")

    monkeypatch.setattr(plan, "plan_run", no_answer)
    for _ in range(4):
        with pytest.raises(TimeoutError):  # so KFP retries
            plan_job("2013-05", 0, JOB)
    notice(JOB, "2013-05", 0)
    (alert,) = inbox.alerts
    assert (alert["kind"], alert["step"], alert["period"]) == ("run_failed", "plan", "2013-05")
    assert alert["reason"] == "the source did not answer in 120 s"
    assert len(list(folder.folder.glob("runs/refused-*"))) == 1


def test_nothing_new_sends_nothing(folder: Project, run: Run, inbox: Inbox) -> None:
    begin(folder, run, "nothing_new")
    notice(JOB, "", 0)
    assert inbox.alerts == []
    assert ended(folder)


def test_a_job_that_does_not_end_is_sent_once(folder: Project, run: Run, inbox: Inbox) -> None:
    file, now = Path(job_file(folder.params, JOB).path), datetime.now(UTC)

    def check_after(minutes: float) -> list[str]:
        then = now.timestamp() - minutes * 60
        os.utime(file, (then, then))
        return list(check_jobs(folder.params, 180, now))

    assert check_after(179) == []
    for minutes in (181, 241):
        (reason,) = check_after(minutes)
        assert reason.startswith(f"Run {run.run_id} has not ended within 180 minutes")
    assert inbox.kinds == ["deadline_missed"]
    notice(JOB, "", 0)  # it comes all the same, late
    assert inbox.kinds == ["deadline_missed", "run_failed"]
    begin(folder, run)
    assert check_after(FORGOTTEN.total_seconds() / 60 + 1) == []
    assert not file.exists()
    assert len(inbox.alerts) == 2
