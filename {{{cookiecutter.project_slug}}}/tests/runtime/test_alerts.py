"""Alerts: what they say, that they are said once, and that nothing of them does harm."""

import logging
from pathlib import Path
from typing import Any

import pytest
from upath import UPath

from {{{ cookiecutter.package_name }}}.__main__ import deploy_alert
from {{{ cookiecutter.package_name }}}.alerts import notify, targets
from {{{ cookiecutter.package_name }}}.errors import BadInput
from {{{ cookiecutter.package_name }}}.events import LONGEST, Event, outcome
from {{{ cookiecutter.package_name }}}.once import once
from {{{ cookiecutter.package_name }}}.results import write_failed
from {{{ cookiecutter.package_name }}}.steps.quarantine import quarantine
from {{{ cookiecutter.package_name }}}.steps.report import report
from {{{ cookiecutter.package_name }}}.workspace import Workspace

from .conftest import Project, drop_a_third
from .inbox import Inbox

FAILED = Event(kind="run_failed", title="2013-05 failed", reason="why", attempt="1")
LINKS: dict[str, Any] = {"attempt": "1", "run_url": "http://page/1", "rerun": "make run"}


def test_what_was_said_of_a_try_is_not_said_again(inbox: Inbox, tmp_path: Path) -> None:
    again = FAILED.model_copy(update={"attempt": "2"})
    other = FAILED.model_copy(update={"kind": "quarantined"})
    for event in (FAILED, FAILED, again, other, again):
        notify(event, UPath(tmp_path))
    assert inbox.kinds == ["run_failed", "run_failed", "quarantined"]


def test_how_a_deploy_ended_is_said(inbox: Inbox, project: Project) -> None:
    del project  # whose parameters say that people want to be told
    for ended in ("success", "cancelled"):
        with pytest.raises(SystemExit, match="0"):
            deploy_alert(ended, "staging", "registry/name@sha256:1", "http://page/1")
    assert inbox.kinds == ["deployed", "deploy_failed"]
    titles = [alert["title"] for alert in inbox.alerts]
    assert "staging has a new version" in titles[0]
    assert "staging was not deployed" in titles[1]
    assert "registry/name@sha256:1" in inbox.alerts[1]["reason"]
    inbox.status = 500
    with pytest.raises(SystemExit, match="1"):
        deploy_alert("success", "staging", "registry/name@sha256:1", "http://page/1")


def test_what_nobody_got_is_said_again(inbox: Inbox, tmp_path: Path) -> None:
    inbox.status = 500
    notify(FAILED, UPath(tmp_path))
    inbox.status = 200
    notify(FAILED, UPath(tmp_path))
    assert inbox.kinds == ["run_failed"]


def test_no_alert_raises(inbox: Inbox, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    inbox.status = 403
    notify(FAILED, UPath(tmp_path))
    assert "alert run_failed: not sent to JSON (entry 1), in 3 tries" in caplog.text


def test_a_malformed_target_keeps_none_from_the_others(
    inbox: Inbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("ALERT_URLS", f"nonsense {inbox.url}")
    notify(FAILED, UPath(tmp_path))
    assert "ALERT_URLS: entry 1 is no URL" in caplog.text
    assert inbox.kinds == ["run_failed"]


def test_who_was_not_told_is_told_later(
    inbox: Inbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALERT_URLS", f"{inbox.url}?+X-Id=1 {inbox.url}?+X-Id=2")
    inbox.status = 500
    notify(FAILED, UPath(tmp_path))
    inbox.status = 200
    notify(FAILED, UPath(tmp_path))
    notify(FAILED, UPath(tmp_path))
    assert inbox.kinds == ["run_failed"] * 2


def test_what_cannot_be_remembered_is_said(inbox: Inbox, tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    notify(FAILED, UPath(in_the_way))
    assert inbox.kinds == ["run_failed"]


def test_logs_tell_no_secret(
    inbox: Inbox, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("ALERT_URLS", f"{inbox.url}?+X-From=https://example.com/")
    notify(FAILED, UPath(tmp_path))
    assert "JSON POST URL" in caplog.text
    assert "secret-path" not in caplog.text


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ("slack://hush-hush", "entry 1 lacks something of a slack:// address, such as credentials"),
        ("mailtos://smtp.example.com/hush", "entry 1 lacks something of a mailtos:// address"),
        ("pagerduty://hush", "entry 1 lacks something of a pagerduty:// address"),
        ("smack://hush", "entry 1 has a scheme that no service has"),
        ("https://hush.example.com", "entry 1 is of no known service; for a webhook of yours"),
        ("hush", "entry 1 is no URL"),
        ("json://example.com critical=hush", "entry 2 is no URL"),
        ("json://hush.example.com, json://b.example", "entry 1 ends with a comma"),
        ("urgent=json://example.com/hush", "entry 1 has a scheme that no service has"),
    ],
)
def test_a_malformed_target_is_refused(
    entry: str,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("ALERT_URLS", entry)
    with pytest.raises(BadInput) as refused:
        targets()
    said = str(refused.value)
    assert said.startswith(f"ALERT_URLS: {sentence}")
    assert said.endswith(".")
    assert "hush" not in said + caplog.text


def test_targets_are_read_from_the_environment_or_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ALERT_URLS", raising=False)
    assert targets() == []
    Path(".env").write_text("ALERT_URLS='json://a.example warning=json://b.example'\n")
    assert [target.least for target in targets()] == ["info", "warning"]
    monkeypatch.setenv("ALERT_URLS", "json://c.example")
    assert len(targets()) == 1


def test_a_release_tells_old_and_new_metrics(evaluated: Project) -> None:
    run = evaluated.work("2013-05")
    result = evaluated.result(run)
    event = outcome(run, result, **LINKS)
    assert event is not None
    released = result.status == "released"
    assert event.kind == ("champion_changed" if released else "challenger_rejected")
    whose = "the former champion's" if released else "the champion's"
    assert event.facts[0].startswith(f"auc {result.metrics['auc']:.4f}, {whose} 0.")
    assert (event.run_id, event.period, event.severity) == (run.run_id, "2013-05", "info")


def test_a_quarantine_tells_the_three_worst_findings(released: Project) -> None:
    lost = ("origin", "carrier", "distance", "flight")
    released.deliver("flights", "2013-05", lambda rows: drop_a_third(rows).drop(*lost))
    run = released.work("2013-05", last="validate")
    once(quarantine, run)
    once(report, run, "none")
    event = outcome(run, released.result(run), **LINKS)
    assert event is not None
    assert (event.kind, event.severity) == ("quarantined", "warning")
    assert all(fact.startswith("2013-05: flights.") for fact in event.facts[:3])
    assert event.facts[3:] == ["and 1 more", "the champion stays: version 1"]


def test_a_failure_tells_step_reason_and_what_to_do(project: Project) -> None:
    run = project.plan("2013-04")
    Workspace(run).lock("train").parent.mkdir(parents=True, exist_ok=True)
    Workspace(run).lock("train").touch()
    error = OSError("no answer of http://ada:hunter2@db " + "so long " * 100 + "\nmore: see there")
    event = outcome(run, write_failed(run, "none", error), **LINKS)
    assert event is not None
    assert (event.kind, event.severity, event.step) == ("run_failed", "critical", "train")
    assert event.title == "2013-04 failed at train"
    assert event.reason.startswith("OSError: no answer of http://db so long")
    assert len(event.reason) == LONGEST + 1
    assert "once mended: make run" in event.all_facts
    assert "page of the run: http://page/1" in event.all_facts
