"""Projects, rendered, committed and set up: tests run them as their users do."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.shared import once
from tests.shell import ROOT, TREE, Shell

# Homes are empty, but share the package cache: each version is downloaded once.
os.environ.setdefault("UV_CACHE_DIR", str(Path.home() / ".cache" / "uv"))


PATIENCE = 300  # seconds; nothing is timed with it, it only ends a hang


@dataclass(frozen=True)
class Project:
    """A rendered project in a folder."""

    folder: Path
    shell: Shell

    def make(self, *words: str, ok: bool = True, **variables: str) -> str:
        """Run `make`, with more variables, and return what it printed, on both streams."""
        given = [f"{name}={value}" for name, value in variables.items()]
        done = self.shell("env", *given, "make", *words, cwd=self.folder, ok=ok)
        return done.stdout + done.stderr

    def start(self, log: Path, *words: str, **variables: str) -> subprocess.Popen[str]:
        """Start `make` as a terminal does: a group of its own, to which Ctrl-C can be sent."""
        with log.open("w") as said:
            return subprocess.Popen(
                ["make", *words],
                cwd=self.folder,
                env=self.shell.environment() | variables,
                stdout=said,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
            )

    def processes(self) -> set[int]:
        """Return the processes of the project's environment, and those that run in its folder."""
        found = set()
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                command = (process / "cmdline").read_bytes()
                program = str(self.folder / ".venv").encode() in command
                if program or (process / "cwd").readlink() == self.folder:
                    found.add(int(process.name))
        return found

    def python(self, *words: str, **variables: str) -> tuple[int, str]:
        """Run the package's command line; return its exit code and what it printed."""
        given = [f"{name}={value}" for name, value in variables.items()]
        python = str(self.folder / ".venv/bin/python")
        command = ["env", *given, python, "-m", "my_pipeline", *words]
        done = self.shell(*command, cwd=self.folder, ok=False)
        return done.returncode, done.stdout + done.stderr

    def run_code(self, code: str, *words: str | Path) -> str:
        """Run code with the project's Python; return what it printed."""
        python = self.folder / ".venv/bin/python"
        return self.shell(python, "-c", code, *words, cwd=self.folder).stdout

    def begin(self, log: Path, *words: str, **variables: str) -> subprocess.Popen[str]:
        """Start the project's Python on `words`; what it prints goes to `log`."""
        with log.open("a") as said:
            return subprocess.Popen(
                [self.folder / ".venv" / "bin" / "python", *words],
                cwd=self.folder,
                env=self.shell.environment() | variables,
                stdout=said,
                stderr=subprocess.STDOUT,
                text=True,
            )

    def results(self, runs: str = "runs") -> dict[str, Any]:
        """Return the results of all runs by period; each period has one."""
        read = [json.loads(f.read_bytes()) for f in self.folder.glob(f"{runs}/*/result.json")]
        results = {result["period"]: result for result in read}
        assert len(results) == len(read)
        return results

    def damage(self, month: str) -> None:
        """Drop a column of a month's flights, which breaks the data contract."""
        file = f"data/source/flights/month={month}/flights.parquet"
        self.run_code(
            f"import polars as pl; pl.read_parquet('{file}').drop('dest').write_parquet('{file}')"
        )

    def registered_runs(self) -> list[str]:
        """Return the runs of the registered versions."""
        return self.run_code(
            "from my_pipeline.runtime.registry import registry;"
            "print(*registry.data_versions(), sep='\\n')"
        ).split()

    def champion(self) -> str:
        """Return the champion's version, as `make status` says it."""
        found = re.search(r"Champion: version (\d+)", self.make("status"))
        assert found
        return found[1]


def interpreter(version: str) -> Path | None:
    """Return an installed Python of this version, from the PATH or from pyenv, that starts."""
    found = [Path(name) for name in [shutil.which(f"python{version}")] if name]
    for root in pyenv_roots():
        found += sorted(root.glob(f"versions/{version}.*/bin/python"))
    for candidate in found:
        asked = subprocess.run([candidate, "--version"], capture_output=True, check=False)
        if asked.returncode == 0:
            return candidate
    return None


