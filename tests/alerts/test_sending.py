"""Alerts of a rendered project arrive at every target in its format; a failed one does no harm."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from tests.alerts.arrival import TARGETS, text_of
from tests.alerts.formats import check_shape
from tests.alerts.receiver import Receiver, Target
from tests.projects import PATIENCE, Project

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("alerts sending")]

# Texts that may break a format: marks of every target, an address with a password, long lines.
NASTY = "Error: <b>&amp; *x* `y` _z_ at http://ada:hunter2@db.example.com/ " + "long " * 2000
SEND = """
import json, logging, sys
logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
from my_pipeline.runtime.notify.alerts import send
from my_pipeline.runtime.notify.events import Event
from my_pipeline.runtime.notify.targets import targets
event = Event.model_validate_json(sys.argv[1])
arrived = send(event, [target for target in targets() if target.wants(event)])
print(json.dumps(arrived))
"""


@dataclass
class Sent:
    arrived: list[bool]
    log: str


def send(project: Project, receiver: Receiver, urls: list[str], **event: Any) -> Sent:
    """Send an alert as a run does, in a process of its own that logs at debug level."""
    facts = ["2013-05: flights.dest: 33.3% are missing, 5.0% allowed"]
    failure = {"kind": "run_failed", "title": "2013-05 failed at train", "reason": NASTY}
    body = json.dumps(
        failure | {"facts": facts, "run_id": "2013-05-1a2b3c4d", "step": "train"} | event
    )
    environment = receiver.environment() | {"ALERT_URLS": " ".join(urls)}
    python = project.folder / ".venv/bin/python"
    words = [
        "timeout",
        str(PATIENCE),
        "env",
        *(f"{name}={value}" for name, value in environment.items()),
    ]
    done = project.shell(*words, python, "-c", SEND, body, cwd=project.folder)
    said = done.stdout + done.stderr
    assert not [secret for secret in receiver.secrets if secret in said]
    assert "hunter2" not in said
    return Sent(json.loads(done.stdout), said)


def test_an_alert_arrives_at_every_target_in_its_format(
    project: Project, receiver: Receiver
) -> None:
    urls = receiver.urls()
    sent = send(project, receiver, [*urls.values(), receiver.urls("ssl")["email"]])
    assert sent.arrived == [True] * 6
    assert sorted(alert.target for alert in receiver.arrived) == sorted([*TARGETS, "email"])
    assert receiver.attempts.total() == 6
    assert not receiver.strays
    assert "POST URL" in sent.log  # the log is that of Apprise, too, so its lack of secrets counts
    for alert in receiver.arrived:
        check_shape(alert)
        assert (alert.tls is None) == (alert.target == "webhook")
        assert alert.user == ("ops" if alert.target in ("webhook", "email") else None)
        text = text_of(alert)
        for word in ("2013-05 failed at train", "Error: ", "2013-05-1a2b3c4d", "33.3% are missing"):
            assert word in text, (alert.target, word)
        assert "hunter2" not in text
        assert "apprise" not in text.lower()


def test_severities_are_those_of_the_vendor(project: Project, receiver: Receiver) -> None:
    urls = [receiver.urls()["pagerduty"], receiver.urls()["webhook"]]
    for kind in ("run_failed", "quarantined", "champion_changed"):
        send(project, receiver, urls, kind=kind)
    seen = {
        target: [a.payload for a in receiver.arrived if a.target == target] for target in TARGETS
    }
    severities = [payload["payload"]["severity"] for payload in seen["pagerduty"]]
    assert severities == ["critical", "warning", "info"]
    assert [payload["type"] for payload in seen["webhook"]] == ["failure", "warning", "info"]


def test_a_target_gets_only_what_is_severe_enough(project: Project, receiver: Receiver) -> None:
    urls = receiver.urls()
    chosen = [f"critical={urls['pagerduty']}", f"warning={urls['email']}", urls["webhook"]]
    assert len(send(project, receiver, chosen, kind="champion_changed").arrived) == 1
    assert len(send(project, receiver, chosen, kind="quarantined").arrived) == 2
    assert len(send(project, receiver, chosen, kind="run_crashed").arrived) == 3


def test_a_target_that_fails_twice_gets_the_third_try(project: Project, receiver: Receiver) -> None:
    for target in TARGETS:
        receiver.fail(target, times=2)
    assert send(project, receiver, [*receiver.urls().values()]).arrived == [True] * 5
    assert [receiver.attempts[target] for target in TARGETS] == [3] * 5
    assert len(receiver.arrived) == 5


LOGGED = {"untrusted": "CERTIFICATE_VERIFY_FAILED", "login": "(535, ", "recipient": "(550, "}


@pytest.mark.parametrize(
    "fault",
    [
        *("refuse", "untrusted", "fail", "login", "recipient"),
        *(pytest.param(slow, marks=pytest.mark.matrix) for slow in ("hang", "drip")),
    ],
)
def test_a_failing_target_does_not_affect_the_others(
    project: Project, receiver: Receiver, fault: Any
) -> None:
    """All but the webhook fail; one that hangs does so for longer than `send` is waited for."""
    ill: list[Target] = [target for target in TARGETS if target != "webhook"]
    if fault in ("login", "recipient"):
        ill = ["email"]
        receiver.reject(fault)
    else:
        for target in ill:
            getattr(receiver, fault)(target)
    urls = receiver.urls()
    sent = send(project, receiver, [urls[target] for target in (*ill, "webhook")])
    assert sent.arrived == [False] * len(ill) + [True]
    assert [alert.target for alert in receiver.arrived] == ["webhook"]
    assert sent.log.count("in 3 tries") == len(ill)
    if fault in LOGGED:
        assert LOGGED[fault] in sent.log


def test_a_target_that_does_not_listen(project: Project) -> None:
    with Receiver() as closed:
        urls = [closed.urls()["webhook"], closed.urls()["email"]]
    assert send(project, closed, urls).arrived == [False, False]
