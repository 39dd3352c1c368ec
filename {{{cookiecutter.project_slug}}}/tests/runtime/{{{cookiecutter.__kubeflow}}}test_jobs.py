"""Jobs of Kubeflow that do not end: each is alerted of, whatever the files of others are like."""

from datetime import UTC, datetime, timedelta

import pytest

from {{{ cookiecutter.package_name }}}.runtime.files import write_json
from {{{ cookiecutter.package_name }}}.runtime.notify.jobs import Job, check_jobs, job_file
from {{{ cookiecutter.package_name }}}.runtime.run import Run

from .conftest import P, Project
from .inbox import Inbox


def test_a_job_that_cannot_be_read_does_not_hide_the_others(
    project: Project,
    inbox: Inbox,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run = Run(run_id=f"{P[6]}-0123abcd", period=P[6], folder=str(project.folder))
    for name in ("damaged", "hanging", "ended"):
        job = Job(run=run, outcome="planned", ended=name == "ended")
        write_json(job_file(project.params, name), job)
    job_file(project.params, "damaged").write_bytes(b'{"run": ')
    found = [*job_file(project.params, "damaged").parent.iterdir()]
    removed = job_file(project.params, "removed")
    monkeypatch.setattr(type(removed), "glob", lambda *_: iter([removed, *found]))
    reasons = check_jobs(project.params, 30, datetime.now(UTC) + timedelta(hours=1))
    assert [reason.partition(":")[0] for reason in reasons] == [
        f"Run {run.run_id} has not ended within 30 minutes"
    ]
    assert inbox.kinds == ["deadline_missed"]
    assert "job removed cannot be read" in caplog.text
    assert "job damaged cannot be read" in caplog.text
