"""`make up` and `make deploy` with bad input: one sentence that says what, and what to do."""

import os
import re
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.projects import Project, clone, need_docker

pytestmark = [pytest.mark.slow, pytest.mark.matrix, pytest.mark.xdist_group("stack")]

# Programs called `docker` that lack something, and pass the rest to the real one.
WITHOUT_COMPOSE = """#!/bin/sh
if [ "$1" = compose ]; then echo "docker: 'compose' is not a docker command." >&2; exit 1; fi
exec {docker} "$@"
"""
WITH_LITTLE_MEMORY = """#!/bin/sh
if [ "$1" = info ]; then {docker} "$@" | sed 's/"MemTotal":[0-9]*/"MemTotal":2147483648/'; exit; fi
exec {docker} "$@"
"""
OF_AN_OLD_SYSTEM = """#!/bin/sh
age='s/"ServerVersion":"[^"]*/"ServerVersion":"20.10.24/'
if [ "$1" = info ]; then {docker} "$@" | sed "$age"; exit; fi
exec {docker} "$@"
"""


@pytest.fixture(scope="module")
def fresh(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    need_docker()
    return clone(project, tmp_path_factory.mktemp("input") / "my-pipeline")


@pytest.fixture
def secrets(fresh: Project) -> Iterator[Path]:
    """Return the file of secrets."""
    fresh.make("env")
    file = fresh.folder / ".env"
    yield file
    file.unlink()


def up(project: Project, **variables: str) -> str:
    """Return the sentence with which `make up` exits."""
    words = [f"{name}={value}" for name, value in variables.items()]
    done = project.shell("env", *words, "make", "up", cwd=project.folder, ok=False)
    assert done.returncode == 2
    (sentence,) = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert not done.stdout
    assert not project.shell(
        "docker", "compose", "ps", "--quiet", cwd=project.folder, ok=False
    ).stdout
    return sentence


def test_without_secrets(fresh: Project) -> None:
    said = up(fresh)
    assert re.fullmatch(r"error: \.env lacks \w+: run `make env`\.", said)


@pytest.mark.usefixtures("secrets")
def test_a_port_is_taken(fresh: Project) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        said = up(fresh, PREFECT_PORT=str(port))
    assert said == (
        f"error: Port {port} of prefect-server is in use: stop the program that uses it, or set "
        "another in .env; `ports` of prefect-server in compose.yaml names the variable."
    )


@pytest.mark.usefixtures("secrets")
def test_two_services_at_one_port(fresh: Project) -> None:
    said = up(fresh, PREFECT_PORT="15000", MLFLOW_PORT="15000")
    assert said == "error: mlflow and prefect-server are both set to port 15000: change .env."


@pytest.mark.usefixtures("secrets")
def test_a_target_of_alerts_is_malformed(fresh: Project) -> None:
    said = up(fresh, ALERT_URLS="slak://hush")
    assert said.startswith("error: ALERT_URLS: entry 1 ")
    assert "hush" not in said


@pytest.mark.usefixtures("secrets")
def test_the_engine_does_not_answer(fresh: Project) -> None:
    said = up(fresh, DOCKER_HOST="unix:///nowhere/docker.sock")
    assert said.startswith("error: The Docker engine does not answer; start it. Docker reports: ")


@pytest.mark.usefixtures("secrets")
def test_docker_is_not_there(fresh: Project, tmp_path: Path) -> None:
    for directory in os.environ["PATH"].split(os.pathsep):
        for program in Path(directory).glob("*"):
            if program.name != "docker" and not (tmp_path / program.name).exists():
                (tmp_path / program.name).symlink_to(program)
    said = up(fresh, PATH=str(tmp_path))
    assert said == ("error: Docker is not installed: see https://docs.docker.com/engine/install.")


@pytest.mark.usefixtures("secrets")
@pytest.mark.parametrize(
    ("program", "sentence"),
    [
        (
            WITHOUT_COMPOSE,
            r"error: Docker Compose 2\.24 or newer is needed, .* prints nothing: see ",
        ),
        (WITH_LITTLE_MEMORY, r"error: The stack needs 4 GiB of memory, .* engine has 2\.0: "),
        (
            OF_AN_OLD_SYSTEM,
            r"error: The Docker engine is 20\.10\.24 and must be 25 or newer: see ",
        ),
    ],
)
def test_docker_is_not_enough(fresh: Project, tmp_path: Path, program: str, sentence: str) -> None:
    docker = tmp_path / "docker"
    docker.write_text(program.format(docker=shutil.which("docker")))
    docker.chmod(0o755)
    assert re.match(sentence, up(fresh, PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}"))


def test_new_secrets_leave_what_is_there(fresh: Project, secrets: Path) -> None:
    before = secrets.read_text()
    assert secrets.stat().st_mode & 0o077 == 0
    assert len(set(re.findall(r"^\w+_PASSWORD=([0-9a-f]{64})$", before, re.MULTILINE))) == 5
    assert "All" not in fresh.make("env")
    assert secrets.read_text() == before
    kept = "ALERT_URLS='json://example.com  json://example.org'"
    secrets.write_text(kept + "\n" + before.replace("MLFLOW_DB_PASSWORD", "# MLFLOW_DB_PASSWORD"))
    secrets.chmod(0o644)
    assert "Wrote MLFLOW_DB_PASSWORD into .env." in fresh.make("env")
    assert secrets.read_text().startswith(kept)
    assert secrets.stat().st_mode & 0o777 == 0o600
    assert (
        "MLFLOW_DB_PASSWORD"
        not in fresh.shell(
            "git", "status", "--porcelain", "--untracked-files=all", cwd=fresh.folder
        ).stdout
    )


DIGEST = f"registry.example.com:5000/team/name@sha256:{'1' * 64}"


def deploy(project: Project, **variables: str) -> str:
    """Return the sentence with which `make deploy` exits, having changed nothing."""
    before = (project.folder / ".env").read_bytes()
    words = [f"{name}={value}" for name, value in variables.items()]
    done = project.shell("env", *words, "make", "deploy", cwd=project.folder, ok=False)
    assert done.returncode == 2
    assert (project.folder / ".env").read_bytes() == before
    return done.stderr


@pytest.mark.usefixtures("secrets")
@pytest.mark.parametrize("image", ["name", "name:latest", DIGEST[:-1], f"{DIGEST} ", "a;id"])
def test_an_image_without_a_digest_is_not_deployed(fresh: Project, image: str) -> None:
    assert f"error: The image {image!r} has no digest: write it as " in deploy(fresh, IMAGE=image)


@pytest.mark.usefixtures("secrets")
def test_a_deploy_needs_an_image_and_a_period(fresh: Project) -> None:
    assert "deploy needs IMAGE: make deploy IMAGE=<registry>" in deploy(fresh)
    assert "error: 'June' is no period: " in deploy(fresh, IMAGE=DIGEST, PERIOD="June")
