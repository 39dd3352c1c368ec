"""What the tests of deploys share."""

import subprocess
from collections.abc import Iterator

import pytest

from tests.projects import need_docker, until

# Debian's registry, on the image that projects are built on. It wants the password of a run.
DOCKERFILE = """
FROM python:3.12-slim-bookworm
RUN apt-get update && apt-get install --yes --no-install-recommends apache2-utils docker-registry
RUN htpasswd -Bbn ada token-of-the-run > /passwords
COPY <<END /registry.yml
version: 0.1
storage: {filesystem: {rootdirectory: /images}}
http: {addr: ":5000"}
auth: {htpasswd: {realm: registry, path: /passwords}}
END
CMD ["docker-registry", "serve", "/registry.yml"]
"""
IMAGE = "my-pipeline-registry"


def docker(*words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["docker", *words], input=stdin, capture_output=True, text=True, check=False
    )


def done(*words: str, stdin: str | None = None) -> str:
    result = docker(*words, stdin=stdin)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


@pytest.fixture(scope="session")
def registry() -> Iterator[str]:
    """Return the address of a registry of images on this machine, in place of GitHub's."""
    need_docker()
    done("build", "--quiet", "--tag", IMAGE, "-", stdin=DOCKERFILE)
    name = done("run", "--detach", "--rm", "--publish", "127.0.0.1::5000", IMAGE)
    try:
        address = done("port", name, "5000").splitlines()[0]
        login = ("login", "--username=ada", "--password=wrong", address)
        until(lambda: "401" in docker(*login).stderr)
        yield address
    finally:
        docker("rm", "--force", "--volumes", name)
