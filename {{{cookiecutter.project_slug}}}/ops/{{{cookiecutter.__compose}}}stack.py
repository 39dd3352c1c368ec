"""The stack of compose.yaml, as `make env` and `make up` prepare and start it.

Docker Compose does the work. These commands create the secrets, and report in one sentence what is
missing before anything starts.
"""

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

import typer
import yaml
from dotenv import dotenv_values

from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput, exit_if_refused
from {{{ cookiecutter.package_name }}}.runtime.monitor.machine import in_use
from {{{ cookiecutter.package_name }}}.runtime.notify.targets import targets

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)

ENV = Path(".env")
COMPOSE_FILE = Path("ops/compose.yaml")
{% if cookiecutter.source == "sql" %}
SAMPLE = Path("src/{{{ cookiecutter.package_name }}}/sample.py")
{% endif %}

ENGINE, COMPOSE = (25, 0), (2, 24)
"""The oldest versions that work."""
MEMORY = {{{ {'prefect': 4, 'airflow': 6, 'kubeflow': 3}[cookiecutter.orchestrator] }}}
"""GiB that the stack needs."""


@app.command()
def env() -> None:
    """Write the variables that compose.yaml requires into .env, where it lacks them."""
    text = ENV.read_text(encoding="utf-8") if ENV.exists() else ""
    present = dotenv_values(ENV)
    required = re.findall(r"\$\{(\w+):\?", COMPOSE_FILE.read_text(encoding="utf-8"))
    missing = [name for name in dict.fromkeys(["COMPOSE_FILE", *required]) if not present.get(name)]
    stored = [name for name in missing if name.endswith(("_DB_PASSWORD", "_FERNET_KEY"))]
    if stored and shutil.which("docker") and volumes():
        raise BadInput(
            f".env lacks {', '.join(stored)}, with which the stack's data were written: restore "
            "the former .env."
        )
    if missing and text and not text.endswith("\n"):
        text += "\n"
    write_env(text + "".join(f"{name}={new_value(name)}\n" for name in missing))
    typer.echo(f"Wrote {', '.join(missing)} into .env." if missing else ".env is complete.")


