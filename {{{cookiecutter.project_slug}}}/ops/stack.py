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

from {{{ cookiecutter.package_name }}}.alerts import targets
from {{{ cookiecutter.package_name }}}.errors import BadInput

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)

ENV = Path(".env")
COMPOSE_FILE = Path("compose.yaml")
BACKUPS = Path("backups")
DATABASES = ["mlflow"{{{ '' if cookiecutter.orchestrator == 'kubeflow' else ', "' ~ cookiecutter.orchestrator ~ '"' }}}]
# What names something comes before what it names: so whatever a backup names, it has.
FILES = {"runs.tar": ["runs", "predictions"], "models.tar": ["models", "data"]}

ENGINE, COMPOSE = (25, 0), (2, 24)
"""The oldest versions that will do."""
MEMORY = {{{ {'prefect': 4, 'airflow': 6, 'kubeflow': 3}[cookiecutter.orchestrator] }}}
"""GiB of a machine that will do."""


@app.command()
def env() -> None:
    """Write into .env what compose.yaml demands and .env lacks; nobody else may read the file."""
    text = ENV.read_text(encoding="utf-8") if ENV.exists() else ""
    there = dotenv_values(ENV)
    demanded = re.findall(r"\$\{(\w+):\?", COMPOSE_FILE.read_text(encoding="utf-8"))
    missing = [name for name in dict.fromkeys(demanded) if not there.get(name)]
    kept = [name for name in missing if name.endswith(("_DB_PASSWORD", "_FERNET_KEY"))]
    if kept and shutil.which("docker") and volumes():
        raise BadInput(
            f".env lacks {', '.join(kept)}, by which the stack's databases were made: bring the "
            "former .env back."
        )
    if missing and text and not text.endswith("\n"):
        text += "\n"
    write_env(text + "".join(f"{name}={new_secret(name)}\n" for name in missing))
    typer.echo(f"Wrote {', '.join(missing)} into .env." if missing else ".env has all secrets.")


