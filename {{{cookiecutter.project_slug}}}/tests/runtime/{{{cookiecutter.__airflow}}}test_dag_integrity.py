"""The definition of the DAGs; nothing is run."""

import subprocess
import sys
from copy import deepcopy
from datetime import timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.exceptions import ParamValidationError

from .conftest import CHAIN, DESIGN, ROOT, TASKS
from .test_experiment import edges as edges_of_stages


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
    assert dag.tags
    assert dag.max_active_runs == 1
    assert set(dag.task_ids) == set(TASKS)


def test_it_has_no_cycle(dag: Any) -> None:
    assert len(dag.topological_sort()) == len(TASKS)  # raises where there is one


def test_the_graph_is_the_design_s(dag: Any) -> None:
    assert edges(dag) == DESIGN


def test_the_stages_of_dvc_are_the_same_graph(dag: Any) -> None:
    good = {edge for edge in edges(dag) if "quarantine" not in edge}
    assert good == edges_of_stages() | set(pairwise(CHAIN[CHAIN.index("evaluate") :]))


def test_the_branches_join_where_one_of_them_went_well(dag: Any) -> None:
    assert dag.get_task("report").trigger_rule == "none_failed_min_one_success"
    rules = {dag.get_task(task).trigger_rule for task in TASKS if task != "report"}
    assert rules == {"all_success"}


@pytest.mark.parametrize("name", TASKS)
def test_every_task_is_retried_with_patience_and_a_limit(dag: Any, name: str) -> None:
    task = dag.get_task(name)
    assert task.retries >= 2
    assert task.retry_exponential_backoff > 1
    assert timedelta(0) < task.retry_delay < task.max_retry_delay <= timedelta(hours=1)
    assert task.retry_policy is not None
    assert timedelta(0) < task.execution_timeout <= timedelta(hours=1)
    assert task.owner == {{{ cookiecutter.__author_name_string }}}
    assert task.on_failure_callback


def test_one_release_at_a_time(dag: Any) -> None:
    assert dag.get_task("release").max_active_tis_per_dag == 1


def test_the_schedule_has_a_time_zone_and_does_not_catch_up(dag: Any) -> None:
    assert ZoneInfo(dag.timetable.timetable.timezone)
    assert not dag.catchup


def test_a_delivery_starts_it_too(dag: Any) -> None:
    (asset,) = dag.timetable.asset_condition.objects
    assert asset.name == "{{{ cookiecutter.project_slug }}}-source"


@pytest.mark.parametrize("good", [{}, {"period": "2013-06"}, {"window": 2}])
def test_good_parameters(dag: Any, good: dict[str, Any]) -> None:
    assert dict(dag.params) == {"period": None, "window": None}
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
    heavy = {"polars", "pandas", "sklearn", "mlflow", "dvc", "pandera", "matplotlib"}
    assert not heavy & modules
    package = "{{{ cookiecutter.package_name }}}"
    ours = {name.removeprefix(f"{package}.") for name in modules if name.startswith(f"{package}.")}
    assert ours == {"runtime", "runtime.errors", "runtime.periods"}


def test_nothing_below_src_knows_airflow() -> None:
    files = [*(ROOT / "src").rglob("*.py")]
    assert files
    assert not [file for file in files if "airflow" in file.read_text()]


def test_airflow_s_own_things_stay_in_the_project() -> None:
    script = "import os; from ops import airflow; airflow.configure(); print(os.environ)"
    said = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert f"'AIRFLOW_HOME': '{ROOT / '.airflow'}'" in said
    assert f"'AIRFLOW__CORE__DAGS_FOLDER': '{ROOT / 'dags'}'" in said


def test_the_triggerer_finds_its_callback(dag: Any) -> None:
    """By its path alone, in a process that knows the folder of plugins and no DAG."""
    (deadline,) = dag.deadline
    assert deadline.interval == timedelta(hours=2)
    module, _, name = deadline.callback.path.rpartition(".")
    call = f"import airflow.settings; from {module} import {name}"
    subprocess.run([sys.executable, "-c", call], check=True, cwd="/")


def test_the_last_period_is_checked_daily(bag: Any) -> None:
    dag = bag.dags["{{{ cookiecutter.project_slug }}}-deadline"]
    assert dag.task_ids == ["check"]
    assert not dag.catchup
    assert dag.timetable.expression == "0 9 * * *"
