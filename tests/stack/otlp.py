"""A stand-in for Prometheus' OTLP receiver, which Debian's Prometheus lacks: `otlp.py PORT`.

It runs in a project's image. `POST /api/v1/otlp/v1/metrics` accepts metrics of OpenTelemetry.
`GET /metrics` serves them, under the names and labels of Prometheus 3.5, for a scrape with
`honor_labels`. Unknown kinds of metrics are refused.
"""

import gzip
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from time import monotonic
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (  # type: ignore[import-not-found]
    ExportMetricsServiceRequest,
)

FORGOTTEN = 300.0
"""Seconds after which a series without new values is stale, as in Prometheus."""
UNITS = {"ms": "_milliseconds", "s": "_seconds", "1": "", "": ""}

lock = Lock()
series: dict[str, tuple[float, float]] = {}
"""The value of each, and when it came."""


def take(request: Any) -> None:
    """Remember the metrics of a request."""
    for resource in request.resource_metrics:
        whose = labels(resource.resource.attributes)
        job, instance = whose["service_name"], whose["service_instance_id"]
        for metric in (metric for scope in resource.scope_metrics for metric in scope.metrics):
            kind = metric.WhichOneof("data")
            points = getattr(metric, kind).data_points
            name = re.sub(r"\W", "_", metric.name) + UNITS[metric.unit]
            match kind:
                case "gauge":
                    found = [(name, point, value(point)) for point in points]
                case "sum":
                    full = f"{name}_total" if metric.sum.is_monotonic else name
                    found = [(full, point, value(point)) for point in points]
                case "exponential_histogram":  # a native histogram there; here without its buckets
                    found = [(f"{name}_count", point, point.count) for point in points]
                    found += [(f"{name}_sum", point, point.sum) for point in points]
                case _:
                    raise ValueError(f"{metric.name}: nothing is known of a {kind}")
            with lock:
                for full, point, number in found:
                    named = {"job": job, "instance": instance} | labels(point.attributes)
                    written = ",".join(f'{label}="{text}"' for label, text in named.items())
                    series[f"{full}{{{written}}}"] = (float(number), monotonic())


def value(point: Any) -> float:
    """Return the value of a point."""
    return float(getattr(point, point.WhichOneof("value")))


def labels(attributes: Any) -> dict[str, str]:
    """Return attributes as labels."""
    return {
        re.sub(r"\W", "_", one.key): str(getattr(one.value, one.value.WhichOneof("value")))
        for one in attributes
    }


class Receiver(BaseHTTPRequestHandler):
    """Receives and serves metrics."""

    def do_POST(self) -> None:
        """Receive metrics of OpenTelemetry."""
        if self.path != "/api/v1/otlp/v1/metrics":
            self.send_error(404)
            return
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        take(ExportMetricsServiceRequest.FromString(body))
        self.send_response(200)
        self.end_headers()

    def do_GET(self) -> None:
        """Serve the metrics that are not stale."""
        with lock:
            lately = [
                f"{name} {number}\n"
                for name, (number, came) in series.items()
                if monotonic() - came < FORGOTTEN
            ]
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.end_headers()
        self.wfile.write("".join(lately).encode())


if __name__ == "__main__":
    ThreadingHTTPServer(("", int(sys.argv[1])), Receiver).serve_forever()
