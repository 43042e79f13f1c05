"""What a window measured, as requirements and as signals: musts that were not kept are alerts, too."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mainspring.contract.metric import METRICS
from mainspring.core.estimate import Estimate
from mainspring.monitor.signals import LEAST_LABELLED, Signal
from mainspring.operate.contest import surely_fails

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mainspring.contract import Verdict
    from mainspring.monitor.service_point import ServicePoint
    from mainspring.monitor.signals import Judgement


def values(estimates: dict[str, Estimate]) -> dict[str, float | None]:
    """The measured values; None for what is no number."""
    return {name: one.value if math.isfinite(one.value) else None for name, one in estimates.items()}


def unkept(held: Sequence[Verdict]) -> list[Signal]:
    """Service requirements that were not kept, as signals."""
    return [
        Signal(
            name=one.requirement,
            kind="service",
            value=one.value,
            low=0.0,
            high=one.bound,
            breached=True,
            rows=one.rows,
            text=f"{one.requirement} was not kept ({one.value:.4g})",
        )
        for one in held
        if one.result == "fail" and one.value is not None and METRICS[one.metric].kind == "service"
    ]


def telling(held: Sequence[Verdict]) -> list[Verdict]:
    """The verdicts that rest on more than a few labels: what one wrong label decides asks for nothing."""
    return [one for one in held if METRICS[one.metric].kind != "quality" or one.rows >= LEAST_LABELLED]


def broken(held: Sequence[Verdict]) -> list[Signal]:
    """Musts on the model's quality that are surely broken, as signals.

    Bands say what is unusual for this model; a model whose quality has always gone up and down may break its contract
    without being unusual. A must is surely broken where the whole interval lies beyond its bound.
    """
    return [
        Signal(
            name=one.metric,
            kind="performance",
            value=one.value,
            low=one.bound if one.value < one.bound else None,
            high=one.bound if one.value > one.bound else None,
            breached=True,
            rows=one.rows,
            text=f"{one.requirement} was not kept ({one.value:.4g} on {one.rows:,} rows)",
        )
        for one in telling(held)
        if one.blocks and one.value is not None and METRICS[one.metric].kind == "quality" and surely_fails(one)
    ]


def service(point: ServicePoint) -> dict[str, Estimate]:
    """The service metrics as far as they are remembered of a window."""
    found = {}
    if point.requests:
        found["error_rate"] = Estimate((point.failed + point.shed) / point.requests, rows=point.requests)
    for name, value in (("latency_p50_ms", point.p50), ("latency_p99_ms", point.p99)):
        if value is not None:
            found[name] = Estimate(value, rows=point.requests)
    return found


def nulls(judgement: Judgement) -> dict[str, Estimate]:
    """The share of missing values among all rows, from the profile."""
    profiles = judgement.profile.columns.values()
    cells = sum(one.rows for one in profiles)
    if not cells:
        return {}
    return {"null_fraction": Estimate(sum(one.nulls for one in profiles) / cells, rows=judgement.rows)}