def write_env(text: str) -> None:
    """Replace .env; nobody else may read it."""
    part = ENV.with_name(".env.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    part.replace(ENV)


def new_secret(name: str) -> str:
    """Return a secret that needs no escapes in an address, a command or .env."""
    if name.endswith("_FERNET_KEY"):
        return urlsafe_b64encode(os.urandom(32)).decode()
    return secrets.token_hex(32)


@app.command()
def check() -> None:
    """Leave with one sentence where the stack, or an alert of it, could not start."""
    if shutil.which("docker") is None:
        raise BadInput("Docker is not installed: see https://docs.docker.com/engine/install.")
    check_compose()
    check_engine()
    check_ports()
    targets()


def check_compose() -> None:
    """See that Compose can read the file.

    Raises:
        BadInput: it cannot, or is not there, or is too old.
    """
    version = docker("compose", "version", "--short", ok=False).stdout.strip()
    if not at_least(COMPOSE, version):
        raise BadInput(
            f"Docker Compose {COMPOSE[0]}.{COMPOSE[1]} or newer is needed, as a plugin of Docker, "
            f"and `docker compose version` says {version or 'nothing'}: see "
            "https://docs.docker.com/compose/install."
        )
    read = docker("compose", "config", "--quiet", ok=False)
    if read.returncode:
        said = read.stderr.strip().splitlines()[-1]
        lacking = re.search(r"required variable (\w+)", said)
        raise BadInput(f".env lacks {lacking[1]}: run `make env`." if lacking else said)


def check_engine() -> None:
    """See that the engine answers, is no older than we need, and has the memory.

    Raises:
        BadInput: it does not, or is, or has not.
    """
    asked = docker("info", "--format", "{{{ '{{json .}}' }}}", ok=False)
    info = json.loads(asked.stdout or "{}")
    if not info.get("MemTotal"):
        why = (info.get("ServerErrors") or asked.stderr.splitlines() or [""])[-1]
        raise BadInput(f"The Docker engine does not answer; is it started? It says: {why}")
    if not at_least(ENGINE, info["ServerVersion"]):
        raise BadInput(
            f"The Docker engine must be {ENGINE[0]} or newer, and is {info['ServerVersion']}: see "
            "https://docs.docker.com/engine/install."
        )
    memory = info["MemTotal"] / 2**30
    if memory < MEMORY * 0.9:  # the system has kept some for itself
        raise BadInput(
            f"The stack needs {MEMORY} GiB of memory, and the Docker engine has {memory:.1f}: take "
            "a larger machine, or give the engine more of it in the settings of Docker Desktop."
        )


def at_least(wanted: tuple[int, int], version: str) -> bool:
    """Tell whether a version, such as `v2.40.3`, is no older than one that is wanted."""
    found = re.match(r"v?(\d+)\.(\d+)", version)
    return found is not None and (int(found[1]), int(found[2])) >= wanted


def check_ports() -> None:
    """See that each port is free, or the service's already.

    Raises:
        BadInput: something else has one, or two services want the same.
    """
    ours, wanted = published(), dict[int, str]()
    for name, service in config()["services"].items():
        for port in (int(mapping["published"]) for mapping in service.get("ports", [])):
            if other := wanted.get(port):
                raise BadInput(f"{other} and {name} are both at port {port}: see .env.")
            wanted[port] = name
            if port not in ours.get(name, []) and taken(port):
                raise BadInput(
                    f"Port {port} of {name} is taken: end what uses it, or choose another in .env, "
                    f"by the variable that `ports` of {name} in compose.yaml names."
                )


def config() -> dict[str, Any]:
    """Return the services that are to be started, and all else, as Compose reads it."""
    read: dict[str, Any] = json.loads(docker("compose", "config", "--format", "json").stdout)
    return read


def published() -> dict[str, list[int]]:
    """Return the ports of this machine at which services of the stack are, by their names."""
    listed = docker("compose", "ps", "--format", "json").stdout.splitlines()
    found: dict[str, list[int]] = {}
    for service in map(json.loads, listed):
        ports = {publisher["PublishedPort"] for publisher in service["Publishers"] or []}
        found[service["Service"]] = sorted(ports - {0})
    return found


def taken(port: int) -> bool:
    """Tell whether something listens at a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@app.command()
def build() -> None:
    """Build the image, unless `IMAGE`, in the environment or .env, names one that is built."""
    if image := (os.environ | dotenv_values(ENV)).get("IMAGE"):
        typer.echo(f"Nothing is built: IMAGE is {image}.")
    else:
        typer.echo("Building the image; the first time, that takes minutes.")
        show("compose", "build", "--quiet")


@app.command()
def start() -> None:
    """Start what is not as compose.yaml has it, and wait until all of it works."""
    typer.echo("Starting the stack, and waiting until all of it works.")
    up = ("compose", "--progress", "quiet", "up", "--detach", "--wait", "--remove-orphans")
    show(
        *up,
        otherwise="not all of it came up: `docker compose ps --all` says what did not, "
        "`docker compose logs <service>` why.",
    )
{% if cookiecutter.monitoring == "prometheus" %}
    # They read monitoring/ again.
    docker("compose", "kill", "--signal", "HUP", "prometheus", "alertmanager")
{% endif %}


@app.command()
def where() -> None:
    """Say where the pages are."""
    for service, ports in published().items():
        for port in ports:
            typer.echo(f"  {service:<15} http://127.0.0.1:{port}")


@app.command()
def backup() -> None:
    """Copy what is kept to a new folder in backups/, while runs go on."""
    if not docker("compose", "ps", "--quiet", "--status=running", "postgres").stdout:
        raise BadInput("The stack is not up: `make up` starts it.")
    folder = BACKUPS / f"{datetime.now(UTC):%Y-%m-%dT%H-%M-%SZ}"
    part = folder.with_suffix(".part")
    part.mkdir(parents=True, mode=0o700)
    runs, models = FILES
    try:
        archive(part / runs)
        for name in DATABASES:
            dump = ("pg_dump", "--username=postgres", "--format=custom", "--no-owner", name)
            with (part / f"{name}.dump").open("wb") as file:
                docker("compose", "exec", "-T", "postgres", *dump, stdout=file)
        archive(part / models)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    typer.echo(f"All that is kept is in {folder}/.")


def archive(file: Path) -> None:
    """Write one of the archives of a backup."""
    # It leaves with 1 where a file changed or went away meanwhile: a run is at work.
    command = 'tar --create --exclude "*.part" "$@" || [ $? -eq 1 ]'
    words = ("compose", "run", "--rm", "-T", "files", "-c", command, "tar", *FILES[file.name])
    with file.open("wb") as stream:
        docker(*words, stdout=stream)


@app.command()
def restore(folder: Path) -> None:
    """Fill an empty stack from a folder that `backup` made; it is not started yet."""
    names = [*FILES, *(f"{name}.dump" for name in DATABASES)]
    if lacking := [name for name in names if not (folder / name).is_file()]:
        raise BadInput(f"{folder} is no backup: it lacks {', '.join(lacking)}.")
    check()
    if docker("compose", "ps", "--all", "--quiet").stdout or volumes():
        raise BadInput(
            "The stack is not empty: see that nothing in it is needed any more, and remove it with "
            "`docker compose --profile '*' down --volumes`."
        )
    build()
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
    for name in FILES:
        with (folder / name).open("rb") as file:
            docker("compose", "run", "--rm", "-T", "files", "-c", "tar --extract", stdin=file)


def volumes() -> list[str]:
    """Return the volumes that the stack has."""
    usual = yaml.safe_load(COMPOSE_FILE.read_text(encoding="utf-8"))["name"]
    name = (dotenv_values(ENV) | os.environ).get("COMPOSE_PROJECT_NAME") or usual
    label = f"label=com.docker.compose.project={name}"
    return docker("volume", "ls", "--quiet", "--filter", label, ok=False).stdout.split()


def docker(*words: str, ok: bool = True, **streams: Any) -> subprocess.CompletedProcess[str]:
    """Run a command of Docker's, and return what it said.

    Args:
        words: the command.
        ok: whether to leave, with the end of what it said, where it fails.
        streams: files for its `stdin` and `stdout`.
    """
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE} | streams
    command = ["docker", *words]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, **streams)  # noqa: S603
    if ok and done.returncode:
        said = "\n".join(done.stderr.strip().splitlines()[-5:])
        sys.exit(f"error: `docker {' '.join(words)}` failed:\n{said}")
    return done


def show(*words: str, otherwise: str = "") -> None:
    """Run a command of Docker's that says by itself how it goes; leave where it fails.

    Args:
        words: the command.
        otherwise: what to say then; by default, which command it was.
    """
    failed = f"`docker {' '.join(words)}` failed."
    if subprocess.run(["docker", *words], check=False).returncode:  # noqa: S603, S607
        sys.exit(f"error: {otherwise or failed}")


if __name__ == "__main__":
    try:
        app()
    except BadInput as error:
        sys.exit(f"error: {error}")
