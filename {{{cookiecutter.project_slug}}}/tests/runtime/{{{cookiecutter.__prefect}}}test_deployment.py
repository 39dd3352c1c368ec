"""Tasks, deployments and settings as Prefect reads them; no server is needed."""

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from prefect import Flow
from prefect.client.schemas.schedules import CronSchedule
from prefect.flows import load_flow_from_entrypoint
from prefect.settings import Settings
from prefect.tasks import Task

import {{{ cookiecutter.package_name }}} as package

from .conftest import ROOT, TASKS, Project

MAPPED = ("ingest", "features")


def test_every_task_is_retried_and_those_in_the_main_thread_have_a_timeout() -> None:
    import flows.training

    tasks = {name: value for name, value in vars(flows.training).items() if isinstance(value, Task)}
    assert set(tasks) >= set(TASKS)
    for name, task in tasks.items():
        assert task.retries >= 1, name
        assert task.retry_delay_seconds, name
        assert task.retry_condition_fn is not None, name  # bad input is not retried
        if name in TASKS and name not in MAPPED:
            assert task.timeout_seconds is not None, name
            assert task.timeout_seconds > 0, name


def test_a_missed_deadline_is_no_failure(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The flow's function, without a server: its state says what it found."""
    import flows.deadline

    for found, name in (("No champion was released.", "Missed"), (None, "Kept")):
        monkeypatch.setattr(flows.deadline, "check", lambda *_, found=found: found)
        state = flows.deadline.deadline.fn()
        assert (state.is_completed(), state.name) == (True, name)


def test_deployments_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    assert {deployment["name"] for deployment in deployments} >= {"scheduled", "backfill", "check"}
    for deployment in deployments:
        flow: Flow[..., Any] = load_flow_from_entrypoint(deployment["entrypoint"])
        parameters = deployment.get("parameters", {})
        assert flow.validate_parameters(parameters) == parameters
        assert deployment["work_pool"]["name"]
        if "{{{ cookiecutter.project_slug }}}" in deployment["tags"]:
            assert deployment["concurrency_limit"]["limit"] == 1
        for schedule in deployment.get("schedules", []):
            assert ZoneInfo(schedule["timezone"])
            CronSchedule(cron=schedule["cron"], timezone=schedule["timezone"])


def test_prefect_reads_the_settings_of_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("PREFECT_HOME", raising=False)
    settings = Settings()
    assert settings.home == Path(".prefect")
    assert package.__name__ in (settings.logging.extra_loggers or [])
    assert settings.server.ephemeral.enabled
    assert settings.flows.heartbeat_frequency is not None
    assert settings.flows.heartbeat_frequency <= 60
