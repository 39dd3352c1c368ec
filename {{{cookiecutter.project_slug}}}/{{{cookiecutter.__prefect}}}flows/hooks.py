"""Prefect's hooks: say how a run ended. Its state is settled by then, and stays whatever they do.

Prefect calls them in the flow's own process; that of a crash in the worker's, where the process was
killed. Where the worker is gone as well, `automations.py` lets the server speak.
"""

from datetime import UTC, datetime
from typing import Any

from prefect import Flow, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterParentFlowRunId,
)
from prefect.client.schemas.objects import FlowRun, State
from prefect.utilities.urls import url_for
from upath import UPath

from {{{ cookiecutter.package_name }}}.alerts import notify, tell
from {{{ cookiecutter.package_name }}}.errors import BadInput
from {{{ cookiecutter.package_name }}}.events import Event, outcome
from {{{ cookiecutter.package_name }}}.once import unfinished
from {{{ cookiecutter.package_name }}}.params import Params, load_params
from {{{ cookiecutter.package_name }}}.results import (
    Result,
    refused,
    write_failed,
)
from {{{ cookiecutter.package_name }}}.workspace import Run, Workspace

ORCHESTRATOR = "prefect"


def tell_end(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Say how a run for a period completed or failed, if that is news."""
    flow_run = known(flow_run)
    run, planned = run_of(flow_run)
    ended = state.result(raise_on_failure=False)
    if not isinstance(ended, Result):
        ended = write_failed(run, ORCHESTRATOR, ended, None if planned else "plan")
    elif planned and done_before(run, flow_run):
        return
    tell(run, ended, **links(flow_run, run.period))


def tell_crash(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Say that a run's process was killed, or told to end: of a backfill's, in which month."""
    months = months_of(flow_run)
    for month in months:
        if month.state and month.state.is_running():
            with get_client(sync_client=True) as client:
                client.set_flow_run_state(month.id, state)  # of a process within it, nobody does
            flow_run = month
    flow_run = known(flow_run)
    run, planned = run_of(flow_run)
    begun = unfinished(run) if planned else ["plan"] * (not months)
    step = next(iter(begun), None)
    event = Event(
        kind="run_crashed",
        title=f"{run.period or flow_run.name} crashed" + (f" at {step}" if step else ""),
        reason=state.message or "Its process is gone.",
        period=run.period,
        run_id=run.run_id,
        step=step,
        **links(flow_run, run.period),
    )
    notify(event, Workspace(run).folder)


def tell_failure(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Say that a flow failed by itself; of a month of a backfill that fails, its own run speaks."""
    ended = [month.state for month in months_of(flow_run) if month.state]
    if any(state.is_failed() or state.is_crashed() for state in ended):
        return
    flow_run = known(flow_run)
    run, _ = run_of(flow_run)
    result = write_failed(run, ORCHESTRATOR, state.result(raise_on_failure=False), "plan")
    if event := outcome(run, result, **links(flow_run, "")):
        event = event.model_copy(update={"title": f"{flow_run.name} failed"})
        notify(event, Workspace(run).folder)


def done_before(run: Run, flow_run: FlowRun) -> bool:
    """Tell whether a run had ended before the flow run began, which then only gave its result."""
    ended = Workspace(run).result.stat().st_mtime
    return flow_run.start_time is not None and ended < flow_run.start_time.timestamp()


def known(flow_run: FlowRun) -> FlowRun:
    """Return a flow run as the server has it: under the name that the flow gave it."""
    with get_client(sync_client=True) as client:
        return client.read_flow_run(flow_run.id)


def months_of(flow_run: FlowRun) -> list[FlowRun]:
    """Return the flow runs that a backfill began."""
    within = FlowRunFilterParentFlowRunId(any_=[flow_run.id])
    with get_client(sync_client=True) as client:
        return client.read_flow_runs(flow_run_filter=FlowRunFilter(parent_flow_run_id=within))


def run_of(flow_run: FlowRun) -> tuple[Run, bool]:
    """Return the run, and whether it was planned; else it was refused, and is named as such."""
    try:
        params = load_params()
    except BadInput:  # which may be why it failed
        usual: dict[str, Any] = {"runs": "runs"}
        params = Params.model_construct(**usual)
    folder = (UPath(params.runs) / flow_run.name).absolute()
    run = Run(run_id=flow_run.name, period=flow_run.name[:7], folder=str(folder))
    if Workspace(run).plan.exists():
        return run, True
    at = flow_run.expected_start_time or datetime.now(UTC)
    return refused(params, flow_run.parameters.get("period"), at), False


def links(flow_run: FlowRun, period: str) -> dict[str, Any]:
    """Return what leads from an event to the run, and to the next try: the backfill's, in one."""
    with get_client(sync_client=True) as client:
        begun = flow_run
        if flow_run.parent_task_run_id:
            parent = client.read_task_run(flow_run.parent_task_run_id).flow_run_id
            begun = client.read_flow_run(parent) if parent else flow_run
        given = {name: value for name, value in begun.parameters.items() if value}
        if "first" not in given and period:
            given = {"period": period}
        if begun.deployment_id:
            deployment = client.read_deployment(begun.deployment_id)
            flow = client.read_flow(begun.flow_id)
            words = [f".venv/bin/prefect deployment run {flow.name}/{deployment.name}"]
            words += [f"--param {name}={value}" for name, value in given.items()]
        else:
            names = {"period": "PERIOD", "first": "FROM", "last": "TO"}
            words = ["make backfill" if "first" in given else "make run"]
            words += [f"{names[name]}={value}" for name, value in given.items()]
    return {
        "attempt": f"{flow_run.id} {flow_run.run_count}",
        "run_url": url_for(flow_run),
        "rerun": " ".join(words),
    }
