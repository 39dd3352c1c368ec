"""A Prefect server for as long as it is measured against."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from .measuring import environment

LONGEST_START = 120


@contextmanager
def running_server(project: Path, state: Path) -> Iterator[str]:
    """Start the project's Prefect with a state folder of its own, and yield the API's address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    server = subprocess.Popen(
        [project / ".venv/bin/prefect", "server", "start", "--host", "127.0.0.1", "--port", port],
        cwd=project,
        env=environment() | {"PREFECT_HOME": str(state)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}/api"
    try:
        wait_until_healthy(server, address)
        yield address
    finally:
        server.terminate()
        server.wait()


def wait_until_healthy(server: "subprocess.Popen[bytes]", address: str) -> None:
    """Return once the server answers.

    Raises:
        RuntimeError: it ended, or took too long.
    """
    deadline = time.monotonic() + LONGEST_START
    while server.poll() is None and time.monotonic() < deadline:
        with suppress(URLError, OSError), urlopen(f"{address}/health") as answer:  # noqa: S310
            if answer.status == 200:
                return
        time.sleep(0.2)
    raise RuntimeError(f"No Prefect server came up at {address}.")
