"""Traces and metrics by OpenTelemetry, where ``OTEL_EXPORTER_OTLP_ENDPOINT`` is set and the extra ``otel`` installed.

A request is traced if its caller's trace is sampled, else for the share that ``OTEL_TRACES_SAMPLER_ARG`` names (one in
a hundred by default). Others take the quick lane and cost nothing.
"""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, Any

from mainspring.core.version import VERSION
from mainspring.serve.journal import journal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mainspring.serve.exchange import Request
    from mainspring.serve.meter import Tally

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
SHARE = "OTEL_TRACES_SAMPLER_ARG"
USUAL_SHARE = 0.01


class Trace:
    """One request's span."""

    def __init__(self, span: Any) -> None:
        """Wrap the *span*."""
        self._span = span

    def end(self, status: int, route: str) -> None:
        """The request is answered."""
        from opentelemetry.trace import StatusCode

        self._span.update_name(route)
        self._span.set_attribute("http.route", route)
        self._span.set_attribute("http.response.status_code", status)
        if status >= 500:
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


class Telemetry:
    """Sends spans of sampled requests, and the sums of what is counted every minute."""

    def __init__(self, model: str, tally: Callable[[], Tally]) -> None:
        """Begin to send; *tally* gives what was counted."""
        from opentelemetry import metrics, trace
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON

        named = os.environ.get("OTEL_SERVICE_NAME", f"mainspring-{model}")
        resource = Resource.create({"service.name": named, "service.version": VERSION})
        self._traces = TracerProvider(resource=resource, sampler=ALWAYS_ON)  # what comes here has been sampled
        self._traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._metrics = MeterProvider(
            resource=resource, metric_readers=[PeriodicExportingMetricReader(OTLPMetricExporter())]
        )
        self._tracer = self._traces.get_tracer("mainspring.serve", VERSION)
        self._model = model
        self._share = _share()
        self._tally = tally
        self._observe(metrics)
        self._kinds = trace.SpanKind

    def is_sampled(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Whether the request with these *headers* is to be traced."""
        for name, value in headers:
            if name == b"traceparent":
                return value[-2:].isdigit() and int(value[-2:]) & 1 == 1
        return random.random() < self._share  # noqa: S311  # which requests are looked at is no secret

    def begin(self, request: Request, headers: Iterable[tuple[bytes, bytes]]) -> Trace:
        """The span of a request that is sampled, as `is_sampled` has said."""
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        carrier = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
        context = TraceContextTextMapPropagator().extract(carrier)
        attributes = {
            "http.request.method": request.method,
            "url.path": request.path,
            "mainspring.model": self._model,
        }
        span = self._tracer.start_span(
            request.method, context=context, kind=self._kinds.SERVER, attributes=attributes
        )  # fmt: skip
        return Trace(span)

    def close(self) -> None:
        """Send what is left."""
        self._traces.shutdown()
        self._metrics.shutdown()

    def _observe(self, metrics: Any) -> None:
        made = self._metrics.get_meter("mainspring.serve", VERSION)
        observation = metrics.Observation
        about = {"mainspring.model": self._model}

        def requests(options: Any) -> list[Any]:
            found = self._tally().requests.items()
            return [
                observation(amount, about | {"http.route": route, "http.response.status_code": status})
                for (route, status), amount in list(found)
            ]

        def rows(options: Any) -> list[Any]:
            found = self._tally().rows.items()
            return [
                observation(amount, about | {"mainspring.version": version, "mainspring.role": role})
                for (version, role), amount in list(found)
            ]

        def seconds(options: Any) -> list[Any]:
            found = self._tally().latency.items()
            return [observation(histogram.total, about | {"http.route": route}) for route, histogram in list(found)]

        made.create_observable_counter("mainspring.requests", [requests], description="Requests")
        made.create_observable_counter("mainspring.rows", [rows], description="Rows that were scored")
        made.create_observable_counter(
            "mainspring.request.seconds", [seconds], unit="s", description="Time that requests took"
        )


def begun(model: str, tally: Callable[[], Tally]) -> Telemetry | None:
    """Telemetry where it is asked for and can be had."""
    if not os.environ.get(ENDPOINT):
        return None
    try:
        return Telemetry(model, tally)
    except ImportError:
        journal().warning(
            "no telemetry",
            reason=f"{ENDPOINT} is set, but OpenTelemetry is not installed: pip install 'mainspring[otel]'",
        )
        return None


def _share() -> float:
    try:
        return min(1.0, max(0.0, float(os.environ.get(SHARE, USUAL_SHARE))))
    except ValueError:
        return USUAL_SHARE
