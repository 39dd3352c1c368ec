"""What stands between the pipeline and the stack that watches it: `python -m` ... `monitor`.

`GET /metrics` tells Prometheus what `metrics.py` knows. `POST /alerts` takes what Prometheus makes
of it, by way of Alertmanager, and sends it wherever `ALERT_URLS` says, as a run's own alerts are.
"""

import logging
from collections.abc import Iterable
from datetime import datetime
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Literal
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from pydantic import BaseModel, Field

from .alerts import SEVERITIES, send, usable, warn_without_targets
from .errors import BadInput, in_a_line
from .events import SEVERITY, Event
from .metrics import PipelineMetrics
from .params import Params

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger(__name__)

LARGEST = 1_000_000
"""Bytes that a notification of Alertmanager's may have."""

# What is told by a place of its own in an event, or by none.
TOLD = {"alertname", "severity", "period", "run_id", "step"}


class Alert(BaseModel):
    """An alert, as Alertmanager's webhook has it: https://prometheus.io/docs/alerting."""

    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    annotations: dict[str, str]
    since: datetime = Field(alias="startsAt")
    fingerprint: str


class Notification(BaseModel):
    """What Alertmanager posts: one alert, as `monitoring/alertmanager.yml` groups them."""

    alerts: list[Alert]


def event_of(alert: Alert) -> Event:
    """Return the event that tells of an alert; that it is over is no more than information."""
    labels, name = alert.labels, alert.labels.get("alertname", "an alert")
    summary = alert.annotations.get("summary", name)
    told = [f"{label}: {value}" for label, value in labels.items() if label not in TOLD]
    if "runbook_url" in alert.annotations:
        told.append(f"what to do: {alert.annotations['runbook_url']}")
    over = alert.status == "resolved"
    asked = next((s for s in SEVERITIES if s == labels.get("severity")), SEVERITY["monitoring"])
    return Event(
        kind="monitoring",
        severity="info" if over else asked,
        title=f"over: {summary}" if over else summary,
        reason=alert.annotations.get("description", summary),
        facts=[*told, f"rule: {name}, since {alert.since:%Y-%m-%d %H:%M %Z}"],
        period=labels.get("period", ""),
        run_id=labels.get("run_id", ""),
        step=labels.get("step"),
        attempt=f"{alert.fingerprint} {alert.status} {alert.since.isoformat()}",
    )


class Messenger:
    """Passes an alert on to all targets, once, however often Alertmanager has to try."""

    def __init__(self) -> None:
        """Remember nobody who was told."""
        self._told: dict[str, set[str]] = {}

    def pass_on(self, event: Event) -> bool:
        """Send an event to all targets; tell whether it arrived.

        Where it did not, those who were told are remembered until all are: it is to come again.
        """
        told = self._told.setdefault(event.attempt, set())
        left = [t for t in usable() if t.wants(event) and t.address not in told]
        arrived = send(event, left)
        told.update(target.address for target, came in zip(left, arrived, strict=True) if came)
        if all(arrived):
            self._told.pop(event.attempt, None)
        return all(arrived)


class Monitor:
    """The WSGI application."""

    def __init__(self, params: Params) -> None:
        """Begin to look at what the parameters name."""
        registry = CollectorRegistry()
        registry.register(PipelineMetrics(params))
        self._metrics: WSGIApplication = make_wsgi_app(registry)
        self._messenger = Messenger()

    def __call__(
        self, request: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer a request."""
        match request["REQUEST_METHOD"], request["PATH_INFO"]:
            case "GET", "/metrics":
                return self._metrics(request, start_response)
            case "GET", "/health":
                status, said = "200 OK", "ok"
            case "POST", "/alerts":
                status, said = self._take(request)
            case _:
                status, said = "404 Not Found", "GET /metrics, GET /health and POST /alerts are."
        start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
        return [f"{said}\n".encode()]

    def _take(self, request: "WSGIEnvironment") -> tuple[str, str]:
        """Pass a notification on; return status and sentence of the answer."""
        try:
            length = int(request.get("CONTENT_LENGTH") or 0)
            if not 0 < length <= LARGEST:
                return "400 Bad Request", f"Send 1 to {LARGEST} bytes, and say how many."
            body = request["wsgi.input"].read(length)
            events = [event_of(alert) for alert in Notification.model_validate_json(body).alerts]
        except ValueError as error:
            log.warning("alerts: refused: %s", in_a_line(error))
            return "400 Bad Request", "That is no notification of Alertmanager's."
        arrived = [self._messenger.pass_on(event) for event in events]
        if not all(arrived):
            return "503 Service Unavailable", "Not everybody was reached: send it again."
        return "200 OK", "ok"


class Server(ThreadingMixIn, WSGIServer):
    """A thread for each request: a target that takes long keeps no scrape waiting."""

    daemon_threads = True


class Handler(WSGIRequestHandler):
    """Requests that went well are no news."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in the base class
        """Log for who wants to know all."""
        log.debug(format, *args)


def serve(params: Params, host: str, port: int) -> None:
    """Serve metrics and take alerts, until the process ends.

    Whoever reaches it can send alerts: let that be the stack only.

    Args:
        params: the parameters; after a change, start anew.
        host: the address to listen at.
        port: the port; 0 for one that is free.

    Raises:
        BadInput: it cannot listen there, as when the port is taken.
    """
    warn_without_targets(params)
    try:
        server = make_server(host, port, Monitor(params), Server, Handler)
    except OSError as error:
        raise BadInput(f"Nothing can listen at {host}:{port}: {error.strerror}.") from error
    with server:
        log.info("monitor: http://%s:%d/metrics", host, server.server_port)
        server.serve_forever()
