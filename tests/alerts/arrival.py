"""Alerts of runs, as they arrive at all targets, and their cells in docs/alerts.md."""

import json
import time
from typing import get_args

from tests.alerts.formats import check_shape
from tests.alerts.receiver import Alert, Receiver, Target
from tests.tables import ALERTS, record

TARGETS: tuple[Target, ...] = get_args(Target)
EVENTS = {
    "run_failed": "the run failed",
    "quarantined": "the run was quarantined",
    "challenger_rejected": "the challenger was rejected",
    "champion_changed": "the champion changed",
    "deadline_missed": "a deadline was missed",
}
NAMES: dict[Target, str] = {
    "slack": "Slack",
    "email": "email",
    "teams": "Teams",
    "pagerduty": "PagerDuty",
    "webhook": "webhook",
}


def variables(receiver: Receiver) -> dict[str, str]:
    """Return the environment of a project that alerts all targets."""
    return receiver.environment() | {"ALERT_URLS": " ".join(receiver.urls().values())}


def text_of(alert: Alert) -> str:
    """Return the text that a reader sees."""
    if alert.target == "email":
        parts = [part.get_content() for part in alert.payload.iter_parts()]
        return "".join([alert.payload["Subject"], *parts])
    return json.dumps(alert.payload, ensure_ascii=False)


def check_arrived(
    receiver: Receiver, column: str, kind: str, title: str, *words: str
) -> dict[str, str]:
    """Check that each target received one alert of this title, in its format; record that.

    Args:
        receiver: receives the alerts; others may have arrived there, too.
        column: the orchestrator, as in the table.
        kind: the kind of event.
        title: the alert's title, after the project's name.
        words: texts that the alert contains.

    Returns:
        The webhook's payload.
    """
    end = time.monotonic() + 60
    found: list[Alert] = []
    while time.monotonic() < end and len(found) < len(TARGETS):
        time.sleep(0.2)
        found = [alert for alert in list(receiver.arrived) if f": {title}" in text_of(alert)]
    assert sorted(alert.target for alert in found) == sorted(TARGETS), title
    for alert in found:
        check_shape(alert)
        text = text_of(alert)
        assert not [word for word in words if word not in text], (alert.target, text)
        row = f"{EVENTS[kind]}: {NAMES[alert.target]}"
        record(ALERTS, row, column, "arrived, once")
    (payload,) = (alert.payload for alert in found if alert.target == "webhook")
    assert payload["kind"] == kind
    return dict(payload)


def check_sent_once(receiver: Receiver) -> None:
    """Check that no alert was sent twice."""
    said = [
        (alert.payload["kind"], alert.payload["title"], alert.payload["attempt"])
        for alert in receiver.arrived
        if alert.target == "webhook"
    ]
    assert len(said) == len(set(said)), said
