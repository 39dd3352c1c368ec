"""Outages of what a run needs: a source that fails, a tracker that is killed, a full disk."""

import contextlib
import os
import signal
import socket
import socketserver
import subprocess
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any, Self

import pytest

from tests.projects import PATIENCE, Project, free_port, until

# How a source fails: the row of the table, how many requests fail, and whether they hang.
ILL_SOURCES = [("the source fails twice", 2, False), ("the source hangs", 1, True)]

# When a tracker is killed: what the run is doing, its step, and a part of the request's address.
DEATHS = [
    ("training", "train", "logged-models"),
    ("registering", "release", "model-versions/create"),
    ("releasing", "release", "registered-models/alias"),
]


class Listing(SimpleHTTPRequestHandler):
    """Serves a source as fsspec reads it, or fails as the test demands."""

    def __init__(self, source: "HttpSource", *rest: Any) -> None:
        self.source = source
        super().__init__(*rest, directory=str(source.folder))

    def do_GET(self) -> None:
        if self.source.takes_ill():
            self._be_ill()
        else:
            super().do_GET()

    def _be_ill(self) -> None:
        if self.source.hangs:
            self.source.closing.wait()
            self.close_connection = True
        else:
            self.send_error(503)

    def list_directory(self, path: Any) -> None:
        # Links to folders have no slash at the end: their names would be empty.
        links = "".join(f'<a href="{name.name}">{name.name}</a>\n' for name in Path(path).iterdir())
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(links)))
        self.end_headers()
        self.wfile.write(links.encode())

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


class HttpSource:
    """Serves a folder at `address`; once `when` holds, `times` requests fail, or hang."""

    def __init__(
        self, folder: Path, when: Callable[[], object], times: int, *, hangs: bool = False
    ) -> None:
        self.folder, self.when, self.left, self.hangs = folder, when, times, hangs
        self.closing = Event()
        self._lock = Lock()

    def takes_ill(self) -> bool:
        with self._lock:
            ill = self.left > 0 and bool(self.when())
            self.left -= ill
            return ill

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Listing, self))
        self._server.daemon_threads, self._server.block_on_close = True, False
        Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()


class Gate(socketserver.BaseRequestHandler):
    """A connection to the tracker; the request that kills it is not forwarded."""

    def __init__(self, tracker: "Tracker", *rest: Any) -> None:
        self.tracker = tracker
        super().__init__(*rest)

    def handle(self) -> None:
        with contextlib.suppress(OSError), socket.create_connection(self.tracker.behind) as server:
            Thread(target=self._bring, args=(server,), daemon=True).start()
            while data := self.request.recv(65536):
                if self.tracker.dies_at and self.tracker.dies_at in data.partition(b"\r\n")[0]:
                    self.tracker.kill()
                    return
                server.sendall(data)

    def _bring(self, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                self.request.sendall(data)
            self.request.shutdown(socket.SHUT_RDWR)


class Tracker:
    """A real MLflow server at `address`, killed by the first request that names `dies_at`.

    Until it is started again, every connection is closed.
    """

    def __init__(self, project: Project, log: Path, dies_at: str) -> None:
        self.project, self.log, self.dies_at = project, log, dies_at.encode()
        self.behind = ("127.0.0.1", free_port())
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._gate = socketserver.ThreadingTCPServer(("127.0.0.1", 0), partial(Gate, self))
        self._gate.daemon_threads, self._gate.block_on_close = True, False
        Thread(target=self._gate.serve_forever, args=(0.05,), daemon=True).start()
        self.address = f"http://127.0.0.1:{self._gate.server_address[1]}"
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._gate.shutdown()
        self._gate.server_close()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        host, port = self.behind
        folder = self.project.folder
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(folder / ".venv/bin/mlflow", "server", f"--host={host}", f"--port={port}"),
                    *("--workers=1", f"--backend-store-uri=sqlite:///{folder}/mlflow.db"),
                    f"--artifacts-destination={folder}/mlruns",
                ],
                cwd=folder,
                env=self.project.shell.environment()
                | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until(self._answers)

    def kill(self) -> None:
        """Kill it with all its processes, as a power failure does."""
        if self.process is not None:
            self.dies_at = b""
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(PATIENCE)
            self.process = None

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://{self.behind[0]}:{self.behind[1]}/health")
            return True
        return False


@dataclass(frozen=True)
class SmallDisk:
    """A new folder on a disk of its own, of 50 MB, as long as its `with` block lasts."""

    folder: Path

    def __enter__(self) -> Self:
        self.folder.mkdir()
        mounting = ["mount", "-t", "tmpfs", "-o", "size=50m", "tmpfs", str(self.folder)]
        if subprocess.run(mounting, capture_output=True, check=False).returncode:
            pytest.skip("only root can mount a small disk")
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", self.folder], check=True)

    def fill(self) -> None:
        """Leave no room."""
        filling = ["dd", "if=/dev/zero", f"of={self.folder / 'filler'}"]
        subprocess.run(filling, capture_output=True, check=False)

    def free(self) -> None:
        """Make room again."""
        (self.folder / "filler").unlink()
