"""Servers of this machine, one of which is a proxy; both count what they are asked."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


class Server(ThreadingHTTPServer):
    """A server of this machine, or a proxy: it answers with a status, and counts the requests."""

    def __init__(self, status: int) -> None:
        self.status, self.asked = status, list[str]()
        super().__init__(("127.0.0.1", 0), Answering)
        Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answering(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def ours() -> Iterator[Server]:
    with Server(200) as server:
        yield server
        server.shutdown()


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in NAMES:
        monkeypatch.setenv(name, "")  # restored afterwards, whatever `bypass` sets
        monkeypatch.setenv(name.lower(), "")
        del os.environ[name], os.environ[name.lower()]
    with Server(503) as server:
        yield server
        server.shutdown()


@contextmanager
def answering(answer: str | None, page: str = "") -> Iterator[str]:
    """Give the address of a server that answers everything alike, or nothing."""
    text = f"HTTP/1.1 {answer}\r\nContent-Length: {len(page)}\r\nConnection: close\r\n\r\n{page}"

    def answer_all() -> None:
        with suppress(OSError):  # closed
            while True:
                connection, _ = listener.accept()
                kept.append(connection)
                if answer:
                    connection.recv(65536)
                    connection.sendall(text.encode())
                    connection.close()

    kept: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        Thread(target=answer_all, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
    for connection in kept:
        connection.close()
