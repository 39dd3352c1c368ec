"""The receiver itself: its secrets, its certificates, and its checks of formats.

In the matrix: it is a tool of tests, which seldom changes.
"""

import copy
import email
import email.policy
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

import pytest

from tests.alerts.formats import check_shape
from tests.alerts.receiver import Alert, Receiver, Target

pytestmark = [pytest.mark.matrix, pytest.mark.xdist_group("alerts")]

BODY = (
    "<p>The step <b>validate</b> failed.</p>"
    "<ul><li>run: <code>2013-04</code></li>"
    '<li><a href="https://ci.example.com/run/1?a=b&amp;c=d">the report</a></li></ul>'
)
SEND = """
import json, logging, sys
import apprise
logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
body, *urls = sys.argv[1:]
sender = apprise.Apprise()
assert sender.add(urls)
ok = sender.notify(body, "Training failed", notify_type="failure", body_format="html")
print(json.dumps({"ok": ok}))
"""


@dataclass
class Sent:
    ok: bool
    log: str


def send(urls: list[str], environment: dict[str, str]) -> Sent:
    """Send one alert in a process of its own, to all of the URLs at once."""
    done = subprocess.run(
        [sys.executable, "-c", SEND, BODY, *urls],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return Sent(**json.loads(done.stdout), log=done.stderr)


def all_urls(receiver: Receiver) -> list[str]:
    """Return the URLs of all targets, the mail server with TLS from the first word among them."""
    return [*receiver.urls().values(), receiver.urls("ssl")["email"]]


def test_every_url_has_a_secret_that_a_log_can_be_searched_for(receiver: Receiver) -> None:
    for url in all_urls(receiver):
        assert any(secret in url for secret in receiver.secrets), url
    text = " ".join(all_urls(receiver))
    assert all(len(secret) >= 20 and secret in text for secret in receiver.secrets)


def test_a_process_that_does_not_know_the_ca_refuses_its_certificates(receiver: Receiver) -> None:
    secure = [url for url in all_urls(receiver) if not url.startswith("json:")]
    unknown = receiver.environment()
    del unknown["REQUESTS_CA_BUNDLE"], unknown["SSL_CERT_FILE"]
    sent = send(secure, unknown)
    assert not sent.ok
    assert sent.log.count("CERTIFICATE_VERIFY_FAILED") == len(secure)
    assert not receiver.arrived


def test_nobody_gets_in_without_the_right_secret(receiver: Receiver) -> None:
    urls = " ".join(all_urls(receiver))
    for secret in receiver.secrets:
        urls = urls.replace(secret, secret[::-1])
    nameless = receiver.urls("ssl")["email"].replace("ops:", "").replace(receiver.secrets[4], "")
    sent = send([*urls.split(), nameless.replace("://@", "://")], receiver.environment())
    assert not sent.ok
    assert not receiver.arrived
    assert "530" in sent.log


def test_a_host_that_is_no_target_is_noted_and_not_reached(receiver: Receiver) -> None:
    assert not send(["jsons://example.com"], receiver.environment()).ok
    assert receiver.strays == ["example.com"]


MAIL = """\
From: ml@example.com
To: oncall@example.com
Subject: Training failed
Date: Thu, 26 Nov 2026 01:12:19 +0000
Message-ID: <1@localhost>
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary="=="

--==
Content-Type: text/plain

failed
--==
Content-Type: text/html

<p>failed</p>
--==--
"""
SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "*failed* <https://a.b|c>"}}
HEADER = {"type": "header", "text": {"type": "plain_text", "text": "Training failed"}}
GOOD: dict[Target, Any] = {
    "slack": {"attachments": [{"blocks": [HEADER, SECTION], "color": "#A32037"}]},
    "teams": {
        "type": "message",
        "attachments": [
            {
                "contentType": "application/vnd.microsoft.card.adaptive",
                "content": {
                    "type": "AdaptiveCard",
                    "version": "1.4",
                    "body": [{"type": "TextBlock", "text": "failed"}],
                },
            }
        ],
    },
    "pagerduty": {
        "routing_key": "0123456789abcdef" * 2,
        "event_action": "trigger",
        "dedup_key": "training/2013-04",
        "payload": {
            "summary": "Training failed",
            "source": "ci",
            "severity": "critical",
            "timestamp": "2026-11-26T01:12:19Z",
        },
    },
    "webhook": {"version": "1.0", "title": "Training", "message": "failed", "type": "failure"},
}


