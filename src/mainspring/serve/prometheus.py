"""The numbers of all workers in Prometheus' text format, or in OpenMetrics' where that is asked for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector, CollectorRegistry

from mainspring.serve import meter
from mainspring.serve.meter import BOUNDS, Histogram, Tally

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mainspring.serve.app import App

SUFFIX = ".tally"
COUNTS = {
    "refused_bodies": "Requests refused because too many large bodies were being received",
    "refused_connections": "Connections refused because there were too many",
    "labels": "Labels that were taken",
    "swaps": "Times that another version was put in place",
    "swaps_refused": "Versions that were refused because they could not serve",
    "log_dropped": "Predictions that the log could not take",
    "log_failed": "Writes of the log that the system refused",
    "log_written": "Predictions that the log has written",
    "shadow_passed_over": "Requests that the shadows were not asked because they came too fast",
    "shadow_failed": "Rows that a shadow version could not answer",
}
GAUGES = {
    "connections": "Connections that are open",
    "queue_rows": "Rows that wait for a model",
    "jobs": "Large requests that are being worked on or wait",
    "receiving_bytes": "Bytes of request bodies that are being received",
    "log_pending": "Predictions that wait to be logged",
    "resident_memory_bytes": "Memory of the endpoint's workers",
    "cpu_seconds": "Processor time of the endpoint's workers",
    "workers": "Workers that are alive",
}


def exposition(app: App, accept: str) -> tuple[bytes, str]:
    """The text, and its content type."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(app))
    encoder, kind = choose_encoder(accept)
    return encoder(registry), kind


def now(app: App) -> Tally:
    """What this worker has counted, with how things are now."""
    import psutil

    tally, endpoint = app.tally, app.endpoint
    process = psutil.Process()
    times = process.cpu_times()
    tally.gauges = {
        "connections": len(app.connections),
        "queue_rows": app.lane.waiting,
        "jobs": app.works.waiting,
        "receiving_bytes": app.held,
        "resident_memory_bytes": process.memory_info().rss,
        "cpu_seconds": times.user + times.system,
        "workers": 1,
    }
    if endpoint.log is not None:
        status = endpoint.log.status()
        tally.gauges["log_pending"] = status.pending
        tally.counts |= {"log_dropped": status.dropped, "log_failed": status.failed, "log_written": status.written}
    if endpoint.shadows is not None:
        tally.counts["shadow_passed_over"] = endpoint.shadows.passed_over
        tally.counts["shadow_failed"] = sum(list(endpoint.shadows.failed.values()))
        for version, rows in list(endpoint.shadows.asked.items()):
            tally.rows[(version, "shadow")] = rows
    return tally


def write(app: App) -> None:
    """Leave this worker's numbers for the others, in the endpoint's own folder."""
    meter.leave(now(app), Path(app.settings.shelf) / f"{os.getpid()}{SUFFIX}")


def everybody(app: App) -> Tally:
    """The sums over all workers; of those that ended the counts, but not how things were."""
    found = [now(app)]
    if app.settings.shelf:
        for path in Path(app.settings.shelf).glob(f"*{SUFFIX}"):
            if path.stem != str(os.getpid()):
                tally = meter.load(path.read_bytes())
                if path.stem.isdigit() and not _is_alive(int(path.stem)):
                    tally.gauges = {"cpu_seconds": tally.gauges.get("cpu_seconds", 0.0)}
                found.append(tally)
    return meter.total(found)


def _is_alive(pid: int) -> bool:
    import psutil

    return bool(psutil.pid_exists(pid))


class _Collector(Collector):
    def __init__(self, app: App) -> None:
        self._app = app

    def collect(self) -> Iterator[Any]:
        """Every family."""
        app = self._app
        tally = everybody(app)
        model = app.settings.model
        requests = CounterMetricFamily(
            "mainspring_requests", "Requests by route and status", labels=["model", "route", "status"]
        )
        for (route, status), amount in sorted(tally.requests.items()):
            requests.add_metric([model, route, str(status)], amount)
        yield requests
        yield _histograms(
            "mainspring_request_duration_seconds", "From the first byte of a request to its answer", model, "route",
            sorted(tally.latency.items()),
        )  # fmt: skip
        yield _histograms(
            "mainspring_scoring_duration_seconds", "Time from when rows are scored to when they are answered", model,
            "version", sorted((str(version), each) for version, each in tally.scoring.items()),
        )  # fmt: skip
        rows = CounterMetricFamily("mainspring_rows", "Rows by version and role", labels=["model", "version", "role"])
        for (version, role), amount in sorted(tally.rows.items()):
            rows.add_metric([model, str(version), role], amount)
        yield rows
        broken = CounterMetricFamily(
            "mainspring_violations", "Values that broke a rule of the contract", labels=["model", "field", "rule"]
        )
        for (name, rule), amount in sorted(tally.violations.items()):
            broken.add_metric([model, name, rule], amount)
        yield broken
        for name, text in COUNTS.items():
            counter = CounterMetricFamily(f"mainspring_{name}", text, labels=["model"])
            counter.add_metric([model], tally.counts.get(name, 0))
            yield counter
        yield from self._now(tally, model)

    def _now(self, tally: Tally, model: str) -> Iterator[Any]:
        for name, text in GAUGES.items():
            value = tally.gauges.get(name, 0)
            family: Any
            if name == "cpu_seconds":
                family = CounterMetricFamily("process_cpu_seconds", text, labels=["model"])
            elif name == "resident_memory_bytes":
                family = GaugeMetricFamily("process_resident_memory_bytes", text, labels=["model"])
            else:
                family = GaugeMetricFamily(f"mainspring_{name}", text, labels=["model"])
            family.add_metric([model], value)
            yield family
        live = self._app.endpoint.deployment
        versions = GaugeMetricFamily(
            "mainspring_model_version", "The version that is live, by its role", labels=["model", "role"]
        )
        share = GaugeMetricFamily("mainspring_canary_percent", "The canary's share of the traffic", labels=["model"])
        fallback = GaugeMetricFamily(
            "mainspring_fallback", "1 while every row is answered with the fallback, not by the model", labels=["model"]
        )
        aside = GaugeMetricFamily(
            "mainspring_columns_aside", "Columns that are set aside, missing to the model", labels=["model"]
        )
        if live is not None:
            missing = live.asides.get(live.champion.version)
            fallback.add_metric([model], live.fallback is not None)
            aside.add_metric([model], 0 if missing is None else len(missing.columns))
            versions.add_metric([model, "champion"], live.champion.version)
            if live.canary is not None:
                versions.add_metric([model, "canary"], live.canary.version)
            share.add_metric([model], live.percent if live.canary is not None else 0.0)
        yield versions
        yield share
        yield fallback
        yield aside


def _histograms(name: str, text: str, model: str, label: str, found: list[tuple[str, Histogram]]) -> Any:
    family = HistogramMetricFamily(name, text, labels=["model", label])
    ends = [*(f"{bound:g}" for bound in BOUNDS), "+Inf"]
    for value, histogram in found:
        total = 0
        buckets = []
        for end, count in zip(ends, histogram.counts, strict=True):
            total += count
            buckets.append((end, total))
        family.add_metric([model, value], buckets, histogram.total)
    return family
