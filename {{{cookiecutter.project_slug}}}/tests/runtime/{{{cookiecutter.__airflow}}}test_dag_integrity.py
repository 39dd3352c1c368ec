"""The definition of the DAGs; nothing is run."""

import subprocess
import sys
from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.exceptions import ParamValidationError

from .conftest import DESIGN, ROOT, TASKS, P, waits


@pytest.fixture(scope="module")
def bag() -> Any:
    """Return the DAGs of the project."""
    bag = DagBag(dag_folder=ROOT / "dags")
    assert bag.import_errors == {}
    return bag


@pytest.fixture(scope="module")
def dag(bag: Any) -> Any:
    """Return the DAG of the pipeline."""
    return bag.dags["{{{ cookiecutter.project_slug }}}"]


def edges(dag: Any) -> set[tuple[str, str]]:
    """Return which task waits for which, without `plan`, which comes before all."""
    found = {(before, task.task_id) for task in dag.tasks for before in task.upstream_task_ids}
    return {(before, task) for before, task in found if before != "plan"}


def test_it_is_named_and_described(dag: Any) -> None:
    assert dag.dag_id == "{{{ cookiecutter.project_slug }}}"
    assert dag.doc_md
    assert dag.max_active_runs == 1
    assert set(dag.task_ids) >= set(TASKS)


def test_the_graph_holds_the_steps_in_their_order(dag: Any) -> None:
    """Tasks of the team's own may stand between them."""
    assert waits(edges(dag)) >= DESIGN


def test_the_branches_join_where_one_of_them_went_well(dag: Any) -> None:
    assert dag.get_task("report").trigger_rule == "none_failed_min_one_success"
    rules = {dag.get_task(task).trigger_rule for task in TASKS if task != "report"}
    assert rules == {"all_success"}


def test_every_task_is_retried_with_patience_and_a_limit(dag: Any) -> None:
    for task in dag.tasks:
        assert task.retries >= 1, task
        assert timedelta(0) < task.retry_delay, task
        assert task.retry_policy is not None, task
        assert task.execution_timeout is not None, task
        assert task.execution_timeout > timedelta(0), task
        assert task.on_failure_callback, task


def test_one_release_at_a_time(dag: Any) -> None:
    assert dag.get_task("release").max_active_tis_per_dag == 1


def test_the_schedule_does_not_catch_up(dag: Any) -> None:
    assert not dag.catchup


@pytest.mark.parametrize("good", [{}, {"period": P[6]}, {"window": 2}])
def test_good_parameters(dag: Any, good: dict[str, Any]) -> None:
    assert dict(dag.params).items() >= {"period": None, "window": None}.items()
    for name, value in good.items():
        assert deepcopy(dag.params.get_param(name)).resolve(value) == value


@pytest.mark.parametrize("bad", [{"period": "2013-6"}, {"period": 2013}, {"window": 1}])
def test_bad_parameters_are_refused(dag: Any, bad: dict[str, Any]) -> None:
    ((name, value),) = bad.items()
    with pytest.raises(ParamValidationError):
        dag.params.get_param(name).resolve(value)


def test_reading_the_file_is_cheap() -> None:
    """Airflow does so all the time: nothing that the steps need is imported."""
    loaded = "import dags.training, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", loaded], cwd=ROOT, capture_output=True, text=True, check=True
    )
    modules = set(done.stdout.split())
    heavy = {"polars", "pandas", "sklearn", "{{{ cookiecutter.__tracker_modules.split() | join('", "') }}}", {{{ '"dvc", ' if cookiecutter.versioning == 'dvc' else '' }}}"pandera", "matplotlib"}
    assert not heavy & modules


def test_the_runtime_does_not_know_airflow() -> None:
    files = [*(ROOT / "src").glob("*/runtime/**/*.py")]
    assert files
    assert not [file for file in files if "airflow" in file.read_text()]


def test_the_triggerer_finds_its_callback(dag: Any) -> None:
    """By its path alone, in a process that knows the folder of plugins and no DAG."""
    (deadline,) = dag.deadline
    assert deadline.interval > timedelta(0)
    module, _, name = deadline.callback.path.rpartition(".")
    call = f"import airflow.settings; from {module} import {name}"
    subprocess.run([sys.executable, "-c", call], check=True, cwd="/")


def test_the_last_period_is_checked_daily(bag: Any) -> None:
    dag = bag.dags["{{{ cookiecutter.project_slug }}}-deadline"]
    assert "check" in dag.task_ids
    assert not dag.catchup
