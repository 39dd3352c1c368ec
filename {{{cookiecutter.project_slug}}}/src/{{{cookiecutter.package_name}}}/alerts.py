"""Alerts: send what happened, once, wherever `ALERT_URLS` says.

`ALERT_URLS`, in the environment or in `.env`, holds Apprise URLs with blanks between them, for
Slack, mail, PagerDuty and a hundred more: https://appriseit.com/services. `warning=` or `critical=`
before a URL keeps what is less severe from that target.
"""

import hashlib
import logging
import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, get_args
from urllib.parse import unquote

from dotenv import dotenv_values
from upath import UPath

from .errors import BadInput, without_passwords
from .events import Event, Severity, outcome
from .params import Params
from .results import Result
from .workspace import Run, Workspace, locked, write_json

if TYPE_CHECKING:
    from apprise import NotifyBase

log = logging.getLogger(__name__)

VARIABLE = "ALERT_URLS"
PROJECT = "{{{ cookiecutter.project_slug }}}"
TIMEOUT = 10.0
"""Seconds that one try may take."""
TRIES = 3
PAUSE = 1.0
"""Seconds before the second try; twice as many before the third."""

SEVERITIES: tuple[Severity, ...] = get_args(Severity)
LIST = "https://appriseit.com/services"


@dataclass(frozen=True)
class Target:
    """Where alerts go."""

    service: "NotifyBase"
    address: str
    """Its entry in `ALERT_URLS`, secrets and all."""
    number: int
    """Which entry that is, from 1."""
    least: Severity
    """Nothing less severe is sent there."""

    def __str__(self) -> str:
        """Name it, without its secrets."""
        return f"{self.service.service_name} (entry {self.number})"

    def wants(self, event: Event) -> bool:
        """Tell whether an event is severe enough for it."""
        return SEVERITIES.index(event.severity) >= SEVERITIES.index(self.least)


def tell(run: Run, result: Result | None, *, attempt: str, run_url: str | None, rerun: str) -> None:
    """Send the alert of how a run ended, if that is something to be said.

    Args:
        run: the run.
        result: how it ended; None where nothing is known of that.
        attempt: the orchestrator's own id of this try.
        run_url: the run in the orchestrator's pages, if it has any.
        rerun: the command that starts the work again.
    """
    if result is None:
        return
    event = outcome(run, result, attempt=attempt, run_url=run_url, rerun=rerun)
    if event is not None:
        notify(event, Workspace(run).folder)


def notify(event: Event, folder: UPath) -> None:
    """Send an event to all targets that were not told before; whatever happens, only log it.

    Args:
        event: what happened.
        folder: where to remember who was told: the run's, or that of all runs.
    """
    memory = folder / "alerts"
    try:
        try:
            memory.mkdir(parents=True, exist_ok=True)
            lock = locked(memory / ".lock", "alert: another process is sending one", 60)
            with lock:
                _tell_those_left(event, memory)
        except OSError as error:  # on a full disk, say; people should know of that all the more
            log.warning("alert %s: it cannot be remembered: %s", event.kind, error)
            send(event, [target for target in usable() if target.wants(event)])
    except Exception as error:  # noqa: BLE001 - an alert never harms a run
        log.error("alert %s: %s", event.kind, without_passwords(str(error)))  # noqa: TRY400


def _tell_those_left(event: Event, memory: UPath) -> None:
    """Send an event to the targets that were not told, and remember those that are."""
    about = f"{event.period} {event.run_id} {event.attempt}"
    notes = {}
    for target in usable():
        if not target.wants(event):
            continue
        key = hashlib.sha256(f"{about} {target.address}".encode()).hexdigest()
        note = memory / f"{event.kind}-{key[:8]}.json"
        if not note.exists():
            notes[target] = note
    for target, arrived in zip(notes, send(event, list(notes)), strict=True):
        if arrived:
            try:
                write_json(notes[target], event)
            except OSError as error:  # it is sent, and is not to be sent once more for that
                log.warning("alert %s: it cannot be remembered: %s", event.kind, error)


def send(event: Event, where: list[Target]) -> list[bool]:
    """Send an event to targets, side by side; tell for each whether it arrived.

    It takes no longer than the tries of one target.
    """
    with ThreadPoolExecutor(max_workers=len(where) or 1) as pool:
        arrived = list(pool.map(lambda target: _arrives(event, target), where))
    for target, came in zip(where, arrived, strict=True):
        if came:
            log.info("alert %s: sent to %s", event.kind, target)
        else:
            log.error("alert %s: not sent to %s, in %d tries", event.kind, target, TRIES)
    return arrived


