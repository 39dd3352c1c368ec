"""`make doctor` reports what this machine lacks and what needs it; optional tools are no error."""

import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from {{{ cookiecutter.package_name }}}.runtime.monitor import machine
from {{{ cookiecutter.package_name }}}.runtime.monitor.doctor import examine

from .conftest import ROOT, Project

GIT = shutil.which("git") or "git"


@pytest.fixture
def repository(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project's repository, on a machine that has none of the programs."""
    for name in ("pyproject.toml", "Makefile"{{{ ', "ops/Dockerfile"' if cookiecutter.__has_image else '' }}}):
        (project.folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, project.folder / name)
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("ALERT_URLS", "json://127.0.0.1/hook")
    return project


@pytest.fixture
def git(
    repository: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., object]:
    """Run git in the project, a repository on a machine without settings of git."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "bin/git").symlink_to(GIT)

    def run(*words: str) -> None:
        subprocess.run([GIT, *words], check=True)

    run("init", "--quiet")
    run("config", "user.name", "Ada")
    run("config", "user.email", "ada@example.com")
    return run


def found(project: Project) -> dict[str, tuple[bool, str]]:
    return {name: (passed, message) for name, passed, message in examine(project.params)}


def install(name: str, script: str, tmp_path: Path) -> None:
    """Put a program on the machine."""
    program = tmp_path / "bin" / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_a_machine_on_which_tests_run_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
{% if cookiecutter.versioning == "dvc" %}
    for who in ("AUTHOR", "COMMITTER"):  # as a developer's git has them
        monkeypatch.setenv(f"GIT_{who}_NAME", "Ada")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "ada@example.com")
{% endif %}
    messages = {name: check() for name, check in machine.checks().items()}
    assert list(messages)[:5] == ["python", "environment", "git", "make", "uv"]
    assert all(messages.values())


def test_what_is_no_error_is_a_remark(repository: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ALERT_URLS")
    monkeypatch.setenv("http_proxy", "ada:hunter2@proxy.example.com:3128")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("{{{ cookiecutter.__pages | upper }}}_PORT", str(listener.getsockname()[1]))
        checks = found(repository)
    for name, words in (
        ("alerts", "ALERT_URLS is not set"),
        ("proxy", "http_proxy is http://proxy.example.com:3128: for other machines"),
        ("ports", "({{{ cookiecutter.__pages | upper }}}_PORT)"),
    ):
        passed, message = checks[name]
        assert passed
        assert isinstance(message, machine.Remark)
        assert words in message


def test_an_image_is_not_checked(project: Project) -> None:
    assert machine.checks() == {}
    assert "git" not in found(project)


def test_only_what_is_needed_is_an_error(repository: Project) -> None:
    checks = found(repository)
    assert {name for name, (passed, _) in checks.items() if not passed} == {"git", "make"}
    assert checks["git"] == (False, "git is not installed, or does not start: install it.")
    assert "`make setup` fetches it" in checks["uv"][1]
{% if cookiecutter.__has_image %}
    assert checks["docker"][1].startswith("not installed; only ")
{% endif %}
    assert "kubectl" not in checks


def test_kubectl_is_checked_where_services_run_on_a_cluster(repository: Project) -> None:
    Path("ops/kubernetes").mkdir(parents=True)
    passed, message = found(repository)["kubectl"]
    assert passed
    assert message.startswith("not installed; only ")


{% if cookiecutter.__has_image %}
@pytest.mark.parametrize(
    ("script", "sentence"),
    [
{% if cookiecutter.stack == "compose" %}
        ('[ "$1" = --version ] && echo "Docker version 28"', "installed without Compose; only "),
{% endif %}
        ('[ "$1" = version ] && exit 1; echo 2.40', "installed, but its engine does not answer; "),
        ("echo 28.5", "Docker 28.5"),
    ],
)
def test_a_docker_installation_that_is_incomplete(
    repository: Project, tmp_path: Path, script: str, sentence: str
) -> None:
    install("docker", script, tmp_path)
    passed, message = found(repository)["docker"]
    assert passed
    assert message.startswith(sentence)


{% endif %}
def test_settings_of_git_are_named(repository: Project, git: Callable[..., object]) -> None:
    assert found(repository)["git"][1].startswith("git version ")
    Path("windows.txt").write_bytes(b"a\r\n")
    git("add", "windows.txt")
    git("config", "commit.gpgSign", "true")
    git("config", "core.hooksPath", "hooks")
    passed, message = found(repository)["git"]
    assert passed
    assert isinstance(message, machine.Remark)
    assert message.partition("; ")[2] == (
        "commits are signed (commit.gpgSign); hooks are those of hooks (core.hooksPath); "
        "Windows line endings, such as in windows.txt"
    )
{% if cookiecutter.versioning == "dvc" %}
    git("config", "--unset", "user.email")
    passed, message = found(repository)["git"]
    assert not passed
    assert "has no identity, which commits and `make repro` need" in message
{% endif %}


def test_a_folder_of_a_larger_repository(
    repository: Project, git: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path("teams/forecast")
    shutil.copytree(".", folder, ignore=shutil.ignore_patterns(".git", "teams"))
    monkeypatch.chdir(folder)
{% if cookiecutter.delivery == "github" %}
    Path(".github").mkdir()
{% endif %}
    passed, message = found(repository)["git"]
    assert passed
    assert "this is the folder teams/forecast/ of a larger repository" in message
{% if cookiecutter.delivery == "github" %}
    assert "GitHub runs no workflow in it, see docs/delivery.md" in message
{% endif %}


def test_a_uv_that_is_too_old(repository: Project, tmp_path: Path) -> None:
    install("uv", '[ "$1" = --version ] && echo uv 0.4.30', tmp_path)
    message = found(repository)["uv"][1]
    assert message == "fetched by `make setup`, as uv 0.4.30 is too old for pyproject.toml"


def test_the_uv_that_make_fetched(repository: Project, tmp_path: Path) -> None:
    install("uv", "echo uv 0.13", tmp_path)
    Path(".uv/bin").mkdir(parents=True)
    (tmp_path / "bin/uv").rename(".uv/bin/uv")
    assert found(repository)["uv"] == (True, "uv 0.13")


def test_another_python(repository: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    messages = {}
    for version in ("3.10.13", "{{{ cookiecutter.python_version }}}.9", "3.99.1"):
        monkeypatch.setattr(machine, "python_version", lambda version=version: version)
        messages[version] = found(repository)["python"]
    assert messages["3.10.13"] == (False, "This is Python 3.10.13; 3.11 or newer is needed.")
    same = "{{{ cookiecutter.python_version }}}.9"
{% if cookiecutter.__has_image %}
    assert messages[same] == (True, f"{same}, as in the image")
    assert messages["3.99.1"][0]
    assert "the image has {{{ cookiecutter.python_version }}}" in messages["3.99.1"][1]
{% else %}
    assert messages[same] == (True, same)
{% endif %}


def test_a_disk_that_is_nearly_full(repository: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0.5 * 2**30))
    passed, message = found(repository)["disk"]
    assert not passed
    assert message.startswith("0.5 GiB are free")
