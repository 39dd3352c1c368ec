"""dvc.yaml: the same graph, the same numbers, and no stage that overlooks what it depends on."""

import ast
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import networkx as nx  # DVC brings it along
import pytest
import yaml
from dvc.repo import Repo
from typer.testing import CliRunner

from {{{ cookiecutter.package_name }}} import experiment, tracking
from {{{ cookiecutter.package_name }}}.__main__ import app
from {{{ cookiecutter.package_name }}}.errors import BadInput
from {{{ cookiecutter.package_name }}}.workspace import Workspace

from .conftest import GRAPH, ROOT, Project

SOURCES = ROOT / "src/{{{ cookiecutter.package_name }}}"
# Not what a stage does, but how: a change of these makes no experiment stale.
PLUMBING = {"errors", "once", "params", "results", "workspace"}


def stages() -> dict[str, Any]:
    """Return the stages of dvc.yaml, with DVC's variables filled in."""
    with Repo(str(ROOT)) as repo:
        return {stage.name: stage for stage in repo.index.stages}


def edges() -> set[tuple[str, str]]:
    """Return which stage waits for which, without what follows from the others."""
    with Repo(str(ROOT)) as repo:
        needs = repo.index.graph
        graph = nx.DiGraph((before.name, after.name) for after, before in needs.edges)
    return set(nx.transitive_reduction(graph).edges)


def imported(module: str) -> set[str]:
    """Return the package's own modules that one of them imports, or what it imports does.

    Other steps are left out: their types are imported, and what they write has its own stage.
    """
    tree = ast.parse((SOURCES / f"{module}.py").read_text(encoding="utf-8"))
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 1 + module.count("/"):
            found |= {node.module} if node.module else {name.name for name in node.names}
    return found.union(*(imported(name) for name in found))


def test_the_stages_are_the_steps_of_the_graph() -> None:
    steps = list(GRAPH)[: list(GRAPH).index("evaluate") + 1]
    assert sorted(stages()) == sorted(steps) == sorted(experiment.STEPS)
    assert edges() == set(pairwise(steps))


@pytest.mark.parametrize("name", experiment.STEPS)
def test_a_stage_depends_on_the_code_it_runs(name: str) -> None:
    deps = {str(dep.def_path) for dep in stages()[name].deps}
    for module in imported(f"steps/{name}") - PLUMBING | {f"steps/{name}"}:
        assert f"src/{{{ cookiecutter.package_name }}}/{module}.py" in deps
    assert all((ROOT / dep).exists() for dep in deps if dep.startswith("src/"))


@pytest.mark.parametrize("name", experiment.STEPS)
def test_a_stage_calls_its_step(name: str) -> None:
    command = f".venv/bin/python -m {{{ cookiecutter.package_name }}} step {name}"
    assert stages()[name].cmd == command


def test_every_parameter_of_the_work_is_of_some_stage() -> None:
    declared = {
        name
        for stage in yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].values()
        for name in stage.get("params", [])
    }
    where = {"runs", "predictions", "source_timeout", "alerts", "deadlines"}
    assert {name.partition(".")[0] for name in declared} | where == set(
        yaml.safe_load((ROOT / "params.yaml").read_text())
    )


def test_an_experiment_gives_the_numbers_of_a_run(released: Project) -> None:
    run = released.work("2013-05", last="evaluate")
    released.tune(experiment__period="2013-05")
    for name in experiment.STEPS:
        experiment.run_step(released.params, name)
    folder = released.folder / "experiment"
    kept = [*Path(run.folder).glob("curves/*"), Path(run.folder) / "metrics.json"]
    assert len(kept) == 4
    for file in kept:
        assert (folder / file.relative_to(run.folder)).read_bytes() == file.read_bytes()
    assert (folder / "version.json").read_bytes() == Workspace(run).version.read_bytes()


def test_an_experiment_registers_nothing(released: Project) -> None:
    before = tracking.champion(released.params.model_name)
    released.tune(experiment__period="2013-05", train__learning_rate=0.05)
    for name in experiment.STEPS:
        experiment.run_step(released.params, name)
    assert tracking.champion(released.params.model_name) == before
    assert list(tracking.data_versions()) == [before.run_id]  # type: ignore[union-attr]
    assert len(list((released.folder / "runs").glob("*/"))) == 1


def test_bad_data_end_an_experiment(project: Project) -> None:
    project.tune(experiment__period="2013-05")
    project.deliver("flights", "2013-05", lambda rows: rows.drop("dest"))
    experiment.run_step(project.params, "ingest")
    with pytest.raises(BadInput, match=r"2013-05 breaks the data contract: flights\.dest: the col"):
        experiment.run_step(project.params, "validate")


def test_a_period_that_is_none_is_refused_by_the_experiment_alone(project: Project) -> None:
    project.tune(experiment__period="soon")
    with pytest.raises(BadInput, match="'soon' is not a month: write it as YYYY-MM"):
        experiment.run_step(project.params, "ingest")
    assert project.plan("2013-05").period == "2013-05"


def test_an_unknown_step_is_refused(project: Project) -> None:
    with pytest.raises(BadInput, match=r"There is no step release: it is one of ingest, validate"):
        experiment.run_step(project.params, "release")


def test_the_command_line_runs_a_step(project: Project) -> None:
    project.tune(experiment__period="2013-05")
    done = CliRunner().invoke(app, ["step", "ingest"])
    assert done.exit_code == 0, done.output
    assert (project.folder / "experiment/raw/flights/month=2013-05").is_dir()


def test_importing_it_is_cheap() -> None:
    """Each stage starts anew: what its step does not need is not imported."""
    loaded = "import sys, {{{ cookiecutter.package_name }}}.experiment; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", loaded], capture_output=True, text=True, check=True
    )
    assert not {"mlflow", "sklearn", "prefect", "dvc", "matplotlib"} & set(done.stdout.split())
