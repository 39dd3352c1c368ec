"""Checks of a project of every orchestrator, after rendering and installation."""

import json
import os
import re
import signal
from pathlib import Path

import pytest
import yaml

from tests.offered import BESIDE_MLFLOW
from tests.projects import PATIENCE, Project, clone, keep_types, runtime_tests, until
from tests.shell import ROOT, TREE, Shell

pytestmark = pytest.mark.slow

# The fixture; the tests that share it; and its library, which no other has.
ORCHESTRATORS = {
    "prefect": ("project", "default project", "prefect"),
    "airflow": ("airflow", "airflow project", "airflow"),
    "kubeflow": ("kubeflow", "kubeflow project", "kfp"),
}


@pytest.fixture(
    params=[
        pytest.param(name, marks=pytest.mark.xdist_group(group))
        for name, (_, group, _) in ORCHESTRATORS.items()
    ]
)
def orchestrator(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def variant(orchestrator: str, request: pytest.FixtureRequest) -> Project:
    """Return the project of an orchestrator."""
    project: Project = request.getfixturevalue(ORCHESTRATORS[orchestrator][0])
    return project


def test_a_fresh_render_is_clean(variant: Project, shell: Shell) -> None:
    variant.make("lint")
    keep_types(variant)
    pre_commit = variant.folder / ".venv" / "bin" / "pre-commit"
    shell(pre_commit, "run", "--all-files", cwd=variant.folder)
    assert not shell("git", "status", "--porcelain", cwd=variant.folder).stdout


def test_the_installed_versions_are_older_than_the_date(
    orchestrator: str, variant: Project
) -> None:
    """And copier.yml lists all of their modules and names, so that no package can hide one."""
    listing = (
        "import importlib.metadata as m, json, re; print(json.dumps(sorted("
        "{name.split('.')[0] for name in m.packages_distributions() if name.isidentifier()}"
        " | {re.sub('[-_.]+', '_', d.metadata['Name']).lower() for d in m.distributions()})))"
    )
    python = variant.folder / ".venv" / "bin" / "python"
    modules = set(json.loads(variant.shell(python, "-c", listing).stdout))
    entries = yaml.safe_load((ROOT / "copier.yml").read_text(encoding="utf-8"))
    refused = set(
        " ".join(
            entries[name]["default"]
            for name in ("installed_modules", "standard_library", "reserved_words")
        ).split()
    )
    usable = {name for name in modules if name == name.lower() and not name.startswith("_")}
    libraries = {library for _, _, library in ORCHESTRATORS.values()}
    assert usable & libraries == {ORCHESTRATORS[orchestrator][2]}
    assert usable - {"my_pipeline"} <= refused


@pytest.mark.matrix
def test_ctrl_c_leaves_nothing_running_and_the_run_goes_on(
    variant: Project, tmp_path: Path
) -> None:
    project, log = clone(variant, tmp_path / "my-pipeline"), tmp_path / "interrupted.log"
    process = project.start(log, "run", "PERIOD=2013-05")
    until(lambda: "snapshot: the data are" in log.read_text(), process)
    os.killpg(process.pid, signal.SIGINT)
    process.wait(PATIENCE)
    until(lambda: not project.processes())
    assert "interrupted. To resume this run, give the same command again." in log.read_text()
    assert not project.results()
    said = project.make("run", "PERIOD=2013-05")
    assert said.count(": done before") >= 3  # the period's ingest, validate, snapshot
    assert project.results()["2013-05"]["status"] == "released"


def run_tests(variant: Project, shell: Shell, *command: str) -> None:
    """Run tests that must pass; root drops its rights, as some tests need unreadable folders."""
    powers = "-dac_override,-dac_read_search"
    as_anyone = ["setpriv", f"--inh-caps={powers}", f"--bounding-set={powers}"]
    given = [*(as_anyone if os.geteuid() == 0 else []), *command]
    said = shell(*given, cwd=variant.folder).stdout
    assert " passed" in said
    assert " skipped" not in said


def test_its_own_tests_pass(orchestrator: str, variant: Project, shell: Shell) -> None:
    """Shared tests run under the first orchestrator only; `make matrix` runs them under all."""
    pytest_ = (".venv/bin/python", "-m", "pytest", "-n", "auto", "--dist", "loadfile")
    first = orchestrator == next(iter(ORCHESTRATORS))
    command = ("make", "test") if first else (*pytest_, *runtime_tests(orchestrator))
    run_tests(variant, shell, *command)


def test_no_test_of_the_runtime_is_left_out(project: Project) -> None:
    """Those that the default project lacks are run by the tests of their choices."""
    files = {file.name: file for file in (ROOT / TREE / "tests/runtime").glob("*test_*.py")}
    here = {file.name for file in (project.folder / "tests/runtime").glob("test_*.py")}
    choices = {
        flag
        for name in files
        if name.rpartition("}}}")[2] not in here
        for flag in re.findall(r"__(\w+)}}}", name)
    }
    assert choices == {"airflow", "kubeflow", "hash", "sql", *BESIDE_MLFLOW}


@pytest.mark.matrix
def test_all_tests_pass(variant: Project, shell: Shell) -> None:
    run_tests(variant, shell, "make", "test")
