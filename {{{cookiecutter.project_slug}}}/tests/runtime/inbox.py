"""A webhook on this machine, to which the alerts of a test go."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from {{{ cookiecutter.package_name }}}.runtime.notify import alerts


class Inbox:
    """A webhook that keeps what it receives; `status` is what it answers."""

    def __init__(self) -> None:
        self.alerts: list[dict[str, Any]] = []
        self.status = 200
        inbox = self

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if inbox.status == 200:
                    inbox.alerts.append(json.loads(body))
                self.send_response(inbox.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"json://127.0.0.1:{self.server.server_port}/secret-path"
        Thread(target=self.server.serve_forever, args=[0.05], daemon=True).start()

    @property
    def kinds(self) -> list[str]:
        """Return the kinds of the alerts that arrived."""
        return [alert["kind"] for alert in self.alerts]


@pytest.fixture
def inbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Inbox]:
    """The receiver of all alerts; retries are immediate."""
    monkeypatch.setattr(alerts, "PAUSE", 0.0)
    inbox = Inbox()
    monkeypatch.setenv("ALERT_URLS", inbox.url)
    yield inbox
    inbox.server.shutdown()
    inbox.server.server_close()
