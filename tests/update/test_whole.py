"""Projects after an update: the lock, the compiled pipeline, `make setup lint test run`."""

import shutil
import tomllib
from pathlib import Path

import pytest

from tests.projects import Project, equip
from tests.shell import ROOT
from tests.update.edits import edit
from tests.update.releases import AFTER, BEFORE, COMPILED, NOW, Releases

pytestmark = pytest.mark.slow

UV = shutil.which("uv") or ROOT / ".uv/bin/uv"


def lock(releases: Releases, project: Path, *words: str) -> dict[str, str]:
    """Lock what a project needs, and return the versions by name."""
    releases.shell(UV, "lock", "-q", *words, cwd=project)
    packages = tomllib.loads((project / "uv.lock").read_text(encoding="utf-8"))["package"]
    return {package["name"]: package["version"] for package in packages}


@pytest.mark.matrix
def test_the_lock_stays_until_upgraded(releases: Releases, tmp_path: Path) -> None:
    """`make setup` changes as little as possible; `uv lock --upgrade` takes the tested versions."""
    project = releases.project(tmp_path / "project", BEFORE)
    old = lock(releases, project)
    releases.shell.commit(project, "Locked")
    releases.update(project, "--vcs-ref", NOW)
    kept = lock(releases, project)  # as `uv sync` does, in `make setup`
    upgraded = lock(releases, project, "--upgrade")
    fresh = lock(releases, releases.project(tmp_path / "fresh", NOW))
    assert set(kept) == set(fresh)
    assert kept != fresh
    assert {name: kept[name] for name in old if name in kept} == {
        name: old[name] for name in old if name in kept
    }
    assert upgraded == fresh


def updated(releases: Releases, tmp_path: Path, made: Project, front_end: str) -> Project:
    """Return an edited project of the release before, updated as docs/upgrade.md says."""
    folder = releases.project(tmp_path / "my-pipeline", BEFORE, front_end)
    edit(folder)
    shutil.copy(made.folder / "uv.lock", folder)  # with none of the project's own dependencies
    releases.shell.commit(folder, "Ours")
    releases.update(folder, "--vcs-ref", NOW)
    assert not releases.conflicts(folder)
    releases.shell(UV, "lock", "-q", "--upgrade", cwd=folder)
    project = equip(folder, made)
    project.make("setup")
    (folder / "data").mkdir()
    project.make("data")
    (folder / "data/source").rename(folder / "deliveries")
    return project


@pytest.mark.matrix
@pytest.mark.parametrize("front_end", ["cookiecutter", "copier"])
def test_an_edited_project_passes_all_of_its_tests(
    releases: Releases, project: Project, tmp_path: Path, front_end: str
) -> None:
    """And a run executes its own step."""
    ours = updated(releases, tmp_path, project, front_end)
    ours.make("lint", "test")
    assert "rows were scored" in ours.make("run", "PERIOD=2013-05")
    assert ours.results()["2013-05"]["status"] == "released"


@pytest.mark.matrix
def test_a_compiled_pipeline_is_compiled_again(
    releases: Releases, kubeflow: Project, tmp_path: Path
) -> None:
    """Copier leaves the compiled file alone; a test of the project fails until `make compile`."""
    folder = releases.project(tmp_path / "my-pipeline", NOW, orchestrator="kubeflow")
    compiled = folder / "pipelines/training.yaml"
    for name in ("uv.lock", "pipelines/training.yaml"):
        shutil.copy(kubeflow.folder / name, folder / name)
    releases.shell.commit(folder, "Compiled")
    old = compiled.read_text(encoding="utf-8")
    releases.update(folder, "--vcs-ref", AFTER)
    assert compiled.read_text(encoding="utf-8") == old
    project = equip(folder, kubeflow)
    project.make("setup")
    assert compiled.read_text(encoding="utf-8") == old
    pytest_ = (folder / ".venv/bin/python", "-m", "pytest", "-q")
    tests = ("tests/runtime/test_pipeline.py", "-k", "compiles")
    done = project.shell(*pytest_, *tests, cwd=folder, ok=False)
    assert done.returncode == 1, done.stdout
    project.make("compile")
    assert COMPILED in compiled.read_text(encoding="utf-8")
    project.shell("git", "add", "--all", cwd=folder)
    project.shell(*pytest_, *tests, cwd=folder)
