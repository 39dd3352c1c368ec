"""Alerts: send what happened, once, wherever `ALERT_URLS` says.

`ALERT_URLS`, in the environment or in `.env`, holds Apprise URLs with blanks between them, for
Slack, mail, PagerDuty and a hundred more: https://appriseit.com/services. `warning=` or `critical=`
before a URL keeps what is less severe from that target.
"""

import hashlib
import logging
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, get_args

from dotenv import dotenv_values
from upath import UPath

from .errors import BadInput, without_passwords
from .events import Event, Severity
from .params import Params
from .workspace import locked, write_json

if TYPE_CHECKING:
    from apprise import NotifyBase

log = logging.getLogger(__name__)

VARIABLE = "ALERT_URLS"
PROJECT = "{{{ cookiecutter.project_slug }}}"
TIMEOUT = 10.0
"""Seconds that one try may take."""
TRIES = 3

SEVERITIES: tuple[Severity, ...] = get_args(Severity)
LIST = "https://appriseit.com/services"


@dataclass(frozen=True)
class Target:
    """Where alerts go."""

    service: "NotifyBase"
    least: Severity
    """Nothing less severe is sent there."""

    def __str__(self) -> str:
        """Name it, without its secrets."""
        return str(self.service.service_name)

    def wants(self, event: Event) -> bool:
        """Tell whether an event is severe enough for it."""
        return SEVERITIES.index(event.severity) >= SEVERITIES.index(self.least)


def notify(event: Event, folder: UPath) -> None:
    """Send an event to all targets, unless that was done; whatever happens, only log it.

    Args:
        event: what happened.
        folder: where to remember that it was said: the run's, or that of all runs.
    """
    key = hashlib.sha256(f"{event.period} {event.run_id} {event.attempt}".encode()).hexdigest()
    said = folder / "alerts" / f"{event.kind}-{key[:8]}.json"
    try:
        with locked(said.with_suffix(".lock"), "alert: another process is sending it", 60):
            if not said.exists() and any(send(event, targets())):
                write_json(said, event)
    except Exception as error:  # noqa: BLE001 - an alert never harms a run
        log.error("alert %s: %s", event.kind, without_passwords(str(error)))  # noqa: TRY400


def send(event: Event, where: list[Target]) -> list[bool]:
    """Send an event to the targets that want it, side by side; tell for each whether it arrived.

    It takes no longer than the tries of one target.
    """
    wanting = [target for target in where if target.wants(event)]
    with ThreadPoolExecutor(max_workers=len(wanting) or 1) as pool:
        arrived = list(pool.map(lambda target: _arrives(event, target), wanting))
    for target, came in zip(wanting, arrived, strict=True):
        if came:
            log.info("alert %s: sent to %s", event.kind, target)
        else:
            log.error("alert %s: not sent to %s, in %d tries", event.kind, target, TRIES)
    return arrived


def _arrives(event: Event, target: Target) -> bool:
    """Send an event to a target, and again where that fails; tell whether it arrived."""
    for number in range(TRIES):
        time.sleep(number)
        # In a thread of its own: a target that sends a byte now and then meets no timeout.
        answer: SimpleQueue[bool] = SimpleQueue()
        Thread(target=_try_once, args=[event, target, answer], daemon=True).start()
        try:
            if answer.get(timeout=TIMEOUT):
                return True
        except Empty:
            log.warning("alert %s: no answer from %s in %g s", event.kind, target, TIMEOUT)
    return False


def _try_once(event: Event, target: Target, answer: "SimpleQueue[bool]") -> None:
    from apprise import NotifyFormat, NotifyType

    kind = {
        "info": NotifyType.INFO,
        "warning": NotifyType.WARNING,
        "critical": NotifyType.FAILURE,
    }[event.severity]
    title = f"{PROJECT}: {event.title}"
    try:
        arrived = target.service.notify(
            title=title, body=event.text(), notify_type=kind, body_format=NotifyFormat.MARKDOWN
        )
    except Exception as error:  # noqa: BLE001 - of whatever library the target is spoken to by
        log.warning("alert %s: %s: %s", event.kind, target, type(error).__name__)
        arrived = False
    answer.put(bool(arrived))


def targets() -> list[Target]:
    """Return where alerts go: what `ALERT_URLS` names.

    Raises:
        BadInput: one of them is malformed.
    """
    return [_target(number, entry) for number, entry in enumerate(addresses(), 1)]


def addresses() -> list[str]:
    """Return the entries of `ALERT_URLS`, secrets and all."""
    return (os.environ.get(VARIABLE) or dotenv_values(Path(".env")).get(VARIABLE) or "").split()


def warn_without_targets(params: Params) -> None:
    """Say, at the start, that alerts are wanted and go nowhere.

    Raises:
        BadInput: a target is malformed.
    """
    if not targets() and params.alerts.wanted:
        log.warning(
            "No alerts will be sent: set %s as .env.example says, "
            "or `wanted: false` below `alerts` in params.yaml.",
            VARIABLE,
        )


def _target(number: int, entry: str) -> Target:
    from apprise import Apprise, AppriseAsset
    from apprise.manager_plugins import NotificationManager

    least: Severity = "info"
    for severity in SEVERITIES:
        if entry.startswith(f"{severity}="):
            least, entry = severity, entry.removeprefix(f"{severity}=")
    with _silence():
        service = Apprise.instantiate(entry, asset=AppriseAsset(app_id=PROJECT, app_desc=PROJECT))
    if service is not None:
        return Target(service, least)
    scheme, separator, _ = entry.partition("://")
    if not separator:
        wrong = "is no URL, such as slack://…"
    elif scheme in ("http", "https"):
        wrong = f"is of no known service; for a webhook of yours, write json{scheme[4:]}://"
    elif scheme not in NotificationManager():  # type: ignore[no-untyped-call]
        wrong = "has a scheme that no service has"
    else:
        wrong = f"lacks something of a {scheme}:// address, such as credentials or a receiver"
    raise BadInput(f"{VARIABLE}: entry {number} {wrong}; see .env.example and {LIST}.")


@contextmanager
def _silence() -> Iterator[None]:
    """Keep Apprise from logging an address that it cannot read, secrets and all."""
    logger = logging.getLogger("apprise")
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = False
