"""Servers that run during a measurement."""

import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from .measuring import environment

LONGEST_START = 120


@contextmanager
def running_server(project: Path, state: Path) -> Iterator[str]:
    """Start the project's Prefect with a state folder of its own, and yield the API's address."""
    port = free_port()
    address = f"http://127.0.0.1:{port}/api"
    start = (project / ".venv/bin/prefect", "server", "start", "--host", "127.0.0.1")
    with running([*start, "--port", port], project, f"{address}/health", PREFECT_HOME=str(state)):
        yield address


def free_port() -> str:
    """Return a port of this machine that nothing listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str | Path], folder: Path, health: str, **variables: str
) -> Iterator[None]:
    """Start servers, yield once the address `health` answers, and end them.

    Args:
        command: starts them, and stops them when it is terminated.
        folder: where it runs.
        health: an address that answers with 200 when they are up.
        variables: added to its environment.
    """
    server = subprocess.Popen(
        command,
        cwd=folder,
        env=environment() | variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until_healthy(server, health)
        yield
    finally:
        server.terminate()
        server.wait()


def wait_until_healthy(server: "subprocess.Popen[bytes]", health: str) -> None:
    """Return once the server answers.

    Raises:
        RuntimeError: it ended, or took too long.
    """
    deadline = time.monotonic() + LONGEST_START
    while server.poll() is None and time.monotonic() < deadline:
        with suppress(URLError, OSError), urlopen(health) as answer:  # noqa: S310
            if answer.status == 200:
                return
        time.sleep(0.2)
    raise RuntimeError(f"No server answers at {health}.")