def alert(target: Target, payload: Any) -> Alert:
    return Alert(target, datetime.now(UTC), {"Content-Type": "application/json"}, payload)


def mail(text: str) -> EmailMessage:
    return email.message_from_string(text, EmailMessage, policy=email.policy.default)


def put(path: str, value: Any) -> Callable[[Any], None]:
    """Return a function that sets the value at a path such as `a/0/b`; None removes it."""
    *way, last = [int(step) if step.isdigit() else step for step in path.split("/")]

    def change(tree: Any) -> None:
        for step in way:
            tree = tree[step]
        if value is None:
            del tree[last]
        else:
            tree[last] = value

    return change


BLOCKS, CARD = "attachments/0/blocks", "attachments/0/content"
WRONG: list[tuple[Target, str, Any]] = [
    ("slack", "attachments", None),
    ("slack", "attachments", []),
    ("slack", "attachments/0/color", "red"),
    ("slack", "attachments/0/title", "of the legacy format, beside blocks"),
    ("slack", BLOCKS, [SECTION] * 51),
    ("slack", f"{BLOCKS}/0/text/text", "x" * 151),
    ("slack", f"{BLOCKS}/0/text/type", "mrkdwn"),
    ("slack", f"{BLOCKS}/1/text/text", "x" * 3001),
    ("slack", f"{BLOCKS}/1/text/text", ""),
    ("slack", f"{BLOCKS}/1/text/text", "**failed**"),
    ("slack", f"{BLOCKS}/1/text/text", "[the report](https://ci.example.com)"),
    ("slack", f"{BLOCKS}/1/text/type", "markdown"),
    ("slack", f"{BLOCKS}/1/text", None),
    ("slack", f"{BLOCKS}/1/type", "paragraph"),
    ("teams", "type", "MessageCard"),
    ("teams", "attachments", []),
    ("teams", "attachments/0/contentType", "application/json"),
    ("teams", f"{CARD}/type", "Card"),
    ("teams", f"{CARD}/version", None),
    ("teams", f"{CARD}/version", "2.0"),
    ("teams", f"{CARD}/body", []),
    ("teams", f"{CARD}/body", [{"type": "Image", "url": "https://example.com/a.png"}]),
    ("teams", f"{CARD}/body/0/text", None),
    ("teams", f"{CARD}/body/0/type", "Text"),
    ("pagerduty", "routing_key", "short"),
    ("pagerduty", "event_action", "fire"),
    ("pagerduty", "dedup_key", "x" * 256),
    ("pagerduty", "payload/summary", "x" * 1025),
    ("pagerduty", "payload/summary", None),
    ("pagerduty", "payload/source", None),
    ("pagerduty", "payload/severity", "failure"),
    ("pagerduty", "payload/timestamp", "yesterday"),
    ("pagerduty", "links", [{"text": "the report"}]),
    ("webhook", "message", None),
    ("webhook", "title", ""),
    ("webhook", "type", "error"),
    ("webhook", "version", "2.0"),
]


@pytest.mark.parametrize(("target", "path", "value"), WRONG)
def test_a_wrong_shape_fails(target: Target, path: str, value: Any) -> None:
    payload = copy.deepcopy(GOOD[target])
    check_shape(alert(target, payload))
    put(path, value)(payload)
    with pytest.raises(AssertionError):
        check_shape(alert(target, payload))


def test_a_payload_that_is_not_sent_as_json_fails() -> None:
    form = Alert("webhook", datetime.now(UTC), {"Content-Type": "text/plain"}, GOOD["webhook"])
    with pytest.raises(AssertionError, match="text/plain"):
        check_shape(form)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("From: ml@example.com\n", ""),
        ("To: oncall@example.com\n", ""),
        ("To: oncall@example.com", "To: oncall"),
        ("Subject: Training failed", "Subject: "),
        ("Date: Thu, 26 Nov 2026 01:12:19 +0000\n", ""),
        ("Date: Thu, 26 Nov 2026", "Date: someday"),
        ("Message-ID: <1@localhost>\n", ""),
        ("Message-ID: <1@localhost>", "Message-ID: 1"),
        ("multipart/alternative", "multipart/mixed"),
        ("text/html", "text/plain"),
        ("<p>failed</p>", ""),
    ],
)
def test_a_wrong_mail_fails(right: str, wrong: str) -> None:
    assert right in MAIL
    check_shape(alert("email", mail(MAIL)))
    with pytest.raises(AssertionError):
        check_shape(alert("email", mail(MAIL.replace(right, wrong))))
