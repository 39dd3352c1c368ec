"""Where alerts go: the targets that `ALERT_URLS` names.

`ALERT_URLS`, in the environment or in `.env`, holds Apprise URLs separated by blanks, for Slack,
mail, PagerDuty and a hundred more: https://appriseit.com/services. `warning=` or `critical=` before
a URL keeps less severe alerts from that target.
"""

import logging
import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, get_args
from urllib.parse import unquote

from dotenv import dotenv_values

from .. import PROJECT
from ..config import Params
from ..errors import BadInput
from .events import Event, Severity

if TYPE_CHECKING:
    from apprise import NotifyBase

log = logging.getLogger(__name__)

VARIABLE = "ALERT_URLS"
TIMEOUT = 10.0
"""Seconds that one try may take."""

SEVERITIES: tuple[Severity, ...] = get_args(Severity)


@dataclass(frozen=True)
class Target:
    """A receiver of alerts."""

    service: "NotifyBase"
    address: str
    """Its entry in `ALERT_URLS`, secrets included."""
    number: int
    """Which entry that is, from 1."""
    least: Severity
    """Less severe events are not sent there."""

    def __str__(self) -> str:
        """Return its name, without its secrets."""
        return f"{self.service.service_name} (entry {self.number})"

    def wants(self, event: Event) -> bool:
        """Return whether an event is severe enough for it."""
        return SEVERITIES.index(event.severity) >= SEVERITIES.index(self.least)


def targets() -> list[Target]:
    """Return the targets that `ALERT_URLS` names; raise `BadInput` where one is malformed."""
    return [_target(number, entry) for number, entry in enumerate(addresses(), 1)]


def valid_targets() -> list[Target]:
    """Return the targets that are well formed; a running pipeline only logs the others."""
    valid = []
    for number, entry in enumerate(addresses(), 1):
        try:
            valid.append(_target(number, entry))
        except BadInput as error:
            log.error("%s", error)  # noqa: TRY400 - it is one sentence
    return valid


def addresses() -> list[str]:
    """Return the entries of `ALERT_URLS`, secrets included."""
    file = dotenv_values(Path(".env"), interpolate=False)
    return (os.environ.get(VARIABLE, file.get(VARIABLE)) or "").split()


def warn_without_targets(params: Params) -> None:
    """Log a warning where alerts are wanted and there is no target; for errors see `targets`."""
    if not targets() and params.alerts.wanted:
        log.warning(
            "No alerts will be sent: set %s as .env.example says, "
            "or `wanted: false` below `alerts` in params.yaml.",
            VARIABLE,
        )


def _target(number: int, entry: str) -> Target:
    from apprise import Apprise, AppriseAsset

    least: Severity = "info"
    for severity in SEVERITIES:
        if entry.startswith(f"{severity}="):
            least, entry = severity, entry.removeprefix(f"{severity}=")
    if entry.endswith(","):
        raise BadInput(f"{VARIABLE}: entry {number} ends with a comma: separate entries by blanks.")
    _redact_logs()
    asset = AppriseAsset(app_id=PROJECT, app_desc=PROJECT, image_url_mask="", image_url_logo="")
    service = Apprise.instantiate(entry, asset=asset)
    if service is not None:
        service.socket_connect_timeout = service.socket_read_timeout = TIMEOUT
        service.request_rate_per_sec = 0  # else it sleeps for seconds between tries
        return Target(service, entry, number, least)
    raise BadInput(
        f"{VARIABLE}: entry {number} {_what_is_wrong(entry)}; see .env.example and "
        "https://appriseit.com/services."
    )


def _what_is_wrong(entry: str) -> str:
    """Return why Apprise does not take an address."""
    from apprise.manager_plugins import NotificationManager

    scheme, separator, _ = entry.partition("://")
    if not separator:
        return "is not a URL, such as slack://…"
    if scheme in ("http", "https"):
        return f"names no known service; for a webhook of your own, write json{scheme[4:]}://"
    if scheme not in NotificationManager():  # type: ignore[no-untyped-call]
        return "has an unknown scheme"
    return f"is an incomplete {scheme}:// address: credentials or a receiver may be missing"


class _Redacted(logging.Filter):
    """Removes the words of `ALERT_URLS` from log lines."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        for entry in addresses():
            for secret in re.findall(r"[\w%+-]{4,}", entry.partition("://")[2] or entry):
                message = message.replace(secret, "***").replace(unquote(secret), "***")
        record.msg, record.args = message, ()
        return True


@cache
def _redact_logs() -> None:
    """Redact the logs of Apprise and of what it sends with: they contain secrets."""
    for name in ("apprise", "urllib3.connectionpool"):
        logging.getLogger(name).addFilter(_Redacted())
