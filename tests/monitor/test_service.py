"""Service signals on requests whose latencies, errors and traffic are known."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from mainspring.monitor.service import ServiceCounts, refused_signal, service_signals
from mainspring.monitor.service_point import ServicePoint

if TYPE_CHECKING:
    from mainspring.monitor.signals import Signal

QUIET = ServicePoint(requests=600, failed=0, refused=0, seconds=600.0, p50=2.0, p99=9.0)


def logged(
    latency: list[float],
    *,
    status: list[int] | None = None,
    at: list[int] | None = None,
    flags: list[str | None] | None = None,
) -> pl.DataFrame:
    start = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1e6)
    times = [start + offset for offset in (at or range(len(latency)))]
    return pl.DataFrame(
        {
            "time": pl.Series(times).cast(pl.Datetime("us", "UTC")),
            "latency_ms": pl.Series(latency, dtype=pl.Float32),
            "status": pl.Series(status or [200] * len(latency), dtype=pl.Int16),
            "flags": pl.Series(flags or [None] * len(latency), dtype=pl.String),
        }
    )


def past(count: int = 30) -> list[ServicePoint]:
    draw = np.random.default_rng(0)
    return [
        replace(QUIET, requests=int(draw.poisson(600)), p50=2 * draw.lognormal(0, 0.05), p99=9 * draw.lognormal(0, 0.2))
        for _ in range(count)
    ]


def breached(signals: list[Signal]) -> set[str]:
    return {signal.name for signal in signals if signal.breached}


def test_quantiles_are_right_within_a_hundredth_and_parts_add_up() -> None:
    latency = np.random.default_rng(1).lognormal(1, 1, 5_000).tolist()
    rows = logged(latency)
    whole = ServiceCounts.of(rows)
    parts = ServiceCounts.of(rows[:1_700]) + ServiceCounts.of(rows[1_700:])
    assert parts == whole
    assert ServiceCounts.from_dict(json.loads(json.dumps(whole.as_dict()))) == whole
    for share in (0.5, 0.9, 0.99):
        assert whole.quantile(share) == pytest.approx(float(np.quantile(latency, share)), rel=0.015)
    assert whole.metrics["latency_p99_ms"].rows == 5_000


def test_a_request_of_many_rows_counts_once_and_errors_have_no_latency() -> None:
    counts = ServiceCounts.of(logged([5.0, 5.0, 5.0, 7.0, 900.0], status=[200, 200, 200, 422, 500], at=[0, 0, 0, 0, 3]))
    assert (counts.requests, counts.failed, counts.refused, sum(counts.latency.values())) == (3, 1, 1, 1)
    assert counts.metrics["error_rate"].value == pytest.approx(1 / 3)


def test_requests_that_are_turned_away_are_saturation_and_not_refused_for_their_data() -> None:
    counts = ServiceCounts.of(logged([2.0] * 100, status=[200] * 90 + [503] * 6 + [429] * 2 + [422, 500]))
    assert (counts.shed, counts.failed, counts.refused) == (8, 1, 1)
    assert counts.metrics["error_rate"].value == pytest.approx(0.09)
    assert (counts + counts).shed == 16
    (found,) = [one for one in service_signals([], ServicePoint.of(counts, 60.0), false_alarms=0.01) if one.breached]
    assert (found.name, found.kind) == ("saturation", "service")
    assert found.text == (
        "8.0% of the requests were turned away, for more was asked than could be answered; 0.0% is usual"
    )


def test_a_row_may_stand_for_many_that_were_turned_away_unread() -> None:
    rows = logged(
        [2.0, 2.0, 0.0, 0.0, 3.0], status=[200, 200, 503, 413, 422],
        flags=["imputed:age", None, "times:40", "times:3", "minimum:age"],
    )  # fmt: skip
    counts = ServiceCounts.of(rows)
    assert (counts.requests, counts.shed, counts.refused, counts.broken) == (46, 40, 4, {"minimum:age": 1})


def test_a_lull_that_comes_every_day_is_no_stop() -> None:
    day = [QUIET] * 30 + [replace(QUIET, requests=0, p50=None, p99=None)] * 18
    stop = replace(QUIET, requests=0, p50=None, p99=None)
    assert breached(service_signals([*day, *day[:30]], stop, false_alarms=0.01, seasons=(48,))) == set()
    assert breached(service_signals([*day, *day[:20]], stop, false_alarms=0.01, seasons=(48,))) == {"traffic"}


def test_a_rush_that_comes_every_day_is_none_and_of_few_requests_none_may_come() -> None:
    rush = replace(QUIET, requests=9_000)
    day = [*[QUIET] * 30, rush, *[QUIET] * 17]
    assert breached(service_signals([*day, *day[:30]], rush, false_alarms=0.01, seasons=(48,))) == set()
    assert breached(service_signals([*day, *day[:20]], rush, false_alarms=0.01, seasons=(48,))) == {"traffic"}
    few = [replace(QUIET, requests=requests, p50=None, p99=None) for requests in (3, 4, 3, 3, 4, 3) * 5]
    assert breached(service_signals(few, replace(few[0], requests=0), false_alarms=0.01)) == set()


def test_quiet_windows_raise_nothing() -> None:
    draw = np.random.default_rng(5)
    raised: list[str] = []
    series = past(12)
    for _ in range(300):
        now = replace(
            QUIET, requests=int(draw.poisson(600)), failed=int(draw.binomial(600, 0.001)),
            p50=2 * draw.lognormal(0, 0.05), p99=9 * draw.lognormal(0, 0.2),
        )  # fmt: skip
        raised += breached(service_signals(series[-100:], now, false_alarms=0.01))
        series.append(now)
    assert len(raised) <= 1, raised


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"p50": 52.0, "p99": 60.0}, "latency p50"),
        ({"p99": 90.0}, "latency p99"),
        ({"failed": 30}, "error share"),
        ({"shed": 30}, "saturation"),
        ({"requests": 0, "p50": None, "p99": None}, "traffic"),
        ({"requests": 90}, "traffic"),
    ],
)
def test_each_fault_raises_its_signal_and_says_what_was_usual(change: dict[str, float], name: str) -> None:
    found = service_signals(past(), replace(QUIET, **change), false_alarms=0.01)  # type: ignore[arg-type]
    assert name in breached(found)
    (signal,) = [one for one in found if one.name == name]
    assert "usual" in signal.text
    assert signal.high is not None


def test_an_endpoint_that_has_just_begun_is_held_against_errors_and_silence_only() -> None:
    slow = replace(QUIET, p50=500.0, p99=900.0)
    assert breached(service_signals([QUIET] * 3, slow, false_alarms=0.01)) == set()
    assert breached(service_signals([], replace(QUIET, failed=60), false_alarms=0.01)) == {"error share"}
    silent = replace(QUIET, requests=0, p50=None, p99=None)
    assert breached(service_signals([QUIET] * 3, silent, false_alarms=0.01)) == {"traffic"}
    assert breached(service_signals([QUIET] * 2, silent, false_alarms=0.01)) == set()


def test_refused_requests_name_the_field_that_they_were_refused_for() -> None:
    status = [200] * 60 + [422] * 40
    flags: list[str | None] = [None] * 60 + ["minimum:income,nulls:age"] * 30 + ["type:age"] * 10
    counts = ServiceCounts.of(logged([2.0] * 100, status=status, flags=flags))
    assert ServiceCounts.from_dict(json.loads(json.dumps(counts.as_dict()))) == counts
    now = ServicePoint.of(counts, 600.0)
    assert breached(service_signals([], now, false_alarms=0.01)) == set()
    refused = refused_signal([], now, false_alarms=0.01)
    assert refused.breached
    assert (refused.kind, refused.column) == ("data quality", "income")
    assert refused.text == "40.0% of the requests were refused, most for income (minimum); 0.0% is usual"
