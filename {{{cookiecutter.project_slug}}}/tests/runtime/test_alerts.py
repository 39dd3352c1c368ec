"""Alerts: what they say, that each is sent once, and that none of them harms a run."""

import logging
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from upath import UPath

from {{{ cookiecutter.package_name }}}.runtime import room
{% if cookiecutter.__has_image %}
from {{{ cookiecutter.package_name }}}.runtime.cli import deploy_alert
{% endif %}
from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput
from {{{ cookiecutter.package_name }}}.runtime.files import write_json
from {{{ cookiecutter.package_name }}}.runtime.notify import alerts
from {{{ cookiecutter.package_name }}}.runtime.notify.alerts import notify
from {{{ cookiecutter.package_name }}}.runtime.notify.events import LONGEST, Event, run_event
from {{{ cookiecutter.package_name }}}.runtime.notify.targets import TIMEOUT, targets
from {{{ cookiecutter.package_name }}}.runtime.results import (
    Quarantine,
    QuarantinedPeriod,
    Result,
)
from {{{ cookiecutter.package_name }}}.runtime.run.outcome import write_failed
from {{{ cookiecutter.package_name }}}.runtime.run.run_dir import RunDir

from .conftest import MAIN, SCHEMA, P, Project, V
from .inbox import Inbox

FAILED = Event(kind="run_failed", title=f"{P[5]} failed", reason="why", attempt="1")
SHARES = [("a", 6.0), ("b", 90.0), ("c", 7.5), ("d", 33.3)]
LINKS: dict[str, Any] = {"attempt": "1", "run_url": "http://page/1", "rerun": "make run"}


def test_each_try_sends_its_alert_once(inbox: Inbox, tmp_path: Path) -> None:
    again = FAILED.model_copy(update={"attempt": "2"})
    other = FAILED.model_copy(update={"kind": "quarantined"})
    for event in (FAILED, FAILED, again, other, again):
        notify(event, UPath(tmp_path))
    assert inbox.kinds == ["run_failed", "run_failed", "quarantined"]


{% if cookiecutter.__has_image %}
def test_the_alert_of_a_deploy(inbox: Inbox, project: Project) -> None:
    del project  # its parameters want alerts
    for outcome in ("success", "cancelled"):
        with pytest.raises(SystemExit, match="0"):
            deploy_alert(outcome, "staging", "registry/name@sha256:1", "http://page/1")
    assert inbox.kinds == ["deployed", "deploy_failed"]
    titles = [alert["title"] for alert in inbox.alerts]
    assert "staging has a new version" in titles[0]
    assert "staging was not deployed" in titles[1]
    assert "registry/name@sha256:1" in inbox.alerts[1]["reason"]
    inbox.status = 500
    with pytest.raises(SystemExit, match="1"):
        deploy_alert("success", "staging", "registry/name@sha256:1", "http://page/1")


