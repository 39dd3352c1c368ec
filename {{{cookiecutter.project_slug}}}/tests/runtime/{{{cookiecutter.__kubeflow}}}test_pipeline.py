"""The compiled pipeline: it is up to date, and its graph holds the steps in their order."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import DESIGN, ROOT, TASKS, waits

COMPILED = ROOT / "pipelines/training.yaml"
ASIDE = ("notice", "refuse")  # tasks that no other orchestrator needs

Spec = dict[str, Any]


def compile_to(file: Path, **environment: str) -> bytes:
    """Compile as `make compile` does, in a process of its own."""
    kfp = Path(sys.executable).with_name("kfp")
    source = ["--py", "pipelines/training.py", "--function", "training"]
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
def spec() -> Spec:
    """The pipeline; the second document of the file is for Kubernetes."""
    return next(yaml.safe_load_all(COMPILED.read_text(encoding="utf-8")))


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
    compiled = compile_to(tmp_path / "training.yaml", PYTHONHASHSEED="1")
    assert compiled == compile_to(tmp_path / "again.yaml", PYTHONHASHSEED="2")
    assert COMPILED.read_bytes() == compiled, "run `make compile`, and commit what it writes"
    if "CI" in os.environ:  # where `make setup` would have made it
        git = ["git", "ls-files", str(COMPILED)]
        listed = subprocess.run(git, cwd=ROOT, capture_output=True, check=True).stdout
        assert listed, "commit pipelines/training.yaml"


def test_its_tasks(spec: Spec) -> None:
    assert set(tasks(spec)) >= {*TASKS, *ASIDE}
    assert spec["pipelineInfo"]["name"] == "{{{ cookiecutter.project_slug }}}"


def test_the_graph_holds_the_steps_in_their_order(spec: Spec) -> None:
    """Tasks of the team's own may stand between them."""
    assert waits(edges(spec)) >= DESIGN


def test_good_and_bad_data_go_different_ways(spec: Spec) -> None:
    conditions = {
        name: task["triggerPolicy"]["condition"]
        for dag in dags(spec)
        for task in dag["tasks"].values()
        if "condition" in task.get("triggerPolicy", {})
        for name in spec["components"][task["componentRef"]["name"]]["dag"]["tasks"]
    }
    good = "inputs.parameter_values['pipelinechannel--validate-Output'] == 'good'"
    assert conditions["snapshot"] == good
    assert conditions["quarantine"] == f"!({good})"
    assert conditions["refuse"].endswith("== 'refused'")
