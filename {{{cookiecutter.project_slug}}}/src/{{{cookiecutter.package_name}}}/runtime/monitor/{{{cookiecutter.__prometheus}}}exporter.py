"""The HTTP server between pipeline and Prometheus, as the command `monitor` starts it.

`GET /metrics` serves the metrics of `run_metrics.py`. `POST /alerts` receives the alerts that
Alertmanager makes of them, and sends them to the targets of `ALERT_URLS`, like those of a run.
"""

import logging
from collections.abc import Iterable
from datetime import datetime
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Literal
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from pydantic import BaseModel, Field

from ..config import Params
from ..errors import BadInput, one_line
from ..notify.alerts import send
from ..notify.events import SEVERITY, Event
from ..notify.targets import SEVERITIES, valid_targets, warn_without_targets
from .run_metrics import PipelineMetrics

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger(__name__)

LARGEST = 1_000_000
"""Bytes that a notification of Alertmanager's may have."""

# Labels that have a field of their own in an event, or none.
IN_FIELDS = {"alertname", "severity", "period", "run_id", "step"}


class Alert(BaseModel):
    """An alert, as Alertmanager's webhook has it: https://prometheus.io/docs/alerting."""

    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    annotations: dict[str, str]
    since: datetime = Field(alias="startsAt")
    fingerprint: str


class Notification(BaseModel):
    """What Alertmanager posts: one alert, as `ops/monitoring/alertmanager.yml` groups them."""

    alerts: list[Alert]


def event_of(alert: Alert) -> Event:
    """Return the event of an alert; a resolved one is for information."""
    labels, name = alert.labels, alert.labels.get("alertname", "an alert")
    summary = alert.annotations.get("summary", name)
    facts = [f"{label}: {value}" for label, value in labels.items() if label not in IN_FIELDS]
    if "runbook_url" in alert.annotations:
        facts.append(f"what to do: {alert.annotations['runbook_url']}")
    over = alert.status == "resolved"
    asked = next((s for s in SEVERITIES if s == labels.get("severity")), SEVERITY["monitoring"])
    return Event(
        kind="monitoring",
        severity="info" if over else asked,
        title=f"over: {summary}" if over else summary,
        reason=alert.annotations.get("description", summary),
        facts=[*facts, f"rule: {name}, since {alert.since:%Y-%m-%d %H:%M %Z}"],
        period=labels.get("period", ""),
        run_id=labels.get("run_id", ""),
        step=labels.get("step"),
        attempt=f"{alert.fingerprint} {alert.status} {alert.since.isoformat()}",
    )


class Monitor:
    """The WSGI application."""

    def __init__(self, params: Params) -> None:
        """Serve the metrics of what the parameters name."""
        registry = CollectorRegistry()
        registry.register(PipelineMetrics(params))
        self._metrics: WSGIApplication = make_wsgi_app(registry)
        self._received: dict[str, set[str]] = {}

    def __call__(
        self, request: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer a request."""
        match request["REQUEST_METHOD"], request["PATH_INFO"]:
            case "GET", "/metrics":
                return self._metrics(request, start_response)
            case "GET", "/health":
                status, text = "200 OK", "ok"
            case "POST", "/alerts":
                status, text = self._take(request)
            case _:
                status = "404 Not Found"
                text = "Not found. Endpoints: GET /metrics, GET /health, POST /alerts."
        start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
        return [f"{text}\n".encode()]

    def _take(self, request: "WSGIEnvironment") -> tuple[str, str]:
        """Send the alerts of a notification; return status and sentence of the answer."""
        try:
            length = int(request.get("CONTENT_LENGTH") or 0)
            if not 0 < length <= LARGEST:
                return "400 Bad Request", f"Send 1 to {LARGEST} bytes with a Content-Length."
            body = request["wsgi.input"].read(length)
            events = [event_of(alert) for alert in Notification.model_validate_json(body).alerts]
        except ValueError as error:
            log.warning("alerts: refused: %s", one_line(error))
            return "400 Bad Request", "The body is not a notification of Alertmanager."
        arrived = [self._pass_on(event) for event in events]
        if not all(arrived):
            return "503 Service Unavailable", "Not all targets were reached: send it again."
        return "200 OK", "ok"

    def _pass_on(self, event: Event) -> bool:
        """Send an event to all targets, once; return whether it arrived.

        Targets that received it are remembered until all have: Alertmanager sends it again.
        """
        received = self._received.setdefault(event.attempt, set())
        left = [t for t in valid_targets() if t.wants(event) and t.address not in received]
        arrived = send(event, left)
        received.update(target.address for target, came in zip(left, arrived, strict=True) if came)
        if all(arrived):
            self._received.pop(event.attempt, None)
        return all(arrived)


class Server(ThreadingMixIn, WSGIServer):
    """A thread for each request: a slow target delays no scrape."""

    daemon_threads = True


class Handler(WSGIRequestHandler):
    """Requests are logged at debug level."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in the base class
        """Log a request."""
        log.debug(format, *args)


def serve(params: Params, host: str, port: int) -> None:
    """Serve metrics and receive alerts, until the process ends.

    It has no authentication: only the stack should reach it. Port 0 is one that is free.

    Raises:
        BadInput: it cannot listen there, as when the port is taken.
    """
    warn_without_targets(params)
    try:
        server = make_server(host, port, Monitor(params), Server, Handler)
    except OSError as error:
        raise BadInput(
            f"Cannot listen on {host}:{port}: {error.strerror}; choose another --port."
        ) from error
    with server:
        log.info("monitor: http://%s:%d/metrics", host, server.server_port)
        server.serve_forever()