@cache
def pyenv_roots() -> list[Path]:
    """Return the folders in which pyenv may keep its versions."""
    roots = [Path.home() / ".pyenv"]
    if named := os.environ.get("PYENV_ROOT"):
        roots.insert(0, Path(named))
    if pyenv := shutil.which("pyenv"):
        asked = subprocess.run([pyenv, "root"], capture_output=True, text=True, check=False)
        if asked.returncode == 0:
            roots.insert(0, Path(asked.stdout.strip()))
    return list(dict.fromkeys(roots))


def lacking(what: str) -> NoReturn:
    """Skip the test, which this machine cannot run; fail it on GitHub, whose machines can."""
    end = pytest.fail if os.environ.get("GITHUB_ACTIONS") else pytest.skip
    end(what)


def need(program: str, why: str) -> None:
    """Skip the test if a program is not on the PATH."""
    if not shutil.which(program):
        lacking(f"{program} is not installed: {why}")


def need_docker() -> None:
    """Skip the test if no Docker engine answers."""
    docker = shutil.which("docker") or "false"
    if subprocess.run([docker, "info"], capture_output=True, check=False).returncode:
        lacking("no Docker engine answers: nothing is built or run in containers")


def clone(project: Project, folder: Path) -> Project:
    """Clone a project's commits, with its environment and data, but without runs."""
    project.shell("git", "clone", "-q", project.folder, folder)
    for made in (".venv", ".uv"):  # .uv is there where `make` had to fetch uv
        if (project.folder / made).exists():
            (folder / made).symlink_to(project.folder / made)
    (folder / ".git" / "info" / "exclude").write_text(".venv\n.uv\n")
    shutil.copytree(project.folder / "data/source", folder / "data/source")
    for file in ("pyproject.toml", "uv.lock"):
        os.utime(folder / file, (0, 0))  # the environment is not out of date
    return Project(folder, project.shell)


def with_answers(installed: Project, folder: Path, **answers: str) -> Project:
    """Render a project that has the environment of an installed one."""
    shell = Shell(installed.shell.home)
    done = shell.cookiecutter(folder, **answers)
    assert done.returncode == 0, done.stderr
    project = Project(folder / "my-pipeline", shell)
    for made in (".venv", ".uv"):
        if (installed.folder / made).exists():
            (project.folder / made).symlink_to(installed.folder / made)
    shutil.copy(installed.folder / "uv.lock", project.folder)
    for file in ("pyproject.toml", "uv.lock"):
        os.utime(project.folder / file, (0, 0))  # the environment is not out of date
    return project


def equip(project: Path, other: Project) -> Project:
    """Give a project a copy of another's environment, with hard links: `make setup` changes it."""
    shutil.copytree(other.folder / ".venv", project / ".venv", symlinks=True, copy_function=link)
    (project / ".venv/.synced").unlink()
    for script in (project / ".venv/bin").iterdir():  # each names its Python in its first line
        content = b"" if script.is_symlink() else script.read_bytes()
        if str(other.folder).encode() in content:
            script.unlink()
            script.write_bytes(content.replace(bytes(other.folder), bytes(project)))
            script.chmod(0o755)
    if (other.folder / ".uv").exists():
        (project / ".uv").symlink_to(other.folder / ".uv")
        (project / ".git/info/exclude").write_text(".uv\n")
    return Project(project, other.shell)


def link(source: str, target: str) -> None:
    """Make a hard link; copy a symbolic link."""
    if Path(source).is_symlink():
        Path(target).symlink_to(Path(source).readlink())
    else:
        os.link(source, target)


def make_own(project: Project, *words: str) -> str:
    """Run `make` on the project's own package, not the one that the environment was made for."""
    return project.make(*words, PYTHONPATH="src")


def run_runtime_tests(project: Project, choice: str, *more: str) -> None:
    """Run the tests of the runtime that only projects with this choice have, and `more` files."""
    pytest_ = (project.folder / ".venv/bin/python", "-m", "pytest", "-q", "-n", "0")
    project.shell(*pytest_, *runtime_tests(choice), *more, cwd=project.folder)