def _arrives(event: Event, target: Target) -> bool:
    """Send an event to a target, and again where that fails; tell whether it arrived."""
    for number in range(TRIES):
        time.sleep(number * PAUSE)
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
    from apprise import NotifyType

    kind = {
        "info": NotifyType.INFO,
        "warning": NotifyType.WARNING,
        "critical": NotifyType.FAILURE,
    }[event.severity]
    try:
        arrived = target.service.notify(notify_type=kind, **_written_for(target.service, event))
    except Exception as error:  # noqa: BLE001 - of whatever library the target is spoken to by
        log.warning("alert %s: %s: %s", event.kind, target, type(error).__name__)
        arrived = False
    answer.put(bool(arrived))


def _written_for(service: "NotifyBase", event: Event) -> dict[str, Any]:
    """Return title and body as a service shows them best; set what it has besides."""
    from apprise import NotifyFormat

    title = f"{PROJECT}: {event.title}"
    lines = [event.reason, "", *(f"- {fact}" for fact in event.all_facts)]
    match service.service_name:
        case "Pager Duty":  # shows one line, a link and a table
            service.source = service.component = PROJECT
            service.click = event.run_url
            service.details = event.named | {"details": "; ".join(event.facts)}
            return {"title": "", "body": f"{title}: {event.reason}"}
        case "E-Mail":  # its plain text is made from this
            facts = "".join(f"<li>{escape(fact)}</li>" for fact in event.all_facts)
            body = f"<p>{escape(event.reason)}</p><ul>{facts}</ul>"
            return {"title": title, "body": body, "body_format": NotifyFormat.HTML}
        case "Slack":  # reads marks of its own in blocks; there, only these three need escapes
            service.use_blocks = True
            body = escape("\n".join(lines), quote=False)
        case "JSON":  # a program reads it
            service.payload_extras = event.model_dump(mode="json", exclude={"title"})
            body = "\n".join(lines)
        case _:
            body = "\n".join(lines)
    return {"title": title, "body": body, "body_format": NotifyFormat.MARKDOWN}


def targets() -> list[Target]:
    """Return where alerts go: what `ALERT_URLS` names.

    Raises:
        BadInput: one of them is malformed.
    """
    return [_target(number, entry) for number, entry in enumerate(addresses(), 1)]


def usable() -> list[Target]:
    """Return the targets that are well formed: a run is no time to be strict about the others."""
    usable = []
    for number, entry in enumerate(addresses(), 1):
        try:
            usable.append(_target(number, entry))
        except BadInput as error:
            log.error("%s", error)  # noqa: TRY400 - it is one sentence
    return usable


def addresses() -> list[str]:
    """Return the entries of `ALERT_URLS`, secrets and all."""
    file = dotenv_values(Path(".env"), interpolate=False)
    return (os.environ.get(VARIABLE, file.get(VARIABLE)) or "").split()


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
    if entry.endswith(","):
        raise BadInput(f"{VARIABLE}: entry {number} ends with a comma: let blanks stand between.")
    _keep_secrets()
    asset = AppriseAsset(app_id=PROJECT, app_desc=PROJECT, image_url_mask="", image_url_logo="")
    service = Apprise.instantiate(entry, asset=asset)
    if service is not None:
        service.socket_connect_timeout = service.socket_read_timeout = TIMEOUT
        service.request_rate_per_sec = 0  # else it sleeps for seconds between two tries
        return Target(service, entry, number, least)
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


class _Censor(logging.Filter):
    """Leaves out of a log line what stands in `ALERT_URLS`, word by word."""

    def filter(self, record: logging.LogRecord) -> bool:
        said = record.getMessage()
        for entry in addresses():
            for secret in re.findall(r"[\w%+-]{4,}", entry.partition("://")[2] or entry):
                said = said.replace(secret, "***").replace(unquote(secret), "***")
        record.msg, record.args = said, ()
        return True


@cache
def _keep_secrets() -> None:
    """Keep Apprise, and what it sends with, from logging secrets: they do, in parts and whole."""
    for name in ("apprise", "urllib3.connectionpool"):
        logging.getLogger(name).addFilter(_Censor())
