"""DVCLive as the tests have it: a project's own repository, read with git."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from {{{ cookiecutter.package_name }}}.runtime.registry.git_client import (
    DEFAULT,
    VARIABLE,
    create,
)

from .logged import Logged

VERSIONS = ("", "v0.0.1", "v0.0.2", "v0.0.3")
"""What the registry calls the first version, the second and so on."""
HAS_PAGE = False
"""Whether a run of the tests has a page."""


def point(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Let runs be pushed to the repository of a project, which is the current folder."""
    patch.delenv(VARIABLE, raising=False)


def prepare() -> None:
    """Create the repository."""
    create()


def break_down(patch: pytest.MonkeyPatch) -> str:
    """Let neither tracker nor registry answer; return what an error has to name."""
    nowhere = "http://ada:hunter2@127.0.0.1:9/"
    patch.setenv(VARIABLE, f"{nowhere}registry.git")
    patch.setenv("GIT_CONFIG_COUNT", "1")  # also for a run that is open
    patch.setenv("GIT_CONFIG_KEY_0", f"url.{nowhere}.insteadOf")
    patch.setenv("GIT_CONFIG_VALUE_0", f"{Path.cwd()}/")
    return "127.0.0.1"


def git(*words: str) -> str:
    """Return the output of git in the repository of the current project."""
    command = ["git", "--git-dir", DEFAULT, *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def refs() -> dict[str, str]:
    """Return the refs of runs, by their ids."""
    found = git("for-each-ref", "--format=%(refname)", "refs/exps").split()
    return {ref.rpartition("/")[2]: ref for ref in found}


def runs(model_name: str) -> list[str]:
    """Return the ids of all runs for a model."""
    return [run_id for run_id in refs() if logged(run_id).tags["model_name"] == model_name]


def logged(tracker_id: str) -> Logged:
    """Return what a run logged."""
    ref = refs()[tracker_id]
    files = set(git("ls-tree", "-r", "--name-only", ref).split())

    def read(file: str, otherwise: str) -> str:
        return git("show", f"{ref}:{file}") if file in files else otherwise

    params = yaml.safe_load(read("params.yaml", "{}"))
    flat = {name: str(value) for name, value in (params | params.get("train", {})).items()}
    curves = [Path(file).stem for file in files if file.startswith("experiment/plots/custom/")]
    return Logged(
        params=flat,
        tags=flat,
        metrics=json.loads(read("experiment/metrics.json", "{}")),
        curves=set(curves),
        report=read("experiment/report.html", ""),
    )
