"""The flow under a real Prefect server: the graph, retries, resuming, and every way to end."""

import shutil
import time
from functools import wraps
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterParentFlowRunId,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.client.schemas.objects import FlowRun, State, TaskRun
from prefect.states import Crashed

from {{{ cookiecutter.package_name }}}.runtime import room
from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput
from {{{ cookiecutter.package_name }}}.runtime.notify.events import shorten
from {{{ cookiecutter.package_name }}}.runtime.results import Result, Training
from {{{ cookiecutter.package_name }}}.runtime.run import Run, RunDir
from {{{ cookiecutter.package_name }}}.runtime.run.outcome import history, load_result
from {{{ cookiecutter.package_name }}}.runtime.steps import train as train_step
from {{{ cookiecutter.package_name }}}.runtime.steps import validate as validate_step

from .conftest import (
    CHAIN,
    MAIN,
    NEXT,
    REQUIRED,
    P,
    Project,
    V,
    check_first_release,
    drop_a_third,
    enter,
    failing,
    remove_after,
    waits,
)
from .inbox import Inbox

DONE_ONCE = {"ingest": 4, "validate": 1, "snapshot": 1, "features": 4}


@pytest.fixture(scope="module")
def flows(adapter: Any) -> Any:
    """The module with the flows."""
    return adapter


def run_flow(flows: Any, _: Project, *words: str, flow: str = "training") -> State[Any]:
    """Run a flow in a project's folder and return the state in which it ended."""
    state: State[Any] = getattr(flows, flow)(*words, return_state=True)
    return state


def result_of(state: State[Any]) -> Result:
    assert state.is_completed(), state.message
    result = state.result()
    assert isinstance(result, Result)
    return result


def results() -> list[Result]:
    """Return the results of all runs in the current project."""
    return [past.result for past in history("runs") if past.result]


def flow_run(state: State[Any]) -> FlowRun:
    with get_client(sync_client=True) as client:
        return client.read_flow_run(flow_run_id(state))


def flow_run_id(state: State[Any]) -> UUID:
    assert state.state_details.flow_run_id is not None
    return state.state_details.flow_run_id


def task_runs(state: State[Any]) -> list[TaskRun]:
    """Return the task runs of a flow run, once the server knows how all of them ended."""
    this = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id(state)]))
    last = "report" if state.is_completed() and state.name != "Nothing new" else "plan"
    with get_client(sync_client=True) as client:
        for _ in range(600):
            found = client.read_task_runs(flow_run_filter=this)
            final = {task_of(run) for run in found if run.state and run.state.is_final()}
            if last in final and final == {task_of(run) for run in found}:
                return found
            time.sleep(0.1)
    raise AssertionError("the server does not know how the tasks ended")


def task_of(run: TaskRun) -> str:
    return run.task_key.split("-")[0].split(".")[-1]


def ended(state: State[Any]) -> dict[str, list[str]]:
    """Return the names of the states in which the runs of each task ended."""
    names: dict[str, list[str]] = {}
    for run in task_runs(state):
        assert run.state is not None
        names.setdefault(task_of(run), []).append(run.state.name or "")
    return names


def edges(state: State[Any]) -> set[tuple[str, str]]:
    """Return which task depends on which, the periods of a task as one."""
    runs = {run.id: run for run in task_runs(state)}
    return {
        (task_of(runs[before.id]), task_of(run))
        for run in runs.values()
        for given in run.task_inputs.values()
        for before in given
        if before.input_type == "task_run"
    }


@pytest.fixture(scope="module")
def april(
    flows: Any, fresh: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, State[Any]]:
    """A project whose first period has gone through the flow."""
    folder = shutil.copytree(fresh, tmp_path_factory.mktemp("flow") / "project")
    remove_after(folder, P[4])
    with pytest.MonkeyPatch.context() as patch:
        return folder, run_flow(flows, enter(folder, patch), P[4])


def test_the_first_period_is_released(april: tuple[Path, State[Any]]) -> None:
    folder, state = april
    result = result_of(state)
    check_first_release(folder, result, "prefect")
    assert state.name == "Released"
    assert flow_run(state).name == result.run_id
    assert P[4] in flow_run(state).tags
    assert flow_run(state).labels["period"] == P[4]
    names = {run.name for run in task_runs(state)}
    assert {f"ingest {P[1]}", f"ingest {P[4]}", f"features {P[4]}"} <= names


def test_the_graph_holds_the_steps_in_their_order(april: tuple[Path, State[Any]]) -> None:
    """Tasks of the team's own may stand between them."""
    assert waits(edges(april[1])) >= {("plan", "ingest"), *pairwise(CHAIN)}
    counts = {task: len(states) for task, states in ended(april[1]).items()}
    once = dict.fromkeys(CHAIN, 1) | {"plan": 1, "ingest": 4, "features": 4}
    assert counts.items() >= once.items()
    assert "quarantine" not in counts


