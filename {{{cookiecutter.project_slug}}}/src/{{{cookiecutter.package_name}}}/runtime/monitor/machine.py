"""The machine, as `make doctor` checks it in the project's repository."""

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
        "git": {{{ '_git' if cookiecutter.versioning == 'dvc' else 'partial(_needed, "git")' }}},
        "make": partial(_needed, "make"),
        "uv": lambda: (
            answer("uv", "--version")
            or answer(".uv/bin/uv", "--version")
            or "not installed; `make setup` fetches it when needed"
        ),
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
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, check=True, timeout=PATIENCE
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return next(iter(done.stdout.splitlines()), "").strip() or None


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


{% if cookiecutter.versioning == "dvc" %}
def _git() -> str:
    version = _needed("git")
    variables = {"name": "GIT_AUTHOR_NAME", "email": "GIT_AUTHOR_EMAIL"}
    lacking = [
        f'git config --global user.{name} "…"'
        for name, variable in variables.items()
        if not (os.environ.get(variable) or answer("git", "config", f"user.{name}"))
    ]
    if lacking:
        raise BadInput(
            f"{version} has no identity, which commits and `make repro` need: "
            f"{' && '.join(lacking)}."
        )
    return version


{% endif %}
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
