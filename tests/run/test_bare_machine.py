"""`make setup` on a machine that lacks something: one sentence says what to install."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.shell import ROOT, Shell

# The programs that the Makefile calls before there is an environment.
TOOLS = ("sh", "make", "awk", "cat", "dirname", "env", "mkdir", "rm", "touch")
GIT = ("git",)
NO_VENV = '#!/bin/sh\ncase "$*" in *venv*) exit 1;; esac\necho Python 3.12.1\n'


def machine(folder: Path, *programs: str, **scripts: str) -> Path:
    """Make the only folder of the PATH: `TOOLS`, other programs of this machine, and scripts."""
    folder.mkdir()
    for name in (*TOOLS, *programs):
        found = shutil.which(name, path="/usr/local/bin:/usr/bin:/bin")
        assert found, name
        (folder / name).symlink_to(found)
    for name, script in scripts.items():
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
    return folder


def set_up(project: Path, path: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """Run `make setup` with no other programs, Pythons or network."""
    return subprocess.run(
        ["make", "setup"],
        cwd=project,
        env={
            "PATH": str(path),
            "HOME": str(home),
            "UV_OFFLINE": "1",
            "UV_PYTHON_INSTALL_DIR": str(home / "pythons"),
        },
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("programs", "scripts", "sentence"),
    [
        (
            GIT,
            {},
            "neither uv nor python3 is here, or does not start: install Python 3.11 or newer",
        ),
        ((), {"python3": NO_VENV}, "git is not installed, and setup needs it"),
        (GIT, {"python3": NO_VENV}, "python3 cannot make environments: on Debian, `apt install"),
    ],
    ids=["no python", "no git", "no venv"],
)
def test_a_missing_program_is_named(
    shell: Shell, tmp_path: Path, programs: tuple[str, ...], scripts: dict[str, str], sentence: str
) -> None:
    assert shell.cookiecutter(tmp_path).returncode == 0
    project = tmp_path / "my-pipeline"
    before = set(project.rglob("*"))
    done = set_up(project, machine(tmp_path / "bin", *programs, **scripts), tmp_path)
    assert done.returncode == 2
    lines = (done.stdout + done.stderr).splitlines()
    (said,) = [line for line in lines if not line.startswith("make")]
    assert sentence in said
    assert set(project.rglob("*")) == before


def test_no_suitable_python(shell: Shell, tmp_path: Path) -> None:
    """uv is there, but finds no Python and, without a network, cannot fetch one."""
    uv = shutil.which("uv") or ROOT / ".uv/bin/uv"
    if not Path(uv).exists():
        pytest.skip("there is no uv beside the one that a project fetches")
    assert shell.cookiecutter(tmp_path, python_version="3.13").returncode == 0
    path = machine(tmp_path / "bin", *GIT)
    (path / "uv").symlink_to(uv)
    done = set_up(tmp_path / "my-pipeline", path, tmp_path)
    assert done.returncode == 2
    assert done.stdout == "Fetching Python 3.13 ...\n"
    *why, said, ended = [line for line in done.stderr.splitlines() if not line.startswith("make[")]
    assert "Failed to download" in "".join(why)  # as uv says
    assert said == (
        "error: uv finds no Python 3.11 or newer, and could not fetch 3.13: "
        "install it, and run this again."
    )
    assert ended.startswith("make: ***")