def test_the_steps_log_to_the_run_s_page(april: tuple[Path, State[Any]]) -> None:
    wanted = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[flow_run_id(april[1])]))
    with get_client(sync_client=True) as client:
        logs = client.read_logs(wanted, limit=200)
    assert "train: fitted on" in "\n".join(log.message for log in logs)


def test_a_finished_run_asked_for_again_returns_its_result(
    flows: Any, april: tuple[Path, State[Any]], monkeypatch: pytest.MonkeyPatch, inbox: Inbox
) -> None:
    again = run_flow(flows, enter(april[0], monkeypatch), P[4])
    assert result_of(again) == result_of(april[1])
    assert again.name == "Nothing new"
    assert ended(again) == {"plan": ["Completed"]}
    assert inbox.kinds == []  # although the first run alerted nobody


def test_a_scheduled_run_with_nothing_to_do_says_so(
    flows: Any, april: tuple[Path, State[Any]], monkeypatch: pytest.MonkeyPatch, inbox: Inbox
) -> None:
    before = result_of(april[1])
    result = result_of(run_flow(flows, enter(april[0], monkeypatch)))
    assert result.status == "nothing_new"
    assert result.reason == f"{P[4]} is done: run {before.run_id} ended as released"
    assert results() == [before]
    assert inbox.kinds == []


def test_bad_data_are_quarantined_and_the_champion_stays(
    flows: Any, released: Project, inbox: Inbox
) -> None:
    released.deliver(MAIN, P[5], drop_a_third)
    state = run_flow(flows, released, P[5])
    result = result_of(state)
    finding = f"{P[5]} breaks the data contract: {MAIN}.{REQUIRED}: "
    assert result.status == "quarantined"
    assert result.reason.startswith(finding)
    assert "% are missing" in result.reason
    assert result.champion_after == result.champion_before
    assert result.champion_after is not None
    assert result.champion_after.version == V[1]
    bad = ("plan", "ingest", "validate", "quarantine", "report")
    assert waits(edges(state)) >= {*pairwise(bad)}
    assert not {"snapshot", "train", "release"} & set(ended(state))
    assert state.name == "Quarantined"
    (alert,) = inbox.alerts
    assert (alert["kind"], alert["rerun"]) == ("quarantined", f"make run PERIOD={P[5]}")
    assert any(fact.startswith(f"{P[5]}: {MAIN}.{REQUIRED}: ") for fact in alert["facts"])


