"""Traces and metrics reach an OTLP collector, where one is named, over real HTTP."""

from __future__ import annotations

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from tests.serve import shop
from tests.serve.live import client, serving, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest.importorskip("opentelemetry.exporter.otlp.proto.http")

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class Collector:
    """Takes what is sent to ``/v1/traces`` and ``/v1/metrics``."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.metrics: set[str] = set()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                collector.take(self.path, body)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, path: str, body: bytes) -> None:
        from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        if path == "/v1/traces":
            sent = ExportTraceServiceRequest.FromString(body)
            self.spans += [span for each in sent.resource_spans for scope in each.scope_spans for span in scope.spans]
        else:
            told = ExportMetricsServiceRequest.FromString(body)
            self.metrics |= {
                metric.name
                for each in told.resource_metrics
                for scope in each.scope_metrics
                for metric in scope.metrics
            }


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_a_sampled_callers_trace_goes_on_and_sums_are_sent(workspace: Path, collector: Collector) -> None:
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server.server_port}",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "OTEL_METRIC_EXPORT_INTERVAL": "300",
        "OTEL_TRACES_SAMPLER_ARG": "0",
    }
    with serving("shop", "--no-log", workspace=workspace, **environment) as live, client(live) as http:
        http.post("/predict", json=shop.GOOD)
        http.post("/predict", json=shop.GOOD, headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-00"})
        reply = http.post("/predict", json=shop.GOOD, headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})
        assert reply.status_code == 200
        until(lambda: collector.spans)
        until(lambda: {"mainspring.requests", "mainspring.rows", "mainspring.request.seconds"} <= collector.metrics)
    (span,) = collector.spans
    assert span.trace_id.hex() == TRACE
    assert span.parent_span_id.hex() == "00f067aa0ba902b7"
    told = {each.key: each.value for each in span.attributes}
    assert told["http.route"].string_value == "/predict"
    assert told["http.response.status_code"].int_value == 200
