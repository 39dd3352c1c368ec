"""The proxy with the vendors behind it, and the webhook, which needs no proxy."""

import base64
import json
import secrets
import ssl
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from tests.alerts.desk import Alert, Fault, Target

if TYPE_CHECKING:
    from tests.alerts.receiver import Receiver

HOSTS: dict[str, Target] = {
    "hooks.slack.com": "slack",
    "events.pagerduty.com": "pagerduty",
    ".environment.api.powerplatform.com": "teams",
    ".logic.azure.com": "teams",  # flows made before Teams moved to the host above
}


class Http(BaseHTTPRequestHandler):
    """A connection to the proxy if it starts with CONNECT, otherwise to the webhook."""

    protocol_version = "HTTP/1.1"
    target: Target = "webhook"

    def __init__(self, receiver: "Receiver", *rest: Any) -> None:
        self.receiver = receiver
        super().__init__(*rest)

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:  # the client closed the connection, or does not trust the certificate
            self.close_connection = True

    def finish(self) -> None:
        try:
            super().finish()
        except OSError:
            return
        finally:
            self.connection.close()

    def do_CONNECT(self) -> None:
        host = self.path.partition(":")[0]
        found = [target for end, target in HOSTS.items() if host.endswith(end)]
        if not found:
            self.receiver.strays.append(host)
            self.send_error(502)
            return
        self.target = found[0]
        if self.receiver.fault(self.target, "refuse"):
            self.receiver.attempt(self.target)
            self.close_connection = True
            return
        self.send_response(200)
        self.end_headers()
        trusted = not self.receiver.fault(self.target, "untrusted")
        context = self.receiver.context(host, trusted)
        self.connection = context.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb")
        self.close_connection = False

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        receiver, target = self.receiver, self.target
        receiver.attempt(target)
        if fault := receiver.fault(target, "refuse", "hang", "drip", "fail"):
            self._answer_badly(fault)
            return
        payload = json.loads(raw)
        basic = self.headers.get("Authorization", "").partition("Basic ")[2]
        user = base64.b64decode(basic).decode() or None
        if reason := self.receiver.refusal(target, self.path, user, payload):
            self._answer(403, reason)
            return
        tls = self.connection.version() if isinstance(self.connection, ssl.SSLSocket) else None
        name = user and user.partition(":")[0]
        now = datetime.now(UTC)
        receiver.take(Alert(target, now, dict(self.headers), payload, name, tls))
        processed = {
            "status": "success",
            "message": "Event processed",
            "dedup_key": secrets.token_hex(16),
        }
        answers = {"slack": (200, "ok"), "teams": (202, ""), "webhook": (200, "{}")}
        self._answer(*answers.get(target, (202, json.dumps(processed))))

    def _answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def _answer_badly(self, fault: Fault) -> None:
        if fault.kind == "fail":
            self._answer(500, "server_error")
            return
        self.close_connection = True
        if fault.kind == "hang":
            self.receiver.rest(fault.seconds)
        elif fault.kind == "drip":
            for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok":
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                self.receiver.rest(fault.seconds)

    def log_message(self, *_: Any) -> None:
        """Print nothing."""
