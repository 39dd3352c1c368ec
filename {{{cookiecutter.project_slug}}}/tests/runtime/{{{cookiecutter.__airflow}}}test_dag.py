"""Runs of the DAG by `dag.test()`: both branches, retries, resuming, and every way to end."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.models import DagRun
from upath import UPath

from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput
from {{{ cookiecutter.package_name }}}.runtime.files import read_json
from {{{ cookiecutter.package_name }}}.runtime.results import Result
from {{{ cookiecutter.package_name }}}.runtime.run import Run, RunDir, identity
from {{{ cookiecutter.package_name }}}.runtime.run.outcome import history
from {{{ cookiecutter.package_name }}}.runtime.steps import train as train_step
from {{{ cookiecutter.package_name }}}.runtime.steps import validate as validate_step

from dags.training import training_dag

from .conftest import (
    MAIN,
    NEXT,
    REQUIRED,
    TASKS,
    P,
    Project,
    V,
    check_first_release,
    drop_a_third,
    end_of,
    enter,
    failing,
    remove_after,
)
from .inbox import Inbox

States = dict[str, list[str]]

BY_PERIOD = {"ingest": 4, "features": 4}
DONE = {task: ["success"] * BY_PERIOD.get(task, 1) for task in TASKS}


@pytest.fixture(scope="module")
def local(adapter: Any) -> Any:
    """Return what `make run` calls."""
    return adapter


def trigger(period: str | None) -> tuple[str, States]:
    """Run the DAG as if triggered by hand; return how the run ended, and how its tasks."""
    run = training_dag.test(run_conf={"period": period})
    return str(run.state), states(run)


def last_run() -> Any:
    """Return the run that was started last."""
    return max(DagRun.find(dag_id=training_dag.dag_id), key=lambda run: run.id)


def states(run: Any) -> States:
    """Return the states in which the instances of each task ended."""
    found: States = {}
    for task in run.get_task_instances():
        found.setdefault(task.task_id, []).append(str(task.state))
    return found


def tries(run: Any, task_id: str) -> int:
    """Return how often a task was tried."""
    (count,) = {task.try_number for task in run.get_task_instances() if task.task_id == task_id}
    return int(count)


@pytest.fixture(scope="module")
def april(
    local: Any, fresh: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Result, States]:
    """Return a project whose first period went through the DAG, its result, and its tasks."""
    folder = shutil.copytree(fresh, tmp_path_factory.mktemp("dag") / "project")
    remove_after(folder, P[4])
    with pytest.MonkeyPatch.context() as patch:
        enter(folder, patch)
        result = local.training(P[4])
        return folder, result, states(last_run())


def test_the_first_period_is_released(april: tuple[Path, Result, States]) -> None:
    folder, result, ended = april
    check_first_release(folder, result, "airflow")
    assert ended.items() >= (DONE | {"quarantine": ["skipped"]}).items()


def test_a_finished_run_asked_for_again_returns_its_result(
    local: Any, april: tuple[Path, Result, States], monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(april[0], monkeypatch)
    before = last_run().id
    assert local.training(P[4]) == april[1]
    result = local.training()
    assert result.status == "nothing_new"
    assert result.reason == f"{P[4]} is done: run {result.run_id} ended as released"
    assert last_run().id == before
    assert [past.result for past in history("runs")] == [april[1]]


def test_airflow_skips_a_run_with_nothing_to_do(
    april: tuple[Path, Result, States], monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(april[0], monkeypatch)
    state, ended = trigger(None)
    assert state == "success"
    assert ended.items() >= {task: ["skipped"] for task in TASKS}.items()


def test_bad_data_are_quarantined_and_the_champion_stays(
    local: Any, released: Project, inbox: Inbox
) -> None:
    released.deliver(MAIN, P[5], drop_a_third)
    result = local.training(P[5])
    assert result.status == "quarantined"
    finding = f"{P[5]} breaks the data contract: {MAIN}.{REQUIRED}: "
    assert result.reason.startswith(finding)
    assert "% are missing" in result.reason
    assert result.champion_after == result.champion_before
    assert result.champion_after.version == V[1]
    good = ("snapshot", "features", "train", "evaluate", "release")
    ingested = {"ingest": ["success"]}  # of the other periods, the champion's run did it
    ended = DONE | ingested | {task: ["skipped"] for task in good}
    assert states(last_run()).items() >= ended.items()
    assert inbox.kinds == ["quarantined"]
    assert any(f"{P[5]}: {MAIN}.{REQUIRED}: " in fact for fact in inbox.alerts[0]["facts"])


def test_what_fails_once_is_retried(
    local: Any, project: Project, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = failing(monkeypatch, train_step, "train", ConnectionError("no answer"), times=1)
    assert local.training(P[4]).status == "released"
    assert len(calls) == tries(last_run(), "train") == 2
    assert inbox.kinds == ["champion_changed"]


def test_a_run_that_failed_resumes_where_it_stopped(
    local: Any, project: Project, inbox: Inbox
) -> None:
    run = project.plan(P[4])
    in_the_way = RunDir(run).training
    in_the_way.mkdir(parents=True)  # where the file should be: it cannot be written
    with pytest.raises(RuntimeError, match=r"training\.json"):
        local.training(P[4])
    (failed,) = [past.result for past in history("runs")]
    assert failed is not None
    assert (failed.status, failed.run_id, failed.step) == ("failed", run.run_id, "train")
    ended = states(last_run())
    assert ended["train"] == ["failed"]
    assert ended["evaluate"] == ended["release"] == ended["report"] == ["upstream_failed"]
    assert tries(last_run(), "train") == 4

    in_the_way.rmdir()
    checkpoints = RunDir(run).checkpoints
    before = {file.name: file.read_bytes() for file in checkpoints.iterdir()}
    assert len(before) >= 10  # four periods twice, validate, snapshot
    second = local.training(P[4])
    assert (second.status, second.run_id) == ("released", run.run_id)
    assert {name: (checkpoints / name).read_bytes() for name in before} == before
    assert inbox.kinds == ["run_failed", "champion_changed"]
    assert inbox.alerts[0]["title"].endswith(f": {P[4]} failed at train")
    assert inbox.alerts[0]["rerun"] == f"make run PERIOD={P[4]}"


def test_bad_input_is_not_retried(
    local: Any, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = failing(monkeypatch, validate_step, "validate", BadInput("It is wrong."), times=9)
    with pytest.raises(RuntimeError, match=r"It is wrong\."):
        local.training(P[4])
    assert len(calls) == 1
    (result,) = [past.result for past in history("runs")]
    assert result is not None
    assert (result.status, result.reason) == ("failed", "It is wrong.")


def test_a_period_that_is_refused_leaves_nothing(local: Any, project: Project) -> None:
    with pytest.raises(BadInput, match=f"The source has no {NEXT}"):
        local.training(NEXT)
    state, ended = trigger(NEXT)
    assert state == "failed"
    assert ended["plan"] == ["failed"]
    assert tries(last_run(), "plan") == 1
    (file,) = project.folder.glob("runs/*/result.json")
    assert file.parent.name.startswith("refused-")
    result = read_json(UPath(file), Result)
    assert (result.status, result.period, result.step) == ("failed", NEXT, "plan")
    assert result.reason.startswith(f"The source has no {NEXT}: ")


def test_a_run_with_broken_parameters_has_a_result(project: Project) -> None:
    (project.folder / "params.yaml").write_text("windo: 3\n")
    state, ended = trigger(P[4])
    assert (state, ended["plan"]) == ("failed", ["failed"])
    (file,) = project.folder.glob("runs/refused-*/result.json")
    assert "windo: no such parameter exists" in read_json(UPath(file), Result).reason


def test_code_that_changed_meanwhile_is_refused(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = project.plan(P[4])
    monkeypatch.setattr(identity, "code_version", lambda: "another")
    train: Any = training_dag.get_task("evaluate")
    with pytest.raises(BadInput, match="The code changed since the run was planned"):
        train.python_callable(run.model_dump())


def test_a_backfill_compares_each_period_with_the_champion_before_it(
    local: Any, project: Project
) -> None:
    first, second = local.backfill(P[4], P[5])
    assert [first.period, second.period] == [P[4], P[5]]
    assert first.champion_before is None
    assert second.champion_before == first.champion_after is not None
    assert f"of version {V[1]}" in second.reason


NOW = datetime(2026, 11, 25, tzinfo=UTC)
ENDED = end_of(P[5]) + timedelta(hours=10)
DELIVERED = {"source": [SimpleNamespace(extra={"period": P[n]}) for n in (5, 4)]}
NEWEST = "newest"


def planned(
    asked: str | None = None,
    window: int | None = None,
    kind: str = "manual",
    ended: datetime | None = None,
    events: dict[str, Any] | None = None,
    **others: Any,
) -> tuple[Run, list[str]]:
    """Return what `plan` settles for a run of this kind: the run, and the periods it reads."""
    plan: Any = training_dag.get_task("plan")
    ingests = plan.python_callable(
        params={"period": asked, "window": window} | others,
        dag_run=SimpleNamespace(run_type=kind, run_after=NOW),
        data_interval_end=ended,
        triggering_asset_events=events or {},
    )
    (run,) = {Run(**arguments["run"]) for arguments in ingests}
    return run, [arguments["period"] for arguments in ingests]


@pytest.mark.parametrize(
    ("context", "period"),
    [
        ({"asked": P[6], "kind": "asset_triggered", "events": DELIVERED}, P[6]),
        ({"asked": P[6], "kind": "backfill", "ended": ENDED}, P[6]),
        ({"kind": "asset_triggered", "events": DELIVERED}, P[5]),
        ({"kind": "backfill", "ended": ENDED}, P[5]),
        ({"kind": "scheduled", "ended": ENDED}, NEWEST),
        ({"kind": "manual", "ended": ENDED}, NEWEST),
    ],
)
def test_the_period_that_a_run_is_for(
    project: Project, context: dict[str, Any], period: str
) -> None:
    """The one asked for, else the delivered, else the interval's, else the newest that ended."""
    run, periods = planned(**context)
    assert run.period == periods[-1] == (project.plan().period if period == NEWEST else period)


def test_an_unknown_parameter_is_refused(project: Project) -> None:
    with pytest.raises(BadInput, match="No such parameter: perod; use period and window"):
        planned(perod=P[6])


@pytest.mark.parametrize("extra", [{}, {"perod": P[6]}, {"period": 6}])
def test_a_delivery_without_a_period_is_refused(project: Project, extra: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="The delivery names no period"):
        planned(events={"source": [SimpleNamespace(extra=extra)]})


def test_the_window_may_be_asked_for(project: Project) -> None:
    _, periods = planned(asked=P[6], window=2)
    assert periods == [P[4], P[5], P[6]]
