"""The metrics that Prometheus scrapes, and the alerts that Alertmanager posts back."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from wsgiref.simple_server import make_server

import pytest
from prometheus_client.parser import text_string_to_metric_families

import {{{ cookiecutter.package_name }}} as package
from {{{ cookiecutter.package_name }}}.runtime import room
from {{{ cookiecutter.package_name }}}.runtime.files import write_json
from {{{ cookiecutter.package_name }}}.runtime.monitor import run_metrics
from {{{ cookiecutter.package_name }}}.runtime.monitor.exporter import (
    Handler,
    Monitor,
    Server,
)
from {{{ cookiecutter.package_name }}}.runtime.periods import CADENCE, DAILY, WEEKLY, bounds
from {{{ cookiecutter.package_name }}}.runtime.run.checkpoint import checkpoint
from {{{ cookiecutter.package_name }}}.runtime.run.outcome import write_failed
from {{{ cookiecutter.package_name }}}.runtime.run.run_dir import RunDir
from {{{ cookiecutter.package_name }}}.runtime.steps import ingest

from .conftest import MAIN, SCHEMA, P, Project, V, failing
from .inbox import Inbox
from .tracked import break_down

HEADLINE = room.evaluation().HEADLINE
LABELS = {"alertname": "RunFailed", "severity": "critical", "period": P[5], "run_id": "r"}

# As Alertmanager 0.28 posts it.
ALERT: dict[str, Any] = {
    "status": "firing",
    "labels": LABELS | {"step": "train", "job": "pipeline"},
    "annotations": {
        "summary": f"The run for {P[5]} failed",
        "description": "It failed at train.",
        "runbook_url": "docs/operate.md#runfailed",
    },
    "startsAt": "2013-06-02T06:00:00.123456789Z",
    "endsAt": "0001-01-01T00:00:00Z",
    "generatorURL": "http://prometheus:9090/graph",
    "fingerprint": "7522cfed41973c41",
}


def notification(*alerts: dict[str, Any]) -> bytes:
    about = {"receiver": "monitor", "version": "4", "groupKey": "{}:{}", "truncatedAlerts": 0}
    return json.dumps(about | {"alerts": alerts}).encode()


class Running:
    """A monitor that is serving."""

    def __init__(self, address: str) -> None:
        self.address = address

    def scrape(self) -> dict[str, float]:
        """Return the values by name and labels."""
        with urlopen(f"{self.address}/metrics") as answer:  # noqa: S310
            families = text_string_to_metric_families(answer.read().decode())
        return {
            name + "".join(f" {label}={labels[label]}" for label in sorted(labels)): value
            for family in families
            for name, labels, value, *_ in family.samples
        }

    def post(self, body: bytes, path: str = "/alerts", length: int | None = None) -> int:
        """Return the status of the answer to a notification of a claimed length."""
        headers = {"Content-Length": str(len(body) if length is None else length)}
        try:
            with urlopen(Request(self.address + path, body, headers)) as answer:  # noqa: S310
                return int(answer.status)
        except HTTPError as error:
            return error.code


@pytest.fixture
def monitor(released: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """A monitor whose answers are never older than the question."""
    monkeypatch.setattr(run_metrics, "KEPT", 0.0)
    monkeypatch.setattr(run_metrics, "PATIENCE", 60.0)
    with make_server("127.0.0.1", 0, Monitor(released.params), Server, Handler) as server:
        Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
        yield Running(f"http://127.0.0.1:{server.server_port}")
        server.shutdown()


def test_the_metrics_of_runs(monitor: Running, released: Project) -> None:
    first, second = released.plan(P[4]), released.work(P[5])
    files = {file: file.stat().st_mtime for file in Path("runs").rglob("*")}
    seen = monitor.scrape()
    assert {file: file.stat().st_mtime for file in Path("runs").rglob("*")} == files  # only read
    assert seen["pipeline_runs_up"] == seen["pipeline_tracker_up"] == 1
    results = [released.result(run) for run in (first, second)]
    for result in results:
        about = f"period={result.period} run_id={result.run_id} status={result.status}"
        assert seen[f"pipeline_run_info {about} step="] == 1
        period = f"period={result.period}"
        for kind, count in result.rows.items():
            assert seen[f"pipeline_rows kind={kind} {period}"] == count
        for step, seconds in result.seconds.items():
            if step != "all":
                assert seen[f"pipeline_step_seconds {period} step={step}"] == seconds
                assert seen[f"pipeline_step_retries {period} step={step}"] == 0
        assert seen[f"pipeline_run_seconds {period}"] == result.seconds["all"]
        for metric, value in result.metrics.items():
            about = f"metric={metric} model=challenger {period}"
            assert seen[f"pipeline_model_score {about}"] == pytest.approx(value)
        assert seen[f"pipeline_data_findings {period} table={MAIN}"] == 0
    last = results[1]
    about = f"period={P[5]} run_id={last.run_id} status={last.status}"
    assert f"pipeline_last_run_info {about}" in seen
    ended = RunDir(second).result.stat().st_mtime
    assert seen["pipeline_last_success_timestamp_seconds"] == pytest.approx(ended, abs=1e-3)
    start = bounds(P[5], "UTC")[0].timestamp()
    assert seen[f"pipeline_period_start_timestamp_seconds period={P[5]}"] == start


def test_the_headline_metric(
    monitor: Running, released: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    released.work(P[5])
    seen, params = monitor.scrape(), released.params
    ours = room.evaluation()
    better = "higher" if ours.HIGHER_IS_BETTER else "lower"
    labels = f"better={better} label={ours.HEADLINE_LABEL} metric={HEADLINE}"
    assert seen[f"pipeline_headline_info {labels}"] == 1
    assert seen["pipeline_headline_floor"] == params.evaluate.floor
    for model in (f"model=challenger period={P[4]}", f"model=champion period={P[5]}"):
        score = seen[f"pipeline_headline_score {model}"]
        assert seen[f"pipeline_model_score metric={HEADLINE} {model}"] == score
        distance = abs(score - params.evaluate.floor)
        assert abs(seen[f"pipeline_headline_margin {model}"]) == pytest.approx(distance)
    assert f"pipeline_headline_score model=champion period={P[4]}" not in seen
    margin = seen[f"pipeline_headline_margin model=challenger period={P[4]}"]
    assert margin > 0  # it was released
    monkeypatch.setattr(ours, "HIGHER_IS_BETTER", not ours.HIGHER_IS_BETTER)
    turned = monitor.scrape()
    assert turned[f"pipeline_headline_margin model=challenger period={P[4]}"] == -margin


def test_the_champion(monitor: Running, released: Project) -> None:
    run_id = released.plan(P[4]).run_id
    seen = monitor.scrape()
    assert seen[f"pipeline_champion_info period={P[4]} run_id={run_id} version={V[1]}"] == 1
    score = seen[f"pipeline_headline_score model=challenger period={P[4]}"]
    assert seen["pipeline_champion_headline"] == pytest.approx(score)
    assert seen[f"pipeline_champion_score metric={HEADLINE}"] == pytest.approx(score)
    assert 0 < time.time() - seen["pipeline_champion_registered_timestamp_seconds"] < 3600


def test_an_unfinished_run_and_its_failure(
    monitor: Running, released: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = released.plan(P[5])
    about = f"period={P[5]} run_id={run.run_id}"
    assert f"pipeline_unfinished_run_begin_timestamp_seconds {about}" in monitor.scrape()
    failing(monkeypatch, ingest, "ingest", OSError("no answer"), times=2)
    for _ in range(2):
        with pytest.raises(OSError, match="no answer"):
            checkpoint(ingest.ingest, run, P[5])
    seen = monitor.scrape()
    begun = seen[f"pipeline_unfinished_run_begin_timestamp_seconds {about}"]
    assert seen[f"pipeline_unfinished_run_active_timestamp_seconds {about}"] > begun
    assert seen["pipeline_runs status=unfinished"] == 1
    write_failed(run, "none", OSError("no answer"), "ingest")
    seen = monitor.scrape()
    assert seen["pipeline_runs status=unfinished"] == 0
    assert seen["pipeline_runs status=failed"] == seen["pipeline_runs status=released"] == 1
    assert seen[f"pipeline_run_info {about} status=failed step=ingest"] == 1
    assert seen[f"pipeline_step_retries period={P[5]} step=ingest"] == 1
    failed = seen[f"pipeline_last_failure_timestamp_seconds {about} step=ingest"]
    assert failed > seen["pipeline_last_success_timestamp_seconds"]
    released.work(P[5])
    assert monitor.scrape()["pipeline_runs status=failed"] == 0


def test_findings_are_counted_by_table(monitor: Running, released: Project) -> None:
    released.deliver(MAIN, P[5], lambda rows: rows.drop(list(SCHEMA.columns)[:2]))
    released.work(P[5])
    seen = monitor.scrape()
    findings = {
        table: seen[f"pipeline_data_findings period={P[5]} table={table}"]
        for table in room.tables().TABLES
    }
    assert findings == dict.fromkeys(findings, 0) | {MAIN: 2}
    assert seen["pipeline_runs status=quarantined"] == 1


def test_a_broken_run_does_not_hide_the_others(monitor: Running) -> None:
    whole = monitor.scrape()
    broken = Path(f"runs/{P[9]}-0123abcd")
    broken.mkdir()
    (broken / "result.json").write_text('{"run_id": ', encoding="utf-8")
    seen = monitor.scrape()
    assert seen.pop("pipeline_unreadable_runs") == 1
    assert whole.pop("pipeline_unreadable_runs") == 0
    assert seen == whole


def test_runs_of_a_former_cadence_are_not_counted(monitor: Running, released: Project) -> None:
    assert monitor.scrape()["pipeline_runs status=released"] == 1
    run = released.plan(P[4])
    former = DAILY.example if CADENCE is not DAILY else WEEKLY.example
    result = released.result(run).model_copy(update={"period": former})
    RunDir(run).quality.unlink()  # it names the periods of now
    write_json(RunDir(run).result, result)
    seen = monitor.scrape()
    assert seen["pipeline_runs status=released"] == seen["pipeline_unreadable_runs"] == 0


def test_runs_are_served_while_the_tracker_is_down(
    monitor: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = monitor.scrape()
    break_down(monkeypatch)
    seen = monitor.scrape()
    assert seen == whole | {"pipeline_tracker_up": 0}  # with the last champion known
    assert "tracker: no answer" in caplog.text
    assert "hunter2" not in caplog.text


def test_a_tracker_that_hangs_delays_no_scrape(
    released: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = Event()
    monkeypatch.setattr(run_metrics, "PATIENCE", 0.2)
    monkeypatch.setattr(run_metrics, "in_use", lambda _name: answers.wait())
    collector = run_metrics.PipelineMetrics(released.params)
    samples = {metric.name: metric.samples for metric in collector.collect()}
    answers.set()
    assert samples["pipeline_tracker_up"][0].value == 0
    assert samples["pipeline_champion_info"] == []


def test_limits_are_served_where_they_are_set(released: Project) -> None:
    def limits() -> dict[str, list[float]]:
        names = ("pipeline_deadline_days", "pipeline_headline_quality_drop")
        collected = run_metrics.PipelineMetrics(released.params).collect()
        return {m.name: [s.value for s in m.samples] for m in collected if m.name in names}

    released.tune(deadlines__champion_days=None, alerts__quality_drop=None)
    assert limits() == {"pipeline_headline_quality_drop": [], "pipeline_deadline_days": []}
    released.tune(deadlines__champion_days=3, alerts__quality_drop=0.25)
    assert limits() == {"pipeline_headline_quality_drop": [0.25], "pipeline_deadline_days": [3]}


def test_the_components_of_the_orchestrator(
    released: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def components() -> dict[str, float]:
        (up,) = (m for m in collector.collect() if m.name == "pipeline_orchestrator_up")
        return {sample.labels["component"]: sample.value for sample in up.samples}

    monkeypatch.setattr(run_metrics, "KEPT", 0.0)
    monkeypatch.setattr(run_metrics, "PATIENCE", 60.0)
    collector = run_metrics.PipelineMetrics(released.params)
    assert components() == {}
    page = released.folder / "health.json"
    monkeypatch.setenv("HEALTH_URL", page.as_uri())
    collector = run_metrics.PipelineMetrics(released.params)
    assert components() == {"api-server": 0}
    answer = {  # of Airflow 3
        "metadatabase": {"status": "healthy"},
        "scheduler": {"status": "healthy", "latest_scheduler_heartbeat": "2013-06-02T06:00:00Z"},
        "triggerer": {"status": "unhealthy", "latest_triggerer_heartbeat": "2013-06-02T05:00:00Z"},
        "dag_processor": {"status": None, "latest_dag_processor_heartbeat": None},
    }
    page.write_text(json.dumps(answer), encoding="utf-8")
    healthy = {"api-server": 1, "metadatabase": 1, "scheduler": 1}
    assert components() == healthy | {"triggerer": 0, "dag-processor": 0}
    page.unlink()
    assert components() == {"api-server": 0}


def test_an_alert_is_sent_as_an_event(monitor: Running, inbox: Inbox) -> None:
    assert monitor.post(notification(ALERT)) == 200
    (arrived,) = inbox.alerts
    assert arrived["title"].endswith(f": The run for {P[5]} failed")
    assert (arrived["kind"], arrived["severity"], arrived["type"]) == (
        "monitoring",
        "critical",
        "failure",
    )
    assert arrived["reason"] == "It failed at train."
    assert (arrived["period"], arrived["run_id"], arrived["step"]) == (P[5], "r", "train")
    assert arrived["facts"] == [
        "job: pipeline",
        "what to do: docs/operate.md#runfailed",
        "rule: RunFailed, since 2013-06-02 06:00 UTC",
    ]
    assert monitor.post(notification(ALERT | {"status": "resolved"})) == 200
    over = inbox.alerts[1]
    assert over["title"].endswith(f": over: The run for {P[5]} failed")
    assert over["severity"] == "info"


def test_an_alert_of_a_team_s_own_rule(monitor: Running, inbox: Inbox) -> None:
    labels = {"alertname": "Mine", "severity": "page"}
    assert monitor.post(notification(ALERT | {"labels": labels, "annotations": {}})) == 200
    (arrived,) = inbox.alerts
    assert arrived["title"].endswith(": Mine")
    assert arrived["severity"] == "warning"


def test_a_target_that_received_an_alert_is_not_sent_it_again(
    monitor: Running, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Inbox()
    monkeypatch.setenv("ALERT_URLS", f"{inbox.url} {other.url}")
    body = notification(ALERT)
    other.status = 500
    assert monitor.post(body) == 503
    other.status = 200
    assert monitor.post(notification(ALERT | {"fingerprint": "another"})) == 200
    assert len(inbox.alerts) == 2
    assert len(other.alerts) == 1
    assert monitor.post(body) == 200
    assert len(inbox.alerts) == len(other.alerts) == 2
    assert monitor.post(body) == 200  # a day later, and still firing
    assert len(inbox.alerts) == len(other.alerts) == 3
    other.server.server_close()


def test_a_body_that_is_no_notification_is_refused(monitor: Running, inbox: Inbox) -> None:
    for body in (b"", b"nonsense", b"[]", b'{"alerts": [{}]}', b"\xff"):
        assert monitor.post(body) == 400, body
    assert monitor.post(notification(ALERT), length=1_000_001) == 400  # it is not read
    assert inbox.alerts == []


def test_other_paths_are_not_found(monitor: Running) -> None:
    assert monitor.post(notification(ALERT), "/elsewhere") == 404


def test_the_command(released: Project, inbox: Inbox) -> None:
    """In a process of its own, as in the stack: it serves, sends alerts, and ends on SIGTERM."""
    command = [sys.executable, "-m", package.__name__, "monitor", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stderr is not None
        try:
            address = next(line for line in process.stderr if line.startswith("monitor: "))
            monitor = Running(address.removeprefix("monitor: ").removesuffix("/metrics\n"))
            with urlopen(f"{monitor.address}/health") as answer:  # noqa: S310
                assert answer.read() == b"ok\n"
            end = time.monotonic() + 60
            while not (seen := monitor.scrape())["pipeline_runs_up"]:  # while it still imports
                assert time.monotonic() < end
            assert seen["pipeline_runs status=released"] == 1
            assert monitor.post(notification(ALERT)) == 200
            assert inbox.kinds == ["monitoring"]
        finally:
            process.terminate()
        assert process.wait(timeout=30) == 0
        assert "secret-path" not in process.stderr.read()
