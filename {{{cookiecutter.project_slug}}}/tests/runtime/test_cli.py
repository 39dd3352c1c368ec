"""The command line: exit codes, and one sentence for what is refused."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import polars as pl
import pytest

import {{{ cookiecutter.package_name }}} as package
from {{{ cookiecutter.package_name }}}.runtime import room
from {{{ cookiecutter.package_name }}}.runtime.cli import complete_account, main
from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput, exit_if_refused
from {{{ cookiecutter.package_name }}}.runtime.periods import CADENCE
from {{{ cookiecutter.package_name }}}.runtime.run.outcome import write_failed
from {{{ cookiecutter.package_name }}}.runtime.steps.release import release

from .conftest import MAIN, NEVER, P, Project, V


@dataclass(frozen=True)
class Done:
    """What a command printed, and its exit code."""

    code: int | str | None
    stdout: str
    stderr: str


Cli = Callable[..., Done]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Return the command line, run in the current folder and in this process, which is quicker."""

    def run(*words: str) -> Done:
        monkeypatch.setattr(sys, "argv", [package.__name__, *words])
        for name in ("NO_PROXY", "no_proxy"):  # which it sets
            monkeypatch.setenv(name, "")
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return Done(ended.value.code, *capsys.readouterr())

    return run


def sentence(done: Done) -> str:
    """Return the one sentence with which a command was refused."""
    assert done.code == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert line.endswith(".")
    return line.removeprefix("error: ")


def test_refused_input_leaves_nothing_behind(project: Project, cli: Cli) -> None:
    before = project.files()
    assert sentence(cli("run", "--period", "2013-6")).startswith(
        f"'2013-6' is no period: write a {CADENCE.unit} as"
    )
    assert sentence(cli("run", "--period", NEVER)).startswith(f"The source has no {NEVER}")
    assert sentence(cli("run", "--period", P[2])).startswith(f"Too few periods come before {P[2]}")
    backwards = sentence(cli("backfill", "--first", P[6], "--last", P[5]))
    assert backwards.startswith(f"The last {CADENCE.unit}, {P[5]}, comes before the first, {P[6]}")
    assert f"'{P[4]}' is not a finished run" in sentence(cli("report", "--run", P[4]))
    project.tune(source="nowhere")
    assert sentence(cli("run")).startswith(f"The source nowhere has no {CADENCE.unit} of {MAIN}")
    project.tune(sead=1)
    assert sentence(cli("run")).startswith("params.yaml: sead: no such parameter exists")
    assert project.files() == before


def test_a_folder_of_runs_that_is_read_only(project: Project, cli: Cli) -> None:
    Path("runs").mkdir(mode=0o500)
    if os.access("runs", os.W_OK):
        pytest.skip("root may write everywhere")
    for words in (["run"], ["backfill", "--first", P[5], "--last", P[6]]):
        assert sentence(cli(*words)).startswith("runs cannot be written: Permission denied; give")


def test_no_password_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """Also one with an @; a path may have an @, too."""
    with pytest.raises(SystemExit), exit_if_refused():
        raise BadInput("http://ada:p@ss@proxy:3128 and https://ada:word@host/a@b refuse.")
    assert capsys.readouterr().err == "error: http://proxy:3128 and https://host/a@b refuse.\n"


def test_a_home_is_made_where_none_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> NoReturn:
        raise RuntimeError

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(Path, "home", lambda: Path("/home/ada"))
    complete_account()
    assert "HOME" not in os.environ
    monkeypatch.setattr(Path, "home", unknown)
    complete_account()
    assert Path(os.environ["HOME"]).stat().st_mode & 0o777 == 0o700


def test_outside_of_a_project(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    command = [sys.executable, "-m", package.__name__, "run"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = "params.yaml is not here: run this from the project's folder."
    assert sentence(Done(done.returncode, done.stdout, done.stderr)) == said


def test_a_project_without_a_champion(project: Project, cli: Cli) -> None:
    before = project.files()
    done = cli("status")
    assert done.code == 0, done.stderr
    assert "No version is released yet" in done.stdout
    name = project.params.model_name
    assert sentence(cli("rollback")).startswith(
        f"{name} cannot be rolled back: no version was champion"
    )
    assert project.files() - before <= {"runs", "runs/.release.lock"}


def test_status_with_a_champion(released: Project, cli: Cli) -> None:
    run = released.plan(P[4])
    done = cli("status")
    assert done.code == 0, done.stderr
    assert f"Champion: version {V[1]} of {released.params.model_name}" in done.stdout
    page = released.result(run).tracker_url
    assert page is None or page in done.stdout
    assert f"evaluated on {P[4]}, registered" in done.stdout
    headline = released.result(run).metrics[room.evaluation().HEADLINE]
    (row,) = (line for line in done.stdout.splitlines() if f"{run.run_id} │" in line)
    assert "released" in row
    assert f"{headline:.4f}" in row


def test_status_hides_the_error_of_a_run_that_another_replaced(project: Project, cli: Cli) -> None:
    failed = project.plan(P[5])
    write_failed(failed, "none", OSError("no space left"))
    assert f"{failed.run_id}: OSError: no space left" in cli("status").stdout
    project.tune(seed=project.params.seed + 1)
    other = project.plan(P[5])
    write_failed(other, "none", OSError("still none"))
    said = cli("status").stdout
    assert "no space left" not in said
    assert f"{other.run_id}: OSError: still none" in said


def test_predict_prints_the_file_that_it_wrote(released: Project, cli: Cli) -> None:
    done = cli("predict", "--period", P[6])
    assert done.code == 0, done.stderr
    assert f"Wrote predictions/{P[6]}.parquet" in done.stdout
    rows = pl.read_parquet(released.delivered(MAIN, P[6])).height
    assert pl.read_parquet(f"predictions/{P[6]}.parquet").height == rows


def test_rollback_is_shown_by_status(evaluated: Project, cli: Cli) -> None:
    release(evaluated.plan(P[5]))
    run = evaluated.plan(P[5])
    write_failed(run, "none", OSError("its report was not written"))
    done = cli("rollback")
    assert done.code == 0, done.stderr
    assert f"The champion is version {V[1]} again; it was version {V[2]}." in done.stdout
    (row,) = (line for line in cli("status").stdout.splitlines() if f"{run.run_id} │" in line)
    assert "rolled back" in row
