"""The compiled pipeline as a cluster reads it; nothing is run."""

import re
import subprocess
import sys
from typing import Any

import pytest
import yaml
from pipelines.training import IMAGE

from .conftest import ROOT, TASKS
from .test_pipeline import ASIDE, COMPILED, dags, tasks

NAME = "my-pipeline"
CACHED = {"validate", "snapshot", "train"}

Spec = dict[str, Any]


@pytest.fixture(scope="module")
def documents() -> tuple[Spec, Spec]:
    """The pipeline, and its settings for Kubernetes."""
    pipeline, platform = yaml.safe_load_all(COMPILED.read_text(encoding="utf-8"))
    return pipeline, platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]


@pytest.fixture(scope="module")
def spec(documents: tuple[Spec, Spec]) -> Spec:
    return documents[0]


def test_periods_go_four_at_a_time(spec: Spec) -> None:
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
    """The delays leave time for all tries: a task that reaches its time limit is retried, too."""
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
    """Tasks that read the champion or the source, or change something, are never cached.

    Nor are the tasks of loops: KFP never ends a loop whose tasks were all cached.
    """
    task = tasks(spec)[name]
    assert task["cachingOptions"].get("enableCache", False) == (name in CACHED)


@pytest.mark.parametrize("name", [*TASKS, *ASIDE])
def test_every_task_runs_in_the_image_of_this_version(spec: Spec, name: str) -> None:
    container = spec["deploymentSpec"]["executors"][f"exec-{name}"]["container"]
    assert container["image"] == IMAGE
    named, _, tag = IMAGE.partition(":")
    assert named == NAME
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
        "snapshot.data": "system.Dataset",
        "features.table": "system.Dataset",
        "train.model": "system.Model",
        "evaluate.evaluation": "system.Artifact",
        "evaluate.metrics": "system.Metrics",
        "release.outcome": "system.Artifact",
        "report.page": "system.HTML",
        "report.result": "system.Artifact",
    }


def test_nothing_secret_is_in_the_file(documents: tuple[Spec, Spec]) -> None:
    for executor in documents[0]["deploymentSpec"]["executors"].values():
        assert "env" not in executor["container"]
    for name, ours in documents[1].items():
        secrets = {secret["secretName"]: secret for secret in ours["secretAsEnv"]}
        alerts = [f"{NAME}-alerts"] * (name == "exec-notice")
        assert list(secrets) == [f"{NAME}-s3", *alerts]
        assert all(secret["optional"] is True for secret in secrets.values())


def test_loading_it_imports_nothing_that_the_steps_need() -> None:
    loaded = "import pipelines.training, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", loaded], cwd=ROOT, capture_output=True, text=True, check=True
    )
    modules = set(done.stdout.split())
    assert not {"polars", "pandas", "sklearn", "mlflow", "dvc", "pandera"} & modules
    ours = {name for name in modules if name.startswith("my_pipeline")}
    assert ours == {"my_pipeline", "my_pipeline.runtime"}  # for the project's name


def test_nothing_below_src_knows_kfp() -> None:
    files = [*(ROOT / "src").rglob("*.py")]
    assert files
    assert not [file for file in files if re.search(r"\b(kfp|kubeflow)\b", file.read_text())]
