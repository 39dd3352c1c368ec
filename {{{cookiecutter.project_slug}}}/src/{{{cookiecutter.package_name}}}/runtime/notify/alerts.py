"""Send alerts, each once, to the targets of `ALERT_URLS`."""

import hashlib
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from html import escape
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any

from filelock import Timeout
from upath import UPath

from .. import PROJECT
from ..errors import redact
from ..files import locked, write_json
from ..results import Result
from ..run import Run, RunDir
from .events import Event, run_event
from .targets import TIMEOUT, Target, valid_targets

if TYPE_CHECKING:
    from apprise import NotifyBase

log = logging.getLogger(__name__)

TRIES = 3
PAUSE = 1.0
"""Seconds before the second try; twice as many before the third."""
PATIENCE = 300.0
"""Seconds to wait while other processes send alerts: one sends for at most 33."""


def alert_outcome(
    run: Run, result: Result | None, *, attempt: str, run_url: str | None, rerun: str
) -> None:
    """Send the alert of a run's outcome, where there is one; see `run_event`."""
    if result and (event := run_event(run, result, attempt=attempt, run_url=run_url, rerun=rerun)):
        notify(event, RunDir(run).folder)


def notify(event: Event, folder: UPath) -> None:
    """Send an event to all targets that have not received it; errors are only logged.

    Who received it is recorded in `folder`: the run directory, or the folder of runs.
    """
    memory = folder / "alerts"
    try:
        wanting = [target for target in valid_targets() if target.wants(event)]
        try:
            memory.mkdir(parents=True, exist_ok=True)
            with locked(memory / ".lock", "alert: another process is sending one", PATIENCE):
                _send_to_new(event, wanting, memory)
        except Timeout:  # an `OSError`, too; the other process may be sending this alert
            message = "alert %s: not sent: another process has been sending one for %g s"
            log.error(message, event.kind, PATIENCE)  # noqa: TRY400 - it is one sentence
        except OSError as error:  # a full disk is worth an alert of its own
            log.warning("alert %s: it cannot be recorded: %s", event.kind, error)
            send(event, wanting)
    except Exception as error:  # noqa: BLE001 - an alert never harms a run
        log.error("alert %s: %s", event.kind, redact(str(error)))  # noqa: TRY400


def _send_to_new(event: Event, wanting: list[Target], memory: UPath) -> None:
    """Send an event to the targets that have not received it, and record those that do."""
    about = f"{event.period} {event.run_id} {event.attempt}"
    notes = {}
    for target in wanting:
        key = hashlib.sha256(f"{about} {target.address}".encode()).hexdigest()
        note = memory / f"{event.kind}-{key[:8]}.json"
        if not note.exists():
            notes[target] = note
    for target, arrived in zip(notes, send(event, list(notes)), strict=True):
        if arrived:
            try:
                write_json(notes[target], event)
            except OSError as error:  # it is sent, and must not be sent again
                log.warning("alert %s: it cannot be recorded: %s", event.kind, error)


def send(event: Event, where: list[Target]) -> list[bool]:
    """Send an event to targets in parallel; return for each whether it arrived."""
    with ThreadPoolExecutor(max_workers=len(where) or 1) as pool:
        arrived = list(pool.map(lambda target: _arrives(event, target), where))
    for target, came in zip(where, arrived, strict=True):
        if came:
            log.info("alert %s: sent to %s", event.kind, target)
        else:
            log.error("alert %s: not sent to %s, in %d tries", event.kind, target, TRIES)
    return arrived


def _arrives(event: Event, target: Target) -> bool:
    """Send an event to a target, with retries; return whether it arrived."""
    for number in range(TRIES):
        time.sleep(number * PAUSE)
        # In a thread of its own: a target that keeps sending single bytes meets no timeout.
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

    kind = NotifyType("failure" if event.severity == "critical" else event.severity)
    try:
        arrived = target.service.notify(notify_type=kind, **_format(target.service, event))
    except Exception as error:  # noqa: BLE001 - of any library that the service uses
        log.warning("alert %s: %s: %s", event.kind, target, type(error).__name__)
        arrived = False
    answer.put(bool(arrived))


def _format(service: "NotifyBase", event: Event) -> dict[str, Any]:
    """Return title and body as a service shows them best; set its further fields."""
    from apprise import NotifyFormat

    title = f"{PROJECT}: {event.title}"
    lines = [event.reason, "", *(f"- {fact}" for fact in event.all_facts)]
    body = "\n".join(lines)
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
            body = escape(body, quote=False)
        case "JSON":  # a program reads it
            service.payload_extras = event.model_dump(mode="json", exclude={"title"})
    return {"title": title, "body": body, "body_format": NotifyFormat.MARKDOWN}
