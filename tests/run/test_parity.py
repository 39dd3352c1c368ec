"""Whatever runs the pipeline: for the same data, the same graph, metrics, decision and result."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.projects import ORCHESTRATORS, Project, clone, run_may
from tests.shell import change

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("run parity")]

OWN = {"orchestrator", "tracker_url", "seconds"}

# What each tool says of the graph: Prefect of a run, once it has run, Airflow of the DAG, KFP of
# the compiled pipeline.
PREFECT_EDGES = """
import json, sys
from flows.training import training
from tests.runtime.test_flow import edges
print(json.dumps([*edges(training(sys.argv[1], return_state=True))]))
"""
AIRFLOW_EDGES = """
import json
from ops import airflow
airflow.configure()
from dags.training import training_dag
from tests.runtime.test_dag_integrity import edges
print(json.dumps([*edges(training_dag)]))
"""
KUBEFLOW_EDGES = """
import json, yaml
from tests.runtime.test_pipeline import COMPILED, edges
print(json.dumps([*edges(next(yaml.safe_load_all(COMPILED.read_text())))]))
"""
DVC_EDGES = """
import json
from tests.runtime.test_experiment import edges
print(json.dumps([*edges()]))
"""

Edges = set[tuple[str, str]]


@pytest.fixture(scope="module")
def fresh(
    project: Project,
    on_airflow: Project,
    on_kubeflow: Project,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Project]:
    """Give a project of every orchestrator, where June is damaged."""
    prefect = clone(project, tmp_path_factory.mktemp("prefect") / "my-pipeline")
    found = {"prefect": prefect, "airflow": on_airflow, "kubeflow": on_kubeflow}
    for each in found.values():
        each.damage("2013-06")
    return found


def edges(project: Project, code: str, *words: str) -> Edges:
    """Return the edges that code prints in its last line."""
    found = json.loads(project.run_code(code, *words).splitlines()[-1])
    return {(a, b) for a, b in found}


@pytest.fixture(scope="module")
def graphs(fresh: dict[str, Project]) -> dict[str, Edges]:
    """Give the graph of each orchestrator; Prefect's needs a run that is good and a bad one."""
    prefect = partial(edges, fresh["prefect"], PREFECT_EDGES)
    for name in ("airflow", "kubeflow"):
        run_may(fresh[name])
        fresh[name].make("run", "PERIOD=2013-06", ok=False)
    return {
        "prefect": prefect("2013-05") | prefect("2013-06"),
        "airflow": edges(fresh["airflow"], AIRFLOW_EDGES),
        "kubeflow": edges(fresh["kubeflow"], KUBEFLOW_EDGES),
    }


@pytest.fixture(scope="module")
def results(
    fresh: dict[str, Project], graphs: dict[str, Edges]
) -> Callable[[str], dict[str, dict[str, Any]]]:
    """Give the results of a period by orchestrator; July's champion is hard to beat."""

    def of(period: str) -> dict[str, dict[str, Any]]:
        for project in fresh.values():
            if period not in project.results():
                change(project.folder / "params.yaml", "min_gain: 0.0", "min_gain: 0.5")
                project.make("run", f"PERIOD={period}")
        return {name: project.results()[period] for name, project in fresh.items()}

    return of


def test_the_graph_is_the_same(fresh: dict[str, Project], graphs: dict[str, Edges]) -> None:
    steps = {name: {e for e in found if e[0] != "plan"} for name, found in graphs.items()}
    assert steps["prefect"] == steps["airflow"] == steps["kubeflow"]
    assert len(steps["prefect"]) == 9
    # Without `quote` in flows/training.py, Prefect draws `plan` before every task.
    assert graphs["prefect"] - steps["prefect"] == {("plan", "ingest")}
    stages = edges(fresh["airflow"], DVC_EDGES)
    up_to_evaluate = {
        edge for edge in steps["prefect"] if not {"quarantine", "release", "report"} & {*edge}
    }
    assert stages == up_to_evaluate


@pytest.mark.parametrize(
    ("period", "status"),
    [
        ("2013-05", "released"),
        ("2013-06", "quarantined"),
        pytest.param("2013-07", "kept_champion", marks=pytest.mark.matrix),
    ],
)
def test_the_result_is_the_same(
    results: Callable[[str], dict[str, dict[str, Any]]], period: str, status: str
) -> None:
    found = results(period)
    assert {name: result["orchestrator"] for name, result in found.items()} == {
        name: name for name in ORCHESTRATORS
    }
    expected, *others = found.values()
    assert expected["status"] == status
    for other in others:
        assert_same(expected, other)


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Check that two orchestrators gave the same result."""
    expected, found = shared(one), shared(other)
    for ours, theirs in zip(metrics_of(expected), metrics_of(found), strict=True):
        assert theirs == pytest.approx(ours, abs=1e-9)
    assert without_metrics(found) == without_metrics(expected)


CHAMPIONS = ("champion_before", "champion_after")


def shared(result: dict[str, Any]) -> dict[str, Any]:
    """Return what must be the same."""
    return {name: value for name, value in result.items() if name not in OWN}


def metrics_of(result: dict[str, Any]) -> list[dict[str, float]]:
    """Return the metrics of the challenger, and of the champions that there are."""
    return [result["metrics"], *(result[who]["metrics"] for who in CHAMPIONS if result[who])]


def without_metrics(result: dict[str, Any]) -> dict[str, Any]:
    """Return all else, to be compared exactly."""
    champions = {
        who: result[who] and {k: v for k, v in result[who].items() if k != "metrics"}
        for who in CHAMPIONS
    }
    return {name: value for name, value in result.items() if name != "metrics"} | champions


def test_the_same_steps_took_time(results: Callable[[str], dict[str, dict[str, Any]]]) -> None:
    seconds = [list(result["seconds"]) for result in results("2013-05").values()]
    assert seconds[0] == seconds[1] == seconds[2]


@pytest.mark.matrix
def test_a_period_is_prepared_once(
    fresh: dict[str, Project], results: Callable[[str], dict[str, dict[str, Any]]]
) -> None:
    """July takes April and May from the run for May; June was bad, and nothing was kept of it."""
    for name, result in results("2013-07").items():
        steps = fresh[name].folder / "runs" / result["run_id"] / "steps"
        found = {step.stem: json.loads(step.read_bytes()) for step in steps.glob("*-2013-*.json")}
        took = {of: step["seconds"] for of, step in found.items()}
        assert len(took) == 4 + 3
        anew = {"ingest-2013-06", "ingest-2013-07", "features-2013-07"}
        assert {step for step, seconds in took.items() if seconds > 0} == anew


@pytest.mark.parametrize(
    "orchestrator", ["airflow", pytest.param("kubeflow", marks=pytest.mark.matrix)]
)
def test_the_stages_of_dvc_give_the_same_metrics(
    fresh: dict[str, Project],
    results: Callable[[str], dict[str, dict[str, Any]]],
    orchestrator: str,
) -> None:
    project, result = fresh[orchestrator], results("2013-05")[orchestrator]
    project.make("repro", "PERIOD=2013-05")
    metrics = json.loads((project.folder / "experiment/metrics.json").read_bytes())
    assert metrics == pytest.approx(result["metrics"], abs=1e-9)
