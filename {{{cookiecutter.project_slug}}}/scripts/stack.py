"""The stack of compose.yaml, from outside: what `make env`, `up`, `backup` and `restore` call.

Docker Compose does the work. This makes the secrets, says in a sentence what is missing before
anything starts, and copies what is kept to a folder and back.
"""

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer
import yaml
from dotenv import dotenv_values

from {{{ cookiecutter.package_name }}}.errors import BadInput

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)

ENV = Path(".env")
COMPOSE_FILE = Path("compose.yaml")
BACKUPS = Path("backups")
FILES = "files.tar"
FOLDERS = ["data", "models", "predictions", "runs"]
DATABASES = ["mlflow"{{{ '' if cookiecutter.orchestrator == 'kubeflow' else ', "' ~ cookiecutter.orchestrator ~ '"' }}}]
COMPOSE = (2, 24)
"""The oldest version that will do."""
MEMORY = {{{ {'prefect': 4, 'airflow': 6, 'kubeflow': 3}[cookiecutter.orchestrator] }}}
"""GiB that the engine must have."""


@app.command()
def env() -> None:
    """Write into .env what compose.yaml demands and .env lacks; nobody else may read the file."""
    text = ENV.read_text(encoding="utf-8") if ENV.exists() else ""
    there = dotenv_values(ENV)
    demanded = re.findall(r"\$\{(\w+):\?", COMPOSE_FILE.read_text(encoding="utf-8"))
    missing = [name for name in dict.fromkeys(demanded) if not there.get(name)]
    if missing and text and not text.endswith("\n"):
        text += "\n"
    text += "".join(f"{name}={new_secret(name)}\n" for name in missing)
    part = ENV.with_name(".env.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    part.replace(ENV)
    typer.echo(f"Wrote {', '.join(missing)} into .env." if missing else ".env has all secrets.")


def new_secret(name: str) -> str:
    """Return a secret that needs no escapes in an address, a command or .env."""
    if name.endswith("_FERNET_KEY"):
        return urlsafe_b64encode(os.urandom(32)).decode()
    return secrets.token_hex(24)


@app.command()
def check() -> None:
    """Leave with one sentence where the stack cannot start."""
    if shutil.which("docker") is None:
        raise BadInput("Docker is not installed: see https://docs.docker.com/engine/install.")
    check_compose()
    check_engine()
    for service, (variable, port) in ports().items():
        if taken(port) and not is_up(service):
            raise BadInput(
                f"Port {port} of {service} is taken: end what uses it, or set {variable} in .env."
            )


def check_compose() -> None:
    """See that Compose can read the file.

    Raises:
        BadInput: it cannot, or is not there, or is too old.
    """
    version = docker("compose", "version", "--short", ok=False).stdout.strip()
    found = re.match(r"v?(\d+)\.(\d+)", version)
    if found is None or tuple(map(int, found.groups())) < COMPOSE:
        raise BadInput(
            f"Docker Compose {COMPOSE[0]}.{COMPOSE[1]} or newer is needed, as a plugin of Docker, "
            f"and `docker compose version` says {version or 'nothing'}: see "
            "https://docs.docker.com/compose/install."
        )
    read = docker("compose", "config", "--quiet", ok=False)
    if read.returncode:
        raise BadInput(read.stderr.strip().splitlines()[-1])


def check_engine() -> None:
    """See that the engine answers, and has the memory.

    Raises:
        BadInput: it does not, or has not.
    """
    asked = docker("info", "--format", "{{{ '{{json .}}' }}}", ok=False)
    info = json.loads(asked.stdout or "{}")
    if not info.get("MemTotal"):
        why = (info.get("ServerErrors") or asked.stderr.splitlines() or [""])[-1]
        raise BadInput(f"The Docker engine does not answer; is it started? It says: {why}")
    memory = info["MemTotal"] / 2**30
    if memory < MEMORY:
        raise BadInput(
            f"The stack needs {MEMORY} GiB of memory, and the Docker engine has {memory:.1f}: "
            "give it more, in Docker Desktop under Settings, Resources."
        )


def ports() -> dict[str, tuple[str, int]]:
    """Return, by service, the variable that chooses its published port, and the port."""
    services = yaml.safe_load(COMPOSE_FILE.read_text(encoding="utf-8"))["services"]
    known = dotenv_values(ENV) | os.environ
    found = {}
    for name, service in services.items():
        for mapping in service.get("ports", []):
            variable, usual = re.findall(r"\$\{(\w+):-(\d+)\}", mapping)[0]
            found[name] = (variable, int(known.get(variable) or usual))
    return found


def taken(port: int) -> bool:
    """Tell whether something listens at a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def is_up(service: str) -> bool:
    """Tell whether a service of the stack is running."""
    return bool(docker("compose", "ps", "--quiet", "--status=running", service).stdout)


@app.command()
def where() -> None:
    """Say where the pages are."""
    for service, (_, port) in ports().items():
        if is_up(service):
            typer.echo(f"  {service:<15} http://127.0.0.1:{port}")


@app.command()
def backup() -> None:
    """Copy what is kept to a new folder in backups/, while runs go on.

    Databases come first: the files that they name are there when those are copied.
    """
    check_up()
    folder = BACKUPS / f"{datetime.now(UTC):%Y-%m-%dT%H-%M-%SZ}"
    part = folder.with_suffix(".part")
    part.mkdir(parents=True, mode=0o700)
    try:
        for name in DATABASES:
            dump = ("pg_dump", "--username=postgres", "--format=custom", "--no-owner", name)
            with (part / f"{name}.dump").open("wb") as file:
                docker("compose", "exec", "-T", "postgres", *dump, stdout=file)
        with (part / FILES).open("wb") as file:
            docker("compose", "run", "--rm", "-T", "files", "--create", *FOLDERS, stdout=file)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    typer.echo(f"All that is kept is in {folder}/.")


@app.command()
def restore(folder: Path) -> None:
    """Fill an empty stack from a folder that `backup` made; it is not started yet."""
    lacking = [n for n in (*(f"{d}.dump" for d in DATABASES), FILES) if not (folder / n).is_file()]
    if lacking:
        raise BadInput(f"{folder} is no backup: it lacks {', '.join(lacking)}.")
    if docker("compose", "ps", "--all", "--quiet").stdout or volumes():
        raise BadInput(
            "The stack is not empty: see that nothing in it is needed any more, and remove it with "
            "`docker compose --profile '*' down --volumes`."
        )
    try:
        fill(folder)
    except BaseException:  # half of it would be taken for all
        docker("compose", "--profile", "*", "down", "--volumes")
        raise
    typer.echo(f"The stack has what {folder} held: `make up` starts it.")


def fill(folder: Path) -> None:
    """Bring databases and files back."""
    docker("compose", "up", "--detach", "--wait", "postgres")
    for name in DATABASES:
        load = ("pg_restore", "--username=postgres", "--no-owner", "--exit-on-error")
        into = (f"--role={name}", f"--dbname={name}")
        with (folder / f"{name}.dump").open("rb") as file:
            docker("compose", "exec", "-T", "postgres", *load, *into, stdin=file)
    with (folder / FILES).open("rb") as file:
        docker("compose", "run", "--rm", "-T", "files", "--extract", stdin=file)


def check_up() -> None:
    """See that there is a stack.

    Raises:
        BadInput: there is none.
    """
    if not is_up("postgres"):
        raise BadInput("The stack is not up: `make up` starts it.")


def volumes() -> list[str]:
    """Return the volumes that the stack has."""
    stack = json.loads(docker("compose", "config", "--format", "json").stdout)["name"]
    label = f"label=com.docker.compose.project={stack}"
    return docker("volume", "ls", "--quiet", "--filter", label).stdout.split()


def docker(*words: str, ok: bool = True, **streams: Any) -> subprocess.CompletedProcess[str]:
    """Run a command of Docker's, and return what it said.

    Args:
        words: the command.
        ok: whether to leave, with what it said, where it fails.
        streams: files for its `stdin` and `stdout`.
    """
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE} | streams
    command = ["docker", *words]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, **streams)  # noqa: S603
    if ok and done.returncode:
        said = "\n".join(done.stderr.strip().splitlines()[-5:])
        sys.exit(f"error: `docker {' '.join(words)}` failed:\n{said}")
    return done


if __name__ == "__main__":
    try:
        app()
    except BadInput as error:
        sys.exit(f"error: {error}")
