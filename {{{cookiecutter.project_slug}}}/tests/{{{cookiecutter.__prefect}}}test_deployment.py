"""What Prefect is told of tasks and deployments; no server is needed."""

import tomllib
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from prefect import Flow
from prefect.client.schemas.schedules import CronSchedule
from prefect.flows import load_flow_from_entrypoint
from prefect.tasks import Task

import {{{ cookiecutter.package_name }}} as package

from .conftest import ROOT, TASKS


@pytest.mark.parametrize("name", TASKS)
def test_every_task_is_retried_with_patience_and_a_limit(name: str) -> None:
    import flows.training

    task: Task[..., Any] = getattr(flows.training, name)
    assert task.retries >= 2
    assert task.timeout_seconds is not None
    assert 0 < task.timeout_seconds <= 3600
    delays = task.retry_delay_seconds
    assert isinstance(delays, list)
    assert delays == sorted(set(delays))
    assert delays[-1] >= 2 * delays[0] > 0
    assert task.retry_jitter_factor is not None
    assert task.retry_jitter_factor > 0


def test_every_task_of_the_flow_is_looked_at() -> None:
    import flows.training

    found = {name for name, value in vars(flows.training).items() if isinstance(value, Task)}
    assert found == set(TASKS)


def test_a_deadline_that_is_missed_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """The flow as it is, without a server: what it found is the state in which it ends."""
    import flows.deadline

    monkeypatch.chdir(ROOT)
    for found, name in (("No champion was released.", "Missed"), (None, "Kept")):
        monkeypatch.setattr(flows.deadline, "check", lambda *_, found=found: found)
        state = flows.deadline.deadline.fn()
        assert (state.is_completed(), state.name) == (True, name)


def test_a_deployment_runs_once_at_a_time() -> None:
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    assert {deployment["concurrency_limit"]["limit"] for deployment in deployments} == {1}


def test_deployments_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    assert [deployment["name"] for deployment in deployments] == ["monthly", "backfill", "daily"]
    for deployment in deployments:
        flow: Flow[..., Any] = load_flow_from_entrypoint(deployment["entrypoint"])
        parameters = deployment.get("parameters", {})
        assert flow.validate_parameters(parameters) == parameters
        assert deployment["work_pool"]["name"]
        for schedule in deployment.get("schedules", []):
            assert ZoneInfo(schedule["timezone"])
            CronSchedule(cron=schedule["cron"], timezone=schedule["timezone"])
    assert [len(deployment.get("schedules", [])) for deployment in deployments] == [1, 0, 1]


def test_settings_stay_in_the_project() -> None:
    settings = tomllib.loads((ROOT / "prefect.toml").read_text())
    assert settings["home"] == ".prefect"
    assert package.__name__ in settings["logging"]["extra_loggers"]
    assert settings["flows"]["heartbeat_frequency"] <= 60
