"""dvc.yaml: the same graph, the same numbers, and stages that depend on the code they run."""

import ast
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import networkx as nx  # a dependency of DVC
import pytest
import yaml
from dvc.repo import Repo

from {{{ cookiecutter.package_name }}}.runtime.config import Params
from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput
from {{{ cookiecutter.package_name }}}.runtime.periods import CADENCE
from {{{ cookiecutter.package_name }}}.runtime.registry import registry
from {{{ cookiecutter.package_name }}}.runtime.room import ROOM
from {{{ cookiecutter.package_name }}}.runtime.run.identity import (
    COMPUTING,
    NOT_COMPUTING,
    NOT_PREPARING,
    PACKAGE,
)
from {{{ cookiecutter.package_name }}}.runtime.run.run_dir import RunDir
from {{{ cookiecutter.package_name }}}.runtime.steps import experiment

from .conftest import GRAPH, MAIN, REQUIRED, ROOT, P, Project, champion_of, waits

TEAM = ROOT / "src" / PACKAGE.name
WITHOUT_STAGE = {"quarantine", "release"}


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


def test_the_stages_are_the_steps_of_the_graph() -> None:
    steps = list(GRAPH)[: list(GRAPH).index("evaluate") + 1]
    found = stages()
    assert sorted(steps) == sorted(experiment.STEPS)
    assert set(found) >= set(steps)
    assert waits(edges()) >= set(pairwise(steps))
    for name in steps:
        assert found[name].cmd == f".venv/bin/python -m {PACKAGE.name} step {name}"


def code_of_stages() -> dict[str, set[str]]:
    """Return the modules of the package that each stage depends on, by their paths in it."""
    found: dict[str, set[str]] = {}
    for name, stage in stages().items():
        paths = [Path(str(dep.def_path)) for dep in stage.deps]
        ours = [path for path in paths if path.parts[:2] == ("src", PACKAGE.name)]
        found[name] = {"/".join(path.parts[2:]) for path in ours}
    return found


def test_the_stages_depend_on_the_code_of_the_runtime_that_decides_a_result() -> None:
    """Together they name the files that the id of a run depends on."""
    code = code_of_stages()
    for name in experiment.STEPS:
        assert f"runtime/steps/{name}.py" in code[name]
    named = {file for files in code.values() for file in files if file.startswith("runtime/")}
    assert named == {file for file in COMPUTING if Path(file).stem not in WITHOUT_STAGE}


def test_a_period_is_prepared_again_where_the_code_of_a_stage_before_train_changes() -> None:
    """Of the snapshot nothing is kept for later runs."""
    code = code_of_stages()
    prepares = {file for name in ("ingest", "validate", "features") for file in code[name]}
    assert {file for file in prepares if "/" in file} == set(COMPUTING) - NOT_PREPARING
    assert not prepares & NOT_PREPARING


def imported(file: str) -> set[str]:
    """Return the modules of the team that one of them imports."""
    found = set()
    for node in ast.walk(ast.parse((TEAM / file).read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.level <= 1:
            module = str(node.module or "").removeprefix(PACKAGE.name if not node.level else "")
            path = module.removeprefix(".").replace(".", "/")
            found |= {f"{path}.py"} if path else {f"{alias.name}.py" for alias in node.names}
    return {name for name in found if (TEAM / name).is_file() and "runtime/" not in name}


def called(file: str) -> set[str]:
    """Return the modules of the team that a module of the runtime takes from `room.py`."""
    names = re.findall(r"\broom\.(\w+)\(\)", (PACKAGE / file).read_text(encoding="utf-8"))
    return {f"{name}.py" for name in names if name in ROOM}


def test_the_stages_depend_on_the_modules_of_the_team_that_they_use() -> None:
    """A module that no stage uses needs no stage."""
    code = code_of_stages()
    six = {f"{name}.py" for name in ROOM}
    assert set().union(*code.values()) >= six - NOT_COMPUTING
    for name, files in code.items():
        own = {file for file in files if "/" not in file and file.endswith(".py")}
        used = {more for file in own for more in imported(file)}
        used |= {more for file in files if "runtime/" in file for more in called(file)}
        missing = sorted(used - files)
        assert not missing, f"dvc.yaml: add {', '.join(missing)} to the deps of the stage {name}"


def test_every_parameter_of_the_work_belongs_to_a_stage() -> None:
    declared = {
        name
        for stage in yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].values()
        for name in stage.get("params", [])
    }
    places = {"runs", "keep_runs", "predictions", "source_timeout", "alerts", "deadlines"}
    assert {name.partition(".")[0] for name in declared} | places >= set(Params.model_fields)


def test_an_experiment_gives_the_numbers_of_a_run_and_registers_nothing(released: Project) -> None:
    run = released.work(P[5], last="evaluate")
    champion = champion_of(released)
    released.tune(experiment__period=P[5])
    for name in experiment.STEPS:
        experiment.run_step(released.params, name)
    folder = released.folder / "experiment"
    same = [*Path(run.folder).glob("curves/*"), Path(run.folder) / "evaluation.json"]
    for file in same:
        assert (folder / file.relative_to(run.folder)).read_bytes() == file.read_bytes()
    assert (folder / "snapshot.json").read_bytes() == RunDir(run).snapshot.read_bytes()
    evaluation = yaml.safe_load((folder / "evaluation.json").read_text())
    assert yaml.safe_load((folder / "metrics.json").read_text()) == evaluation["metrics"]
    assert registry.champion(released.params.model_name) == champion
    assert list(registry.data_versions()) == [champion.run_id]
    assert len(list((released.folder / "runs").glob("[!.]*/"))) == 2


def test_bad_data_end_an_experiment(project: Project) -> None:
    project.tune(experiment__period=P[5])
    project.deliver(MAIN, P[5], lambda rows: rows.drop(REQUIRED))
    experiment.run_step(project.params, "ingest")
    with pytest.raises(BadInput, match=rf"{P[5]} breaks the data contract: {MAIN}\.{REQUIRED}: "):
        experiment.run_step(project.params, "validate")


def test_a_malformed_period_stops_the_experiment_only(project: Project) -> None:
    project.tune(experiment__period="soon")
    with pytest.raises(BadInput, match=f"'soon' is no period: write a {CADENCE.unit} as"):
        experiment.run_step(project.params, "ingest")
    assert project.plan(P[5]).period == P[5]


def test_an_unknown_step_is_refused(project: Project) -> None:
    with pytest.raises(BadInput, match=r"There is no step release: it is one of ingest, validate"):
        experiment.run_step(project.params, "release")


def test_a_stage_imports_only_what_its_step_needs() -> None:
    script = f"import sys, {experiment.__name__}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    heavy = {"sklearn", "prefect", "airflow", "kfp", "dvc", "matplotlib"}
    heavy |= {"{{{ [cookiecutter.tracker, cookiecutter.__registry] | unique | join('", "') }}}"}
    assert not heavy & set(done.stdout.split())