def runtime_tests(choice: str) -> list[str]:
    """Return the tests of the runtime that only projects with this choice have."""
    found = sorted((ROOT / TREE / "tests/runtime").glob(f"*__{choice}}}}}}}test_*.py"))
    assert found, choice
    return [f"tests/runtime/{file.name.rpartition('}}}')[2]}" for file in found]


def keep_types(checked: Project) -> None:
    """Keep what mypy found out about libraries, for projects that have the same ones."""
    part = checked.folder.with_name("types.part")
    shutil.copytree(checked.folder / ".mypy_cache", part)
    part.rename(checked.folder.with_name("types"))


def share_types(checked: Project, project: Project) -> None:
    """Give a project what `keep_types` kept of another, where that was checked before."""
    if (kept := checked.folder.with_name("types")).exists():
        shutil.copytree(kept, project.folder / ".mypy_cache")


def until(holds: Callable[[], Any], process: subprocess.Popen[str] | None = None) -> Any:
    """Return the first true value of `holds`; fail if the given process ends before."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and (process is None or process.poll() is None):
        if found := holds():
            return found
        time.sleep(0.2)
    pytest.fail(f"waited in vain; the process: {process and process.poll()}")


@pytest.fixture
def fresh(project: Project, tmp_path: Path) -> Project:
    """Return a default project for one test, in which nothing has run."""
    return clone(project, tmp_path / "my-pipeline")


def install(shell: Shell, name: str, like: Project | None = None, /, **answers: str) -> Project:
    """Return a committed project with these answers and the sample's data, after `make setup`.

    It begins with a copy of the environment of a project that is `like` it.
    """
    out = shell.home / name
    done = shell.cookiecutter(out, **answers)
    assert done.returncode == 0, done.stderr
    project = Project(out / "my-pipeline", shell)
    shell.commit(project.folder, "Rendered")
    if like is not None:
        equip(project.folder, like)
    project.make("setup")
    shell.commit(project.folder, "Locked")
    project.make("data")
    return project


ORCHESTRATORS = {"prefect": "project", "airflow": "airflow", "kubeflow": "kubeflow"}
"""The fixture of each orchestrator's project."""


def installed(shell: Shell, orchestrator: str) -> Project:
    """Return the project of an orchestrator, which all tests share: they run things in clones."""
    out = shell.home / f"on-{orchestrator}"
    once(out, lambda: install(shell, out.name, orchestrator=orchestrator))
    return Project(out / "my-pipeline", shell)


@pytest.fixture(scope="session")
def project(shell: Shell) -> Project:
    """Return the default project, unchanged."""
    return installed(shell, "prefect")


@pytest.fixture(scope="session")
def airflow(shell: Shell) -> Project:
    """Return the project that runs on Airflow, unchanged."""
    return installed(shell, "airflow")


@pytest.fixture(scope="session")
def kubeflow(shell: Shell) -> Project:
    """Return the project that runs on Kubeflow Pipelines, unchanged."""
    return installed(shell, "kubeflow")


def at_home(project: Project, factory: pytest.TempPathFactory) -> Project:
    """Return a clone with an empty home of its own."""
    own = clone(project, factory.mktemp("own") / "my-pipeline")
    return Project(own.folder, Shell(factory.mktemp("home")))


@pytest.fixture(scope="session")
def on_airflow(airflow: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Give the project on Airflow that test_airflow.py runs first."""
    return at_home(airflow, tmp_path_factory)


@pytest.fixture(scope="session")
def on_kubeflow(kubeflow: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Give the project on Kubeflow Pipelines that test_kubeflow.py runs first."""
    project = at_home(kubeflow, tmp_path_factory)
    project.make("setup")
    return project


def run_may(project: Project, **variables: str) -> str:
    """Run May, with more variables, unless it is done; return what was printed."""
    if "2013-05" in project.results():
        return ""
    return project.make("run", "PERIOD=2013-05", ok=True, **variables)


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
