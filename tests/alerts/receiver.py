"""Stands in for the targets of alerts: a process sends as always, and its alerts arrive here.

Apprise posts to the vendors' fixed hosts. The process under test uses a proxy that terminates TLS
with certificates of the test's own CA; nothing in the process is patched.
"""

import asyncio
import secrets
import ssl
import tempfile
import threading
from contextlib import ExitStack
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import parse_qs, urlsplit

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.alerts.desk import FOREVER, Alert, Desk, Fault, Target
from tests.alerts.mail import BrokenMail, Mail
from tests.alerts.web import Http

__all__ = ["Alert", "Fault", "Receiver", "Target"]

USER = "ops"


class Receiver(Desk):
    """Receives alerts until its `with` block ends; after that, nothing listens on its ports.

    A fault is set as in `receiver.faults["slack"] = Fault("hang", seconds=60)`, or by a method.
    """

    def __init__(self) -> None:
        super().__init__()
        self._ends = ExitStack()
        self._ca, self._other_ca = trustme.CA(), trustme.CA()
        self._contexts: dict[tuple[str, bool], ssl.SSLContext] = {}
        self._slack = f"T{_word(10)}/B{_word(10)}/{_word(24)}"
        self._workflow, self._signature = _word(32).lower(), secrets.token_urlsafe(32)
        self._routing_key, self._api_key = secrets.token_hex(16), _word(20)
        self._password, self._path = _word(24), _word(24)

    def __enter__(self) -> Self:
        folder = self._ends.enter_context(tempfile.TemporaryDirectory())
        self._bundle = Path(folder, "ca.pem")
        self._ca.cert_pem.write_to_path(self._bundle)
        self._proxy, self._webhook = self._serve_http(), self._serve_http()
        self._starttls, self._smtps = self._serve_mail()
        self._ends.callback(self.closing.set)  # first of all, ends what hangs
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    # What a test asks for

    def environment(self) -> dict[str, str]:
        """Return the variables with which a process sends its alerts here; TLS is checked."""
        proxy = f"http://127.0.0.1:{self._proxy}"
        found = {"HTTPS_PROXY": proxy, "HTTP_PROXY": proxy, "NO_PROXY": "127.0.0.1,localhost"}
        found |= {name.lower(): value for name, value in found.items()}  # these would win
        return found | {
            "REQUESTS_CA_BUNDLE": str(self._bundle),  # what requests trusts
            "SSL_CERT_FILE": str(self._bundle),  # what smtplib trusts
        }

    def urls(self, mail: Literal["starttls", "ssl"] = "starttls") -> dict[Target, str]:
        """Return the URL of each target, as the vendor gives it or Apprise documents it."""
        port = self._starttls if mail == "starttls" else self._smtps
        return {
            "slack": f"https://hooks.slack.com/services/{self._slack}?blocks=yes",
            "teams": "https://default0a1b2c.d3.environment.api.powerplatform.com:443"
            f"/powerautomate/automations/direct/workflows/{self._workflow}/triggers/manual/paths"
            f"/invoke?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig={self._signature}",
            "pagerduty": f"pagerduty://{self._routing_key}@{self._api_key}",
            "webhook": f"json://{USER}:{self._password}@127.0.0.1:{self._webhook}/{self._path}",
            "email": f"mailtos://{USER}:{self._password}@localhost:{port}"
            f"?mode={mail}&from=ml@example.com&to=oncall@example.com",
        }

    @property
    def secrets(self) -> list[str]:
        """Return the secrets, which no log may contain."""
        slack = self._slack.rpartition("/")[2]
        keys = [self._signature, self._routing_key, self._api_key]
        return [slack, *keys, self._password, self._path]

    def wait_for(self, count: int, seconds: float = 30) -> list[Alert]:
        """Return what arrived, once there are `count` alerts; fail if that takes too long."""
        with self.changed:
            enough = self.changed.wait_for(lambda: len(self.arrived) >= count, seconds)
            assert enough, f"{len(self.arrived)} of {count} alerts arrived: {self.arrived}"
            return list(self.arrived)

    def hang(self, target: Target, seconds: float = 600) -> None:
        """Let the target accept requests and never answer."""
        self.faults[target] = Fault("hang", seconds)

    def drip(self, target: Target, seconds: float = 2) -> None:
        """Let the target answer byte by byte: no read of the client times out."""
        self.faults[target] = Fault("drip", seconds)

    def refuse(self, target: Target) -> None:
        """Let the target close connections without an answer."""
        self.faults[target] = Fault("refuse")

    def fail(self, target: Target, times: int = FOREVER) -> None:
        """Let the target answer with an error so many times; a mail server says 451."""
        self.faults[target] = Fault("fail", left=times)

    def untrusted(self, target: Target) -> None:
        """Let the target have a certificate of a CA that nobody trusts."""
        assert target != "webhook", "the webhook is plain HTTP"
        self.faults[target] = Fault("untrusted")

    def reject(self, what: Literal["login", "recipient"]) -> None:
        """Let the mail servers reject the login or the recipient."""
        self.faults["email"] = Fault(what)

    # What the servers ask for

    def context(self, host: str, trusted: bool) -> ssl.SSLContext:
        """Return a TLS context for the host, with a certificate of a trusted or an unknown CA."""
        with self.changed:
            if (host, trusted) not in self._contexts:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                (self._ca if trusted else self._other_ca).issue_cert(host).configure_cert(context)
                self._contexts[host, trusted] = context
            return self._contexts[host, trusted]

    def refusal(self, target: Target, url: str, user: str | None, payload: Any) -> str | None:
        """Return why a vendor would refuse the request: its secrets are wrong."""
        parts = urlsplit(url)
        known = {
            "slack": parts.path == f"/services/{self._slack}",
            "teams": self._workflow in parts.path
            and parse_qs(parts.query).get("sig") == [self._signature],
            "pagerduty": payload.get("routing_key") == self._routing_key,
            "webhook": (user, parts.path) == (f"{USER}:{self._password}", f"/{self._path}"),
        }
        return None if known[target] else "invalid_token"

    def login(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, data: Any
    ) -> AuthResult:
        """Return whether a login at the mail servers has the right password."""
        given = LoginPassword(USER.encode(), self._password.encode())
        right = data == given and not self.fault("email", "login")
        return AuthResult(success=right, handled=False, auth_data=USER)

    def _serve_http(self) -> int:
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Http, self))
        server.daemon_threads, server.block_on_close = True, False
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        self._ends.callback(server.server_close)
        self._ends.callback(server.shutdown)
        return server.server_port

    def _serve_mail(self) -> tuple[int, int]:
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        proof = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

        def choose(connection: ssl.SSLObject, _name: str | None, _first: ssl.SSLContext) -> None:
            trusted = not self.fault("email", "untrusted")
            connection.context = self.context("localhost", trusted)

        proof.sni_callback = choose

        def mail(**how: Any) -> asyncio.BaseProtocol:
            self.attempt("email")
            if fault := self.fault("email", "refuse", "hang", "drip"):
                return BrokenMail(fault)
            how |= {"hostname": "localhost", "loop": loop, "authenticator": self.login}
            return SMTP(Mail(self), **how)

        async def listen() -> list[asyncio.Server]:
            starttls = partial(mail, tls_context=proof, require_starttls=True)
            smtps = partial(mail, auth_require_tls=False)  # it has TLS before the first word
            return [
                await loop.create_server(starttls, "127.0.0.1", 0),
                await loop.create_server(smtps, "127.0.0.1", 0, ssl=proof),
            ]

        servers = asyncio.run_coroutine_threadsafe(listen(), loop).result()

        async def close() -> None:
            for server in servers:
                server.close()
            talks = asyncio.all_tasks() - {asyncio.current_task()}
            for talk in talks:
                talk.cancel()
            await asyncio.gather(*talks, return_exceptions=True)

        def end() -> None:
            asyncio.run_coroutine_threadsafe(close(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

        self._ends.callback(end)
        starttls, smtps = (server.sockets[0].getsockname()[1] for server in servers)
        return starttls, smtps


def _word(length: int) -> str:
    """Return unique letters and digits."""
    return secrets.token_hex(length)[:length].upper()
