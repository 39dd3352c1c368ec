"""Every Python that the question `python_version` offers installs a project and runs it."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.projects import Project
from tests.shell import ROOT, Shell

OFFERED = json.loads((ROOT / "cookiecutter.json").read_bytes())["python_version"]


def interpreter(version: str) -> Path | None:
    """Return an installed Python of this version, from the PATH or from pyenv, that starts."""
    found = [Path(name) for name in [shutil.which(f"python{version}")] if name]
    found += sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    for candidate in found:
        asked = subprocess.run([candidate, "--version"], capture_output=True, check=False)
        if asked.returncode == 0:
            return candidate
    return None


@pytest.mark.slow
@pytest.mark.parametrize("version", OFFERED)
def test_a_model_is_released(version: str, shell: Shell) -> None:
    if not (python := interpreter(version)):
        pytest.skip(f"Python {version} is not installed")
    out = shell.home / f"python-{version}"
    assert shell.cookiecutter(out, python_version=version).returncode == 0
    project = Project(out / "my-pipeline", shell)
    shell("env", f"UV_PYTHON={python}", "make", "setup", cwd=project.folder)
    project.make("run", "PERIOD=2013-05")
    assert project.results()["2013-05"]["status"] == "released"
    used = shell(project.folder / ".venv/bin/python", "--version").stdout.split()[1]
    assert used.startswith(f"{version}.")