def test_a_rejected_challenger_is_alerted(
    flows: Any, released: Project, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = room.evaluation()
    monkeypatch.setattr(ours, "decide", lambda *_: (False, "It is no better."))
    state = run_flow(flows, released, P[5])
    assert (result_of(state).status, state.name) == ("kept_champion", "Kept champion")
    (alert,) = inbox.alerts
    assert (alert["kind"], alert["period"]) == ("challenger_rejected", P[5])
    headline = ours.HEADLINE.replace("_", " ")
    assert any(fact.startswith(f"{headline} ") for fact in alert["facts"])


def test_a_task_that_fails_once_is_retried(
    flows: Any, project: Project, monkeypatch: pytest.MonkeyPatch, inbox: Inbox
) -> None:
    tries = failing(monkeypatch, train_step, "train", ConnectionError("no answer"), times=1)
    state = run_flow(flows, project, P[4])
    assert result_of(state).status == "released"
    assert len(tries) == 2
    (train,) = [run for run in task_runs(state) if task_of(run) == "train"]
    assert train.run_count == 2
    assert inbox.kinds == ["champion_changed"]


def test_a_failed_run_is_resumed_where_it_stopped(
    flows: Any, project: Project, inbox: Inbox
) -> None:
    run = project.plan(P[4])
    in_the_way = RunDir(run).training
    in_the_way.mkdir(parents=True)  # the step cannot write its file
    first = run_flow(flows, project, P[4])
    assert first.is_failed()
    (failed,) = results()
    assert (failed.status, failed.step) == ("failed", "train")
    assert "training.json" in failed.reason
    (alert,) = inbox.alerts
    assert alert["title"].endswith(f": {P[4]} failed at train")
    assert (alert["run_id"], alert["reason"]) == (run.run_id, shorten(failed.reason))
    assert alert["rerun"] == f"make run PERIOD={P[4]}"
    done = {task: ["Completed"] * count for task, count in DONE_ONCE.items()}
    assert ended(first).items() >= (done | {"plan": ["Completed"], "train": ["Failed"]}).items()
    assert not {"evaluate", "release", "report"} & set(ended(first))
    (train,) = [run for run in task_runs(first) if task_of(run) == "train"]
    assert train.run_count == 4

    in_the_way.rmdir()
    checkpoints = RunDir(run).checkpoints
    before = {file.name: file.read_bytes() for file in checkpoints.iterdir()}
    second = run_flow(flows, project, P[4])
    assert result_of(second).status == "released"
    assert result_of(second).run_id == run.run_id == failed.run_id
    assert flow_run_id(second) != flow_run_id(first)
    assert len(before) >= sum(DONE_ONCE.values())
    assert {name: (checkpoints / name).read_bytes() for name in before} == before
    assert inbox.kinds == ["run_failed", "champion_changed"]


def test_a_run_that_is_resumed_has_not_failed(
    flows: Any, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stale failure would hide a run that hangs, and `make status` would show it."""
    train, before = train_step.train, []

    @wraps(train)
    def looking(run: Run) -> Training:
        before.append(load_result(run))
        return train(run)

    failing(monkeypatch, validate_step, "validate", BadInput("It is wrong."), times=1)
    monkeypatch.setattr(train_step, "train", looking)
    assert run_flow(flows, project, P[4]).is_failed()
    assert result_of(run_flow(flows, project, P[4])).status == "released"
    assert before == [None]


def test_bad_input_is_not_retried(
    flows: Any, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = failing(monkeypatch, validate_step, "validate", BadInput("It is wrong."), times=9)
    state = run_flow(flows, project, P[4])
    assert state.is_failed()
    assert len(calls) == 1
    (result,) = results()
    assert (result.status, result.reason) == ("failed", "It is wrong.")


def test_a_refused_period_is_alerted(flows: Any, project: Project, inbox: Inbox) -> None:
    state = run_flow(flows, project, NEXT)
    assert state.is_failed()
    with pytest.raises(BadInput, match=f"The source has no {NEXT}"):
        state.result()
    assert results() == []
    (alert,) = inbox.alerts
    assert alert["title"].endswith(f": {NEXT} failed at plan")
    assert alert["reason"].startswith(f"The source has no {NEXT}")


def test_refused_parameters_are_alerted(flows: Any, project: Project, inbox: Inbox) -> None:
    (project.folder / "params.yaml").write_text("runs: runs\n", encoding="utf-8")
    assert run_flow(flows, project).is_failed()
    (alert,) = inbox.alerts
    assert alert["title"].endswith(": a run failed at plan")
    assert alert["rerun"] == "make run"


def test_a_dead_target_changes_nothing(flows: Any, released: Project, inbox: Inbox) -> None:
    inbox.status = 500
    assert result_of(run_flow(flows, released, P[4])).status == "released"
    assert run_flow(flows, released, NEXT).is_failed()
    assert inbox.alerts == []


def test_a_backfill_compares_each_period_with_the_champion_before_it(
    flows: Any, project: Project, inbox: Inbox
) -> None:
    state = run_flow(flows, project, P[4], P[5], flow="backfill")
    assert state.is_completed()
    first, second = state.result()
    assert [first.period, second.period] == [P[4], P[5]]
    assert first.champion_before is None
    assert second.champion_before == first.champion_after is not None
    assert flow_run(state).name == f"backfill {P[4]} to {P[5]}"
    parent = FlowRunFilterParentFlowRunId(any_=[flow_run_id(state)])
    with get_client(sync_client=True) as client:
        children = client.read_flow_runs(flow_run_filter=FlowRunFilter(parent_flow_run_id=parent))
    runs = {child.name: child for child in children}
    assert set(runs) == {first.run_id, second.run_id}
    before, after = (runs[result.run_id] for result in (first, second))
    assert before.end_time is not None
    assert after.start_time is not None
    assert before.end_time <= after.start_time
    assert inbox.kinds[0] == "champion_changed"
    assert len(inbox.kinds) == 2


def test_a_backfill_alerts_of_the_period_that_failed(
    flows: Any, project: Project, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, validate_step, "validate", BadInput("It is wrong."), times=9)
    assert run_flow(flows, project, P[4], P[5], flow="backfill").is_failed()
    (alert,) = inbox.alerts
    assert alert["title"].endswith(f": {P[4]} failed at validate")
    assert alert["rerun"] == f"make backfill FROM={P[4]} TO={P[5]}"


def test_a_backfill_that_fails_by_itself_is_alerted(
    flows: Any, project: Project, inbox: Inbox
) -> None:
    assert run_flow(flows, project, P[5], P[4], flow="backfill").is_failed()
    (alert,) = inbox.alerts
    assert alert["title"].endswith(f": backfill {P[5]} to {P[4]} failed")
    assert "swap them" in alert["reason"]


def test_a_backfill_that_is_killed_between_two_periods_names_no_step(
    flows: Any, project: Project, inbox: Inbox
) -> None:
    state = run_flow(flows, project, P[5], P[4], flow="backfill")  # starts no period
    flows.hooks.alert_crash(flows.backfill, flow_run(state), Crashed(message="Killed."))
    alert = inbox.alerts[-1]
    assert alert["title"].endswith(f": backfill {P[5]} to {P[4]} crashed")
    assert (alert["kind"], alert["step"], alert["reason"]) == ("run_crashed", None, "Killed.")
