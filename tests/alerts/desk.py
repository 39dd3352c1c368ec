"""The alerts that arrived and the faults of targets, shared by the servers and the test."""

import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Target = Literal["slack", "teams", "pagerduty", "webhook", "email"]
FOREVER = 10**9


@dataclass(frozen=True)
class Alert:
    """An alert that arrived: `payload` is parsed JSON, or an `email.message.EmailMessage`."""

    target: Target
    when: datetime
    headers: dict[str, str]
    payload: Any
    user: str | None = None  # who logged in, where the target asks for a password
    tls: str | None = None  # as in "TLSv1.3"


@dataclass
class Fault:
    """A fault of a target; `left` counts down, and at 0 the target works again."""

    kind: Literal["hang", "drip", "refuse", "fail", "untrusted", "login", "recipient"]
    seconds: float = 0.0
    left: int = FOREVER


@dataclass
class Desk:
    """The record of alerts and faults; any thread may call its methods."""

    arrived: list[Alert] = field(default_factory=list)
    attempts: Counter[Target] = field(default_factory=Counter)  # answered well or not
    strays: list[str] = field(default_factory=list)  # hosts asked for that are no target
    faults: dict[Target, Fault] = field(default_factory=dict)
    changed: threading.Condition = field(default_factory=threading.Condition)
    closing: threading.Event = field(default_factory=threading.Event)

    def fault(self, target: Target, *kinds: str) -> Fault | None:
        """Return the target's fault if it is of one of these kinds, and count it."""
        with self.changed:
            found = self.faults.get(target)
            if not found or found.kind not in kinds or not found.left:
                return None
            found.left -= 1
            return found

    def take(self, alert: Alert) -> None:
        """Keep what arrived."""
        with self.changed:
            self.arrived.append(alert)
            self.changed.notify_all()

    def attempt(self, target: Target) -> None:
        """Count a request, or a connection to a mail server."""
        with self.changed:
            self.attempts[target] += 1

    def rest(self, seconds: float) -> None:
        """Sleep, but not after the receiver was closed."""
        self.closing.wait(seconds)
