"""What the compiled pipeline tells a cluster; nothing is run."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import CHAIN, DESIGN, ROOT, TASKS
from .test_experiment import edges as edges_of_stages

COMPILED = ROOT / "kubeflow/pipeline.yaml"
CACHED = {"validate", "version", "train"}
ASIDE = ("notice", "refuse")  # tasks that no other orchestrator needs

Spec = dict[str, Any]


def compile_to(file: Path, **environment: str) -> bytes:
    """Compile as `make compile` does, in a process of its own."""
    kfp = Path(sys.executable).with_name("kfp")
    source = ["--py", "kubeflow/pipeline.py", "--function", "training"]
    done = subprocess.run(
        [kfp, "dsl", "compile", *source, "--output", file],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return file.read_bytes()


@pytest.fixture(scope="module")
def documents() -> tuple[Spec, Spec]:
    """The pipeline, and what Kubernetes is told besides."""
    pipeline, platform = yaml.safe_load_all(COMPILED.read_text(encoding="utf-8"))
    return pipeline, platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]


@pytest.fixture(scope="module")
def spec(documents: tuple[Spec, Spec]) -> Spec:
    return documents[0]


def dags(spec: Spec) -> Iterator[Spec]:
    """Give the graph and all groups in it: branches, loops, and what the exit task follows."""
    yield spec["root"]["dag"]
    yield from (each["dag"] for each in spec["components"].values() if "dag" in each)


def tasks(spec: Spec) -> dict[str, Spec]:
    """Return the tasks of all groups by name."""
    return {
        name: task
        for dag in dags(spec)
        for name, task in dag["tasks"].items()
        if "dag" not in spec["components"][task["componentRef"]["name"]]
    }


def edges(spec: Spec) -> set[tuple[str, str]]:
    """Return which task takes something of which, without `plan`, which only says what the run is.

    What a task takes may come from within another group, or be handed through several of them.
    """
    found: set[tuple[str, str]] = set()

    def component(dag: Spec, task: str) -> Spec:
        return dict(spec["components"][dag["tasks"][task]["componentRef"]["name"]])

    def makers(dag: Spec, task: str, output: str) -> set[str]:
        inner = component(dag, task).get("dag")
        if inner is None:
            return {task}
        kinds = inner["outputs"]
        of = kinds.get("artifacts", {}).get(output) or kinds["parameters"][output]
        selectors = of.get("artifactSelectors") or of.get("valueFromOneof", {}).get(
            "parameterSelectors", [of.get("valueFromParameter")]
        )
        return {
            maker
            for each in selectors
            for maker in makers(
                inner,
                each["producerSubtask"],
                each.get("outputArtifactKey") or each["outputParameterKey"],
            )
        }

    def walk(dag: Spec, given: dict[str, set[str]]) -> None:
        for name, task in dag["tasks"].items():
            taken: dict[str, set[str]] = {}
            for kind in task.get("inputs", {}).values():
                for key, value in kind.items():
                    made = value.get("taskOutputArtifact") or value.get("taskOutputParameter")
                    outer = value.get("componentInputArtifact") or value.get(
                        "componentInputParameter"
                    )
                    if made:
                        output = made.get("outputArtifactKey") or made["outputParameterKey"]
                        taken[key] = makers(dag, made["producerTask"], output)
                    else:
                        taken[key] = given.get(outer, set())
            if inner := component(dag, name).get("dag"):
                walk(inner, taken)
            else:
                found.update((maker, name) for made in taken.values() for maker in made)

    walk(spec["root"]["dag"], {})
    return {(before, task) for before, task in found if before != "plan"}


def test_what_is_committed_is_what_the_source_compiles_to(tmp_path: Path) -> None:
    compiled = compile_to(tmp_path / "pipeline.yaml", PYTHONHASHSEED="1")
    assert compiled == compile_to(tmp_path / "again.yaml", PYTHONHASHSEED="2")
    assert COMPILED.read_bytes() == compiled, "run `make compile`, and commit what it writes"
    if "CI" in os.environ:  # where `make setup` would have made it
        git = ["git", "ls-files", str(COMPILED)]
        listed = subprocess.run(git, cwd=ROOT, capture_output=True, check=True).stdout
        assert listed, "commit kubeflow/pipeline.yaml"


def test_its_tasks(spec: Spec) -> None:
    assert set(tasks(spec)) == {*TASKS, *ASIDE}
    assert spec["pipelineInfo"]["name"] == "{{{ cookiecutter.project_slug }}}"


def test_the_graph_is_the_design_s(spec: Spec) -> None:
    assert edges(spec) == DESIGN


def test_the_stages_of_dvc_are_the_same_graph(spec: Spec) -> None:
    good = {edge for edge in edges(spec) if "quarantine" not in edge}
    assert good == edges_of_stages() | set(pairwise(CHAIN[CHAIN.index("evaluate") :]))


def test_good_and_bad_data_go_different_ways(spec: Spec) -> None:
    conditions = {
        name: task["triggerPolicy"]["condition"]
        for dag in dags(spec)
        for task in dag["tasks"].values()
        if "condition" in task.get("triggerPolicy", {})
        for name in spec["components"][task["componentRef"]["name"]]["dag"]["tasks"]
    }
    good = "inputs.parameter_values['pipelinechannel--validate-Output'] == 'good'"
    assert conditions["version"] == good
    assert conditions["quarantine"] == f"!({good})"
    assert conditions["refuse"].endswith("== 'refused'")


def test_months_go_four_at_a_time(spec: Spec) -> None:
    loops = [
        task for dag in dags(spec) for task in dag["tasks"].values() if "parameterIterator" in task
    ]
    assert [loop["iteratorPolicy"]["parallelismLimit"] for loop in loops] == [4, 4]


def test_the_notice_comes_however_the_run_ends(spec: Spec) -> None:
    notice = spec["root"]["dag"]["tasks"]["notice"]
    assert notice["triggerPolicy"]["strategy"] == "ALL_UPSTREAM_TASKS_COMPLETED"
    (others,) = set(spec["root"]["dag"]["tasks"]) - {"notice"}
    assert notice["dependentTasks"] == [others]


@pytest.mark.parametrize("name", [*TASKS, "notice"])
def test_every_task_is_retried_with_patience(documents: tuple[Spec, Spec], name: str) -> None:
    """For as long as all tries may take: what lasts until its time limit is tried again, too."""
    policy = tasks(documents[0])[name]["retryPolicy"]
    assert policy["maxRetryCount"] >= 2
    assert policy["backoffFactor"] > 1
    first, in_all = (int(policy[key][:-1]) for key in ("backoffDuration", "backoffMaxDuration"))
    waits = sum(first * policy["backoffFactor"] ** n for n in range(policy["maxRetryCount"]))
    limit = int(documents[1][f"exec-{name}"]["activeDeadlineSeconds"])
    assert first > 0
    assert in_all > (policy["maxRetryCount"] + 1) * limit + waits


def test_what_is_refused_is_not_tried_again(spec: Spec) -> None:
    assert "maxRetryCount" not in tasks(spec)["refuse"].get("retryPolicy", {})


@pytest.mark.parametrize("name", [*TASKS, *ASIDE])
def test_every_task_has_limits(documents: tuple[Spec, Spec], name: str) -> None:
    spec, platform = documents
    executor = spec["deploymentSpec"]["executors"][f"exec-{name}"]["container"]
    resources = executor["resources"]
    assert 0 < float(resources["resourceCpuRequest"]) < float(resources["resourceCpuLimit"])
    assert resources["resourceMemoryRequest"] == resources["resourceMemoryLimit"]
    ours = platform[f"exec-{name}"]
    assert 0 < int(ours["activeDeadlineSeconds"]) <= 3600
    assert ours["securityContext"]["runAsNonRoot"] is True


@pytest.mark.parametrize("name", [*TASKS, *ASIDE])
def test_caching_is_chosen_for_each_task(spec: Spec, name: str) -> None:
    """What looks at the champion, or at the source, or changes something, is always done.

    So are the tasks of loops: of cached ones alone, KFP never says that the loop has ended.
    """
    task = tasks(spec)[name]
    assert task["cachingOptions"].get("enableCache", False) == (name in CACHED)
    assert ("begun" in task.get("inputs", {}).get("parameters", {})) == (name in CACHED)


@pytest.mark.parametrize("name", [*TASKS, *ASIDE])
def test_every_task_runs_in_the_image_of_this_version(spec: Spec, name: str) -> None:
    from kubeflow.pipeline import IMAGE

    container = spec["deploymentSpec"]["executors"][f"exec-{name}"]["container"]
    assert container["image"] == IMAGE
    named, _, tag = IMAGE.partition(":")
    assert named == "{{{ cookiecutter.project_slug }}}"
    assert tag[0].isdigit()
    assert "pip install" not in " ".join(container["command"])


def test_artifacts_have_the_types_that_kfp_shows(spec: Spec) -> None:
    types = {
        f"{name}.{key}": artifact["artifactType"]["schemaTitle"]
        for name in tasks(spec)
        for key, artifact in spec["components"][f"comp-{name}"]
        .get("outputDefinitions", {})
        .get("artifacts", {})
        .items()
    }
    assert types == {
        "ingest.raw": "system.Dataset",
        "validate.quality": "system.Artifact",
        "quarantine.findings": "system.Artifact",
        "version.snapshot": "system.Dataset",
        "features.joined": "system.Dataset",
        "train.model": "system.Model",
        "evaluate.verdict": "system.Artifact",
        "evaluate.metrics": "system.Metrics",
        "evaluate.curves": "system.ClassificationMetrics",
        "release.outcome": "system.Artifact",
        "report.page": "system.HTML",
        "report.result": "system.Artifact",
    }


def test_nothing_secret_is_in_the_file(documents: tuple[Spec, Spec]) -> None:
    for executor in documents[0]["deploymentSpec"]["executors"].values():
        assert "env" not in executor["container"]
    for name, ours in documents[1].items():
        secrets = {secret["secretName"]: secret for secret in ours["secretAsEnv"]}
        alerts = ["{{{ cookiecutter.project_slug }}}-alerts"] * (name == "exec-notice")
        assert list(secrets) == ["{{{ cookiecutter.project_slug }}}-s3", *alerts]
        assert all(secret["optional"] is True for secret in secrets.values())


def test_loading_it_imports_nothing_that_the_steps_need() -> None:
    loaded = "import kubeflow.pipeline, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", loaded], cwd=ROOT, capture_output=True, text=True, check=True
    )
    modules = set(done.stdout.split())
    assert not {"polars", "pandas", "sklearn", "mlflow", "dvc", "pandera"} & modules
    assert "{{{ cookiecutter.package_name }}}" not in modules


def test_nothing_below_src_knows_kfp() -> None:
    files = [*(ROOT / "src").rglob("*.py")]
    assert files
    assert not [file for file in files if re.search(r"\b(kfp|kubeflow)\b", file.read_text())]
