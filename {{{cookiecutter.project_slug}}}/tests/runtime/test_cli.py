"""`python -m`: exit codes, and one sentence for what is refused."""

import subprocess
import sys

import polars as pl
import pytest

import {{{ cookiecutter.package_name }}} as package

from .conftest import Project


def cli(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in the current folder."""
    command = [sys.executable, "-m", package.__name__, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def refused(*words: str) -> str:
    """Return the one sentence with which a command is refused."""
    done = cli(*words)
    assert done.returncode == 2, done.stderr
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("error: ")
    assert sentence.endswith(".")
    return sentence.removeprefix("error: ")


def test_a_period_that_is_refused(project: Project) -> None:
    before = project.files()
    assert refused("run", "--period", "2013-6").startswith("'2013-6' is not a month")
    assert refused("run", "--period", "2014-01").startswith("The source has no 2014-01")
    assert refused("run", "--period", "2013-02").startswith("Too few months come before 2013-02")
    assert project.files() == before


def test_a_backfill_that_is_refused(project: Project) -> None:
    before = project.files()
    sentence = refused("backfill", "--first", "2013-06", "--last", "2013-05")
    assert sentence.startswith("The last month 2013-05 comes before the first")
    assert project.files() == before


def test_parameters_that_are_refused(project: Project) -> None:
    project.tune(sead=1)
    assert refused("run").startswith("params.yaml: sead: no such parameter exists")


def test_a_source_that_is_not_there(project: Project) -> None:
    project.tune(source="nowhere")
    assert refused("run").startswith("The source nowhere has no month of flights")


def test_outside_of_a_project(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert refused("run") == "params.yaml is not here: run this from the project's folder."


def test_status_before_anything_ran(project: Project) -> None:
    done = cli("status")
    assert done.returncode == 0, done.stderr
    assert "No version is released yet" in done.stdout


def test_status_with_a_champion(released: Project) -> None:
    run = released.plan("2013-04")
    done = cli("status")
    assert done.returncode == 0, done.stderr
    assert "Champion: version 1 of " in done.stdout
    assert "judged on 2013-04, registered" in done.stdout
    assert run.run_id in done.stdout
    assert "released" in done.stdout


def test_predict_writes_and_says_where(released: Project) -> None:
    done = cli("predict", "--period", "2013-07")
    assert done.returncode == 0, done.stderr
    assert "Wrote predictions/2013-07.parquet" in done.stdout
    assert pl.read_parquet("predictions/2013-07.parquet").height > 3000


def test_nothing_to_roll_back(project: Project) -> None:
    before = project.files()
    assert refused("rollback").startswith("No version was champion before this one")
    assert project.files() - before <= {"runs", "runs/.release.lock"}


def test_roll_back(evaluated: Project) -> None:
    from {{{ cookiecutter.package_name }}}.steps.release import release

    release(evaluated.plan("2013-05"))
    done = cli("rollback")
    assert done.returncode == 0, done.stderr
    assert "The champion is version 1 again; it was version 2." in done.stdout
