"""`make doctor` says what this machine lacks, and what for; what is optional is no error."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from {{{ cookiecutter.package_name }}} import machine
from {{{ cookiecutter.package_name }}}.doctor import examine

from .conftest import ROOT, Project

NAMED = 'case "$1$2" in --version) echo git 2;; configuser.name) echo Ada;; *) false; esac'


@pytest.fixture
def repository(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project's repository, on a machine that has none of the programs."""
    for name in ("pyproject.toml", "Dockerfile"):
        shutil.copy(ROOT / name, project.folder)
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("ALERT_URLS", "json://127.0.0.1/hook")
    for part in ("NAME", "EMAIL"):
        monkeypatch.delenv(f"GIT_AUTHOR_{part}", raising=False)
    return project


def found(project: Project) -> dict[str, tuple[bool, str]]:
    return {name: (well, said) for name, well, said in examine(project.params)}


def install(name: str, script: str, tmp_path: Path) -> None:
    """Put a program on the machine."""
    program = tmp_path / "bin" / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_a_machine_on_which_tests_run_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    said = {name: check() for name, check in machine.checks().items()}
    assert list(said)[:6] == ["python", "git", "make", "uv", "disk", "docker"]
    assert all(said.values())


def test_an_image_is_not_looked_at(project: Project) -> None:
    assert machine.checks() == {}
    assert "git" not in found(project)


def test_what_is_needed_is_an_error_and_what_is_optional_is_not(repository: Project) -> None:
    looked = found(repository)
    assert {name for name, (well, _) in looked.items() if not well} == {"git", "make"}
    assert looked["git"] == (False, "git is not installed, or does not start.")
    assert "`make setup` fetches it" in looked["uv"][1]
    assert looked["docker"][1].startswith("not there; only ")
    assert "`make up`" in looked["docker"][1]
    assert "kubectl" not in looked


def test_kubectl_is_looked_for_where_something_stands_on_a_cluster(repository: Project) -> None:
    Path("deploy/kubernetes").mkdir(parents=True)
    well, said = found(repository)["kubectl"]
    assert well
    assert said.startswith("not there; only ")


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ('[ "$1" = --version ] && echo "Docker version 28"', "there, without Compose; only "),
        ('[ "$1" = version ] && exit 1; echo 2.40', "there, but its engine does not answer; only "),
        ("echo 28.5", "Docker 28.5 with Compose 28.5"),
    ],
)
def test_docker_is_there_in_part(
    repository: Project, tmp_path: Path, script: str, sentence: str
) -> None:
    install("docker", script, tmp_path)
    well, said = found(repository)["docker"]
    assert well
    assert said.startswith(sentence)


def test_nobody_is_named_to_git(repository: Project, tmp_path: Path) -> None:
    install("git", '[ "$1" = --version ] && echo git version 2.39', tmp_path)
    assert found(repository)["git"] == (
        True,
        'git version 2.39; before you commit: git config --global user.name "…"'
        ' && git config --global user.email "…"',
    )
    install("git", NAMED, tmp_path)
    assert "user.email" in found(repository)["git"][1]
    install("git", "echo git 2", tmp_path)
    assert found(repository)["git"] == (True, "git 2")


def test_the_uv_that_make_fetched(repository: Project, tmp_path: Path) -> None:
    install("uv", "echo uv 0.13", tmp_path)
    Path(".uv/bin").mkdir(parents=True)
    (tmp_path / "bin/uv").rename(".uv/bin/uv")
    assert found(repository)["uv"] == (True, "uv 0.13")


def test_another_python(repository: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    said = {}
    for version in ("3.10.13", "{{{ cookiecutter.python_version }}}.9", "3.99.1"):
        monkeypatch.setattr(machine, "python_version", lambda version=version: version)
        said[version] = found(repository)["python"]
    assert said["3.10.13"] == (False, "Python 3.10.13 runs this, and 3.11 or newer is needed.")
    assert said["{{{ cookiecutter.python_version }}}.9"] == (True, "{{{ cookiecutter.python_version }}}.9, as in the image")
    assert said["3.99.1"][0]
    assert "the image has {{{ cookiecutter.python_version }}}" in said["3.99.1"][1]


def test_a_disk_that_is_nearly_full(repository: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0.5 * 2**30))
    well, said = found(repository)["disk"]
    assert not well
    assert said.startswith("0.5 GiB are free")