{% endif %}
def test_an_alert_that_reached_nobody_is_sent_again(
    inbox: Inbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    inbox.status = 403
    notify(FAILED, UPath(tmp_path))
    assert "alert run_failed: not sent to JSON (entry 1), in 3 tries" in caplog.text
    inbox.status = 200
    notify(FAILED, UPath(tmp_path))
    notify(FAILED, UPath(tmp_path))
    assert inbox.kinds == ["run_failed"]


def test_an_alert_whose_library_fails_did_not_arrive(
    inbox: Inbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> bool:
        raise TypeError("unexpected answer")

    with monkeypatch.context() as patch:
        patch.setattr("apprise.plugins.custom_json.NotifyJSON.notify", fail)
        notify(FAILED, UPath(tmp_path))
    assert inbox.kinds == []
    notify(FAILED, UPath(tmp_path))
    assert inbox.kinds == ["run_failed"]


def test_a_malformed_target_does_not_block_the_others(
    inbox: Inbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    two = f"{inbox.url}?+X-Id=1 {inbox.url}?+X-Id=2"
    monkeypatch.setenv("ALERT_URLS", f"nonsense {two}")
    notify(FAILED, UPath(tmp_path))
    assert "ALERT_URLS: entry 1 is not a URL" in caplog.text
    assert inbox.kinds == ["run_failed"] * 2


def test_an_alert_that_cannot_be_recorded_is_sent(inbox: Inbox, tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    notify(FAILED, UPath(in_the_way))
    assert inbox.kinds == ["run_failed"]


def test_an_alert_that_another_process_may_be_sending_is_not_sent_twice(
    inbox: Inbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    longest = alerts.TRIES * TIMEOUT + sum(range(alerts.TRIES)) * alerts.PAUSE
    assert longest < alerts.PATIENCE
    monkeypatch.setattr(alerts, "PATIENCE", 0.1)
    (tmp_path / "alerts").mkdir()
    with FileLock(tmp_path / "alerts/.lock"):
        notify(FAILED, UPath(tmp_path))
    assert inbox.kinds == []
    assert "run_failed: not sent: another process has been sending one for 0.1 s" in caplog.text


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ("slack://hush-hush", "entry 1 is an incomplete slack:// address"),
        ("mailtos://smtp.example.com/hush", "entry 1 is an incomplete mailtos:// address"),
        ("pagerduty://hush", "entry 1 is an incomplete pagerduty:// address"),
        ("smack://hush", "entry 1 has an unknown scheme"),
        ("https://hush.example.com", "entry 1 names no known service; for a webhook of your own"),
        ("hush", "entry 1 is not a URL"),
        ("json://example.com critical=hush", "entry 2 is not a URL"),
        ("json://hush.example.com, json://b.example", "entry 1 ends with a comma"),
        ("urgent=json://example.com/hush", "entry 1 has an unknown scheme"),
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
    message = str(refused.value)
    assert message.startswith(f"ALERT_URLS: {sentence}")
    assert message.endswith(".")
    assert "hush" not in message + caplog.text


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


def test_a_release_reports_old_and_new_metrics(evaluated: Project) -> None:
    run = evaluated.work(P[5])
    result = evaluated.result(run)
    event = run_event(run, result, **LINKS)
    assert event is not None
    released = result.status == "released"
    assert event.kind == ("champion_changed" if released else "challenger_rejected")
    whose = "the former champion's" if released else "the champion's"
    headline = room.evaluation().HEADLINE
    name = headline.replace("_", " ")
    (fact,) = (fact for fact in event.facts if fact.startswith(f"{name} "))
    assert fact.startswith(f"{name} {result.metrics[headline]:.4f}, {whose} ")
    assert (event.run_id, event.period, event.severity) == (run.run_id, P[5], "info")


def test_a_quarantine_reports_the_three_worst_findings(released: Project) -> None:
    released.deliver(MAIN, P[5], lambda rows: rows.drop(list(SCHEMA.columns)[:4]))
    run = released.work(P[5])
    event = run_event(run, released.result(run), **LINKS)
    assert event is not None
    assert (event.kind, event.severity) == ("quarantined", "warning")
    assert all(fact.startswith(f"{P[5]}: {MAIN}.") for fact in event.facts[:3])
    assert event.facts[3:] == ["and 1 more", f"the champion stays: version {V[1]}"]


def test_of_the_findings_the_largest_share_comes_first(released: Project) -> None:
    run = released.plan(P[5])
    findings = [f"{MAIN}.{name}: {share}% are missing, 5.0% allowed" for name, share in SHARES]
    bad = QuarantinedPeriod(findings=findings, sha256={})
    write_json(RunDir(run).quarantine, Quarantine(periods={P[4]: bad, P[5]: bad}))
    result = Result(
        run_id=run.run_id, period=P[5], status="quarantined", reason="bad", orchestrator="none"
    )
    event = run_event(run, result, **LINKS)
    assert event is not None
    expected = [f"{P[5]}: {MAIN}.{name}: " for name in ("b", "d", "c")]
    for fact, start in zip(event.facts, expected, strict=False):
        assert fact.startswith(start)
    assert event.facts[3] == "and 5 more"


def test_a_failure_reports_step_reason_and_what_to_do(project: Project) -> None:
    run = project.plan(P[4])
    lock = RunDir(run).lock("train")
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    error = OSError("no answer of http://ada:hunter2@db " + "so long " * 100 + "\nmore: see there")
    event = run_event(run, write_failed(run, "none", error), **LINKS)
    assert event is not None
    assert (event.kind, event.severity, event.step) == ("run_failed", "critical", "train")
    assert event.title == f"{P[4]} failed at train"
    assert event.reason.startswith("OSError: no answer of http://db so long")
    assert len(event.reason) == LONGEST + 1
    assert "to resume: make run" in event.all_facts
    assert "page of the run: http://page/1" in event.all_facts
