"""State change hooks: alert people of how a run ended.

Prefect calls them in the process of the flow, or in its worker if that process was killed. If the
worker is gone too, the server sends the alert: see `automations.py`.
"""

from datetime import UTC, datetime
from typing import Any

from prefect import Flow, get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentFlowRunId
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.utilities.urls import url_for
from upath import UPath

from {{{ cookiecutter.package_name }}}.runtime.errors import one_line
from {{{ cookiecutter.package_name }}}.runtime.notify.alerts import alert_outcome, notify
from {{{ cookiecutter.package_name }}}.runtime.notify.events import Event
from {{{ cookiecutter.package_name }}}.runtime.results import Result
from {{{ cookiecutter.package_name }}}.runtime.run import Run
from {{{ cookiecutter.package_name }}}.runtime.run.checkpoint import unfinished
from {{{ cookiecutter.package_name }}}.runtime.run.outcome import refused_run, write_failed

ORCHESTRATOR = "prefect"
NOTHING_NEW = "Nothing new"  # the state of a run whose work was done before


def alert_end(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Alert of how the run of a period completed or failed."""
    if state.name == NOTHING_NEW:
        return
    with get_client(sync_client=True) as client:
        run, planned = run_of(flow_run := client.read_flow_run(flow_run.id))
        result = state.result(raise_on_failure=False)
        if not isinstance(result, Result):
            result = write_failed(run, ORCHESTRATOR, result, None if planned else "plan")
        alert_outcome(run, result, **links(client, flow_run, run.period))


def alert_failure(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Alert that a flow failed by itself: the failed period of a backfill has its own alert."""
    with get_client(sync_client=True) as client:
        if children(client, flow_run, StateType.FAILED, StateType.CRASHED):
            return
        title, reason = f"{flow_run.name} failed", one_line(state.result(raise_on_failure=False))
        event = Event(kind="run_failed", title=title, reason=reason, **links(client, flow_run))
        notify(event, UPath(run_of(flow_run)[0].folder))


def alert_crash(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Alert that the process of a run was killed; of a backfill, in which period."""
    with get_client(sync_client=True) as client:
        if children(client, flow_run, StateType.CRASHED):
            return
        for child in children(client, flow_run, StateType.RUNNING):
            client.set_flow_run_state(child.id, state)  # its own process can no longer do so
            flow_run = child
        run, planned = run_of(flow_run := client.read_flow_run(flow_run.id))
        if planned:
            step = next(iter(unfinished(run)), None)
        else:  # a backfill that was killed between two periods was at no step
            step = None if "first" in flow_run.parameters else "plan"
        event = Event(
            kind="run_crashed",
            title=f"{run.period or flow_run.name} crashed" + (f" at {step}" if step else ""),
            reason=state.message or "Its process is gone.",
            period=run.period,
            run_id=run.run_id,
            step=step,
            **links(client, flow_run, run.period),
        )
        notify(event, UPath(run.folder))


def children(client: SyncPrefectClient, parent: FlowRun, *types: StateType) -> list[FlowRun]:
    """Return the flow runs that a backfill has started, and that are in a state of these types."""
    within = FlowRunFilterParentFlowRunId(any_=[parent.id])
    found = client.read_flow_runs(flow_run_filter=FlowRunFilter(parent_flow_run_id=within))
    return [child for child in found if child.state_type in types]


def run_of(flow_run: FlowRun) -> tuple[Run, bool]:
    """Return the run that `training` labelled its flow run with, or one that was never planned."""
    if "run_id" in flow_run.labels:
        return Run.model_validate(flow_run.labels), True
    at = flow_run.expected_start_time or datetime.now(UTC)
    return refused_run(flow_run.parameters.get("period"), at), False


def links(client: SyncPrefectClient, flow_run: FlowRun, period: str = "") -> dict[str, Any]:
    """Return the attempt, its page, and the command that resumes it or the backfill around it."""
    asked = flow_run
    if flow_run.parent_task_run_id:
        parent = client.read_task_run(flow_run.parent_task_run_id).flow_run_id
        asked = client.read_flow_run(parent) if parent else flow_run
    given = {name: value for name, value in asked.parameters.items() if value}
    if period and asked is flow_run:
        given = {"period": period}
    if asked.deployment_id:
        flow = client.read_flow(asked.flow_id).name
        deployment = client.read_deployment(asked.deployment_id).name
        command = f".venv/bin/prefect deployment run {flow}/{deployment}"
        words = [f"--param {name}={value}" for name, value in given.items()]
    else:
        names = {"period": "PERIOD", "first": "FROM", "last": "TO"}
        command = "make backfill" if "first" in given else "make run"
        words = [f"{names[name]}={value}" for name, value in given.items()]
    attempt, rerun = f"{flow_run.id} {flow_run.run_count}", " ".join([command, *words])
    return {"attempt": attempt, "run_url": url_for(flow_run), "rerun": rerun}
