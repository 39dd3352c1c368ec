"""The machine, as `make doctor` checks it in the project's repository."""

import getpass
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from platform import python_version

from .. import proxies
from ..errors import BadInput

PATIENCE = 10.0
"""Seconds within which a program must print its version."""

FREE = 1.0
"""GiB on the disk that a run, its data and its model need."""


class Remark(str):
    """What is no error, and worth knowing."""

    __slots__ = ()


def checks() -> dict[str, Callable[[], str]]:
    """Return the checks by name; none in an image, which has no repository."""
    if not Path("Makefile").exists():
        return {}
    found: dict[str, Callable[[], str]] = {
        "python": _python,
        "environment": _environment,
        "git": _git,
        "make": partial(_needed, "make"),
        "uv": _uv,
        "disk": _disk,
        "proxy": _proxy,
        "ports": _ports,
        "orchestrator": _orchestrator,
{% if cookiecutter.__has_image %}
        "docker": _docker,
{% endif %}
    }
    if Path("ops/kubernetes").exists():
        found["kubectl"] = lambda: (
            answer("kubectl", "version", "--client")
            or "not installed; only the cluster's services, ops/kubernetes, need it"
        )
    return found


def answer(*command: str) -> str | None:
    """Return the first line that a program prints, None where it is missing or fails."""
    try:
        done = _run(*command)
    except (OSError, subprocess.SubprocessError):
        return None
    lines = [] if done.returncode else done.stdout.splitlines()
    return next(iter(lines), "").strip() or None


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603
        command, capture_output=True, text=True, check=False, timeout=PATIENCE
    )


def in_use(port: int) -> bool:
    """Return whether a program listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _python() -> str:
    ours = python_version()
    needed = re.search(
        r'^requires-python = ">=(\d+)\.(\d+)', Path("pyproject.toml").read_text(), re.MULTILINE
    )
    if needed and tuple(map(int, ours.split(".")[:2])) < (int(needed[1]), int(needed[2])):
        raise BadInput(f"This is Python {ours}; {needed[1]}.{needed[2]} or newer is needed.")
{% if cookiecutter.__has_image %}
    dockerfile = Path("ops/Dockerfile")
    image = re.search(r"^FROM python:([\d.]+)", dockerfile.read_text(), re.MULTILINE)
    if image is None or ours.startswith(f"{image[1]}."):
        return f"{ours}, as in the image"
    return f"{ours}; the image has {image[1]}, and neither loads models of the other"
{% else %}
    return ours
{% endif %}


def _needed(program: str) -> str:
    version = answer(program, "--version")
    if version is None:
        raise BadInput(f"{program} is not installed, or does not start: install it.")
    return version


def _git() -> str:
    version, notes = _needed("git"), []
    asked = _run("git", "rev-parse", "--show-prefix")
    if asked.returncode:
        raise BadInput(f"{version} finds no repository here: {' '.join(asked.stderr.split())}")
{% if cookiecutter.versioning == "dvc" %}
    if answer("git", "-c", "user.useConfigOnly=true", "var", "GIT_COMMITTER_IDENT") is None:
        raise BadInput(
            f"{version} has no identity, which commits and `make repro` need: "
            'git config --global user.name "…" && git config --global user.email "…".'
        )
{% endif %}
    if folder := asked.stdout.strip():
        notes.append(f"this is the folder {folder} of a larger repository")
{% if cookiecutter.delivery == "github" %}
        if Path(".github").exists():
            notes.append("GitHub runs no workflow in it, see docs/delivery.md")
{% endif %}
    if answer("git", "config", "--type=bool", "commit.gpgSign") == "true":
        notes.append("commits are signed (commit.gpgSign)")
    if hooks := answer("git", "config", "core.hooksPath"):
        notes.append(f"hooks are those of {hooks} (core.hooksPath)")
    listed = _run("git", "ls-files", "--eol").stdout.splitlines()
    if windows := [line.rpartition("\t")[2] for line in listed if " w/crlf" in line]:
        notes.append(f"Windows line endings, such as in {windows[0]}")
    return Remark("; ".join([version, *notes])) if notes else version


def _environment() -> str:
    """Return the settings of the machine that `make` sets aside, and who the user is."""
    user = f"user {getpass.getuser()}, home {Path.home()}"
    aside = os.environ.get("SET_ASIDE", "").split()
    return Remark(f"{user}; `make` sets aside {', '.join(aside)}") if aside else user


def _uv() -> str:
    here, fetched = answer("uv", "--version"), answer(".uv/bin/uv", "--version")
    project = Path("pyproject.toml").read_text(encoding="utf-8")
    needed = re.search(r'^required-version = ">=([\d.]+)"', project, re.MULTILINE)
    if here and needed and _numbers(here) < _numbers(needed[1]):
        return f"{fetched or 'fetched by `make setup`'}, as {here} is too old for pyproject.toml"
    return here or fetched or "not installed; `make setup` fetches it when needed"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])


def _proxy() -> str:
    found = proxies.configured()
    if not found:
        return "none is set"
    named = ", ".join(f"{name} is {address}" for name, address in found.items())
    return Remark(f"{named}: for other machines; programs of this one reach each other without")


def _ports() -> str:
    from ops.local import PORTS

    ports = {name: int(os.environ.get(name) or port) for name, port in PORTS.items()}
    if used := {name: port for name, port in ports.items() if in_use(port)}:
        named = ", ".join(f"{port} ({name})" for name, port in used.items())
        return Remark(f"in use: {named}; a `make ui` needs others, or is up already")
    return f"{', '.join(map(str, ports.values())) or 'none'}, of `make ui`, free"


def _orchestrator() -> str:
    from ops.local import check

    return check()


def _disk() -> str:
    free = shutil.disk_usage(".").free / 2**30
    if free < FREE:
        raise BadInput(f"{free:.1f} GiB are free and a run needs {FREE:.0f}: try `make prune`.")
    return f"{free:.0f} GiB are free"
{% if cookiecutter.__has_image %}


def _docker() -> str:
    only = "only {{{ '`make up` and ' if cookiecutter.stack == 'compose' else '' }}}images need it"
    if answer("docker", "--version") is None:
        return f"not installed; {only}"
{% if cookiecutter.stack == "compose" %}
    compose = answer("docker", "compose", "version", "--short")
    if compose is None:
        return f"installed without Compose; {only}"
{% endif %}
    engine = answer("docker", "version", "--format", "{{{ '{{.Server.Version}}' }}}")
    if engine is None:
        return f"installed, but its engine does not answer; {only}"
    return f"Docker {engine}{{{ ' with Compose {compose}' if cookiecutter.stack == 'compose' else '' }}}"
{% endif %}