def write_env(text: str) -> None:
    """Replace .env by a file that only its owner can read."""
    part = ENV.with_name(".env.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    part.replace(ENV)


def new_value(name: str) -> str:
    """Return a value for a variable: a secret that needs no escapes in a URL or in .env."""
    if name == "COMPOSE_FILE":
        return COMPOSE_FILE.as_posix()
    if name.endswith("_FERNET_KEY"):
        return urlsafe_b64encode(os.urandom(32)).decode()
    return secrets.token_hex(32)


@app.command()
def check() -> None:
    """Check that the stack can start and that the targets of its alerts are well formed."""
    if shutil.which("docker") is None:
        raise BadInput("Docker is not installed: see https://docs.docker.com/engine/install.")
    check_compose()
    check_engine()
    check_ports()
    targets()


def check_compose() -> None:
    """Check that Compose is new enough and can read compose.yaml with the variables of .env.

    Raises:
        BadInput: Compose is missing or too old, or a variable is missing.
    """
    version = docker("compose", "version", "--short", ok=False).stdout.strip()
    if not at_least(COMPOSE, version):
        raise BadInput(
            f"Docker Compose {COMPOSE[0]}.{COMPOSE[1]} or newer is needed, as a plugin of Docker, "
            f"and `docker compose version` prints {version or 'nothing'}: see "
            "https://docs.docker.com/compose/install."
        )
    if not (dotenv_values(ENV) | os.environ).get("COMPOSE_FILE"):
        raise BadInput(".env lacks COMPOSE_FILE: run `make env`.")
    read = docker("compose", "config", "--quiet", ok=False)
    if read.returncode:
        error = read.stderr.strip().splitlines()[-1]
        missing = re.search(r"required variable (\w+)", error)
        raise BadInput(f".env lacks {missing[1]}: run `make env`." if missing else error)


def check_engine() -> None:
    """Check that the engine answers, is new enough and has enough memory.

    Raises:
        BadInput: the engine is unreachable, too old or short of memory.
    """
    answer = docker("info", "--format", "{{{ '{{json .}}' }}}", ok=False)
    info = json.loads(answer.stdout or "{}")
    if not info.get("MemTotal"):
        why = (info.get("ServerErrors") or answer.stderr.splitlines() or [""])[-1]
        raise BadInput(f"The Docker engine does not answer; start it. Docker reports: {why}")
    if not at_least(ENGINE, info["ServerVersion"]):
        raise BadInput(
            f"The Docker engine is {info['ServerVersion']} and must be {ENGINE[0]} or newer: see "
            "https://docs.docker.com/engine/install."
        )
    memory = info["MemTotal"] / 2**30
    if memory < MEMORY * 0.9:  # the operating system reserves a part
        raise BadInput(
            f"The stack needs {MEMORY} GiB of memory, and the Docker engine has {memory:.1f}: use "
            "a larger machine, or give the engine more in the settings of Docker Desktop."
        )


def at_least(oldest: tuple[int, int], version: str) -> bool:
    """Return whether a version, such as `v2.40.3`, is `oldest` or newer."""
    found = re.match(r"v?(\d+)\.(\d+)", version)
    return found is not None and (int(found[1]), int(found[2])) >= oldest


def check_ports() -> None:
    """Check that each port is free, or already used by its own service.

    Raises:
        BadInput: another program uses a port, or two services are set to the same one.
    """
    ours, wanted = published(), dict[int, str]()
    for name, service in config()["services"].items():
        for port in (int(mapping["published"]) for mapping in service.get("ports", [])):
            if other := wanted.get(port):
                raise BadInput(f"{other} and {name} are both set to port {port}: change .env.")
            wanted[port] = name
            if port not in ours.get(name, []) and in_use(port):
                raise BadInput(
                    f"Port {port} of {name} is in use: stop the program that uses it, or set "
                    f"another in .env; `ports` of {name} in compose.yaml names the variable."
                )


def check_mounts() -> None:
    """Check that services, which run as other users, can read the files that they mount.

    Raises:
        BadInput: a file is open to its owner only, as umask 077 makes it.
    """
    volumes = [v for service in config()["services"].values() for v in service.get("volumes", [])]
    for source in {Path(volume["source"]) for volume in volumes if volume["type"] == "bind"}:
        for path in [source, *source.rglob("*")] if source.exists() else []:
            found = path.stat()
            if found.st_uid == os.getuid() and not found.st_mode & 0o004:
                raise BadInput(
                    f"{path} is closed to other users, and services of the stack must read it: "
                    f"run `chmod -R o+rX {source}`."
                )


def config() -> dict[str, Any]:
    """Return the configuration that Compose would start, with all variables replaced."""
    read: dict[str, Any] = json.loads(docker("compose", "config", "--format", "json").stdout)
    return read


def published() -> dict[str, list[int]]:
    """Return the ports of this machine that running services are published on, by service."""
    listed = docker("compose", "ps", "--format", "json").stdout.splitlines()
    found: dict[str, list[int]] = {}
    for service in map(json.loads, listed):
        ports = {publisher["PublishedPort"] for publisher in service["Publishers"] or []}
        found[service["Service"]] = sorted(ports - {0})
    return found


@app.command()
def build() -> None:
    """Build the image, unless IMAGE, in the environment or in .env, names a finished one."""
    if image := (dotenv_values(ENV) | os.environ).get("IMAGE"):
        typer.echo(f"No image is built: IMAGE is {image}.")
    else:
        typer.echo("Building the image. The first build takes minutes.")
        show("compose", "build", "--quiet")


@app.command()
def start() -> None:
    """Start or update the services, and wait until all are healthy."""
    check_mounts()
{% if cookiecutter.source == "sql" %}
    write_sample()
{% endif %}
    typer.echo("Starting the stack, and waiting until all services are healthy.")
    up = ("compose", "--progress", "quiet", "up", "--detach", "--wait", "--remove-orphans")
    show(
        *up,
        otherwise="a service did not start: `docker compose ps --all` shows which, "
        "`docker compose logs <service>` why.",
    )
{% if cookiecutter.monitoring == "prometheus" %}
    # They read monitoring/ again.
    docker("compose", "kill", "--signal", "HUP", "prometheus", "alertmanager")
{% endif %}


{% if cookiecutter.source == "sql" %}
def write_sample() -> None:
    """Write the sample into the stack's Postgres, where it lacks it and is the source."""
    if SAMPLE.exists() and not (dotenv_values(ENV) | os.environ).get("SOURCE_URL"):
        show("compose", "--progress", "quiet", "run", "--rm", "--no-TTY", "sample")


{% endif %}
@app.command()
def where() -> None:
    """Print the addresses of the pages."""
    for service, ports in published().items():
        for port in ports:
            typer.echo(f"  {service:<15} http://127.0.0.1:{port}")


def volumes() -> list[str]:
    """Return the names of the stack's volumes."""
    default = yaml.safe_load(COMPOSE_FILE.read_text(encoding="utf-8"))["name"]
    name = (dotenv_values(ENV) | os.environ).get("COMPOSE_PROJECT_NAME") or default
    label = f"label=com.docker.compose.project={name}"
    return docker("volume", "ls", "--quiet", "--filter", label, ok=False).stdout.split()


def docker(*words: str, ok: bool = True, **streams: Any) -> subprocess.CompletedProcess[str]:
    """Run a Docker command, and return its output.

    Args:
        words: the command.
        ok: exit with the end of its error output if it fails.
        streams: files for its `stdin` and `stdout`.
    """
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE} | streams
    command = ["docker", *words]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, **streams)  # noqa: S603
    if ok and done.returncode:
        error = "\n".join(done.stderr.strip().splitlines()[-5:])
        sys.exit(f"error: `docker {' '.join(words)}` failed:\n{error}")
    return done


def show(*words: str, otherwise: str = "") -> None:
    """Run a Docker command with its output on the screen; exit if it fails.

    Args:
        words: the command.
        otherwise: the message of a failure; by default it names the command.
    """
    failed = f"`docker {' '.join(words)}` failed."
    if subprocess.run(["docker", *words], check=False).returncode:  # noqa: S603, S607
        sys.exit(f"error: {otherwise or failed}")


def main(commands: typer.Typer) -> None:
    """Run a command; print an input error as one sentence, and exit with 2."""
    with exit_if_refused():
        commands()


if __name__ == "__main__":
    main(app)
