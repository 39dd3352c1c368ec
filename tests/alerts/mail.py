"""The mail servers."""

import asyncio
import email
import email.policy
import logging
from datetime import UTC, datetime
from email.message import EmailMessage

from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.alerts.desk import Alert, Desk, Fault

logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd warns of its own calls


class Mail:
    """Handles mails; aiosmtpd calls the methods by their names."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, session: Session, envelope: Envelope, address: str, _how: list[str]
    ) -> str:
        if not session.authenticated:
            return "530 5.7.0 authentication required"
        if self.desk.fault("email", "recipient"):
            return "550 5.1.1 no such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if self.desk.fault("email", "fail"):
            return "451 4.3.0 try again later"
        content = envelope.content
        assert isinstance(content, bytes)
        mail = email.message_from_bytes(content, EmailMessage, policy=email.policy.default)
        assert server.transport
        tls = server.transport.get_extra_info("ssl_object")
        headers = {name: str(value) for name, value in mail.items()}
        now, user = datetime.now(UTC), str(session.auth_data)
        self.desk.take(Alert("email", now, headers, mail, user, tls and tls.version()))
        return "250 OK"


class BrokenMail(asyncio.Protocol):
    """A mail server that closes the connection, never answers, or greets byte by byte."""

    def __init__(self, fault: Fault) -> None:
        self.fault, self.greeting = fault, list(b"220 localhost ESMTP at your service\r\n")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        if self.fault.kind == "refuse":
            transport.close()
        elif self.fault.kind == "hang":
            asyncio.get_running_loop().call_later(self.fault.seconds, transport.close)
        else:
            self.greet(transport)

    def greet(self, transport: asyncio.Transport) -> None:
        if self.greeting and not transport.is_closing():
            transport.write(bytes([self.greeting.pop(0)]))
            asyncio.get_running_loop().call_later(self.fault.seconds, self.greet, transport)
