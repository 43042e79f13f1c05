"""What a window measured, as requirements and as signals: what was not kept, and budgets that burn fast, are alerts.

Bands say what is unusual for this model. A requirement that is broken from the first day on is never unusual, and one
that is broken by little is never surely broken by a single window: its error budget tells of both.
"""

from __future__ import annotations

import math
from datetime import timedelta
from itertools import takewhile
from typing import TYPE_CHECKING

from mainspring.contract import judge
from mainspring.contract.metric import METRICS
from mainspring.core.estimate import Estimate
from mainspring.monitor.service_point import FEWEST
from mainspring.monitor.signals import Signal
from mainspring.operate import budget
from mainspring.operate.contest import surely_fails
from mainspring.operate.fold import BUDGET

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from mainspring.contract import Contract, Requirement, Result, Verdict
    from mainspring.monitor.service_point import ServicePoint
    from mainspring.monitor.signals import Judgement, SignalKind
    from mainspring.operate.budget import Held, Record, Slice
    from mainspring.operate.live.windows import LiveWindow

_KINDS: dict[str, SignalKind] = {
    "quality": "performance", "fairness": "performance", "data": "data quality", "service": "service",
}  # fmt: skip
_HUNDRED = 100
_LOOKED = 12
"""So many windows back one is looked for that says whether a requirement is kept now."""
_DRIFT = "drifted_columns"
"""Each column that drifts has its incident; how many they are is no cause of its own."""


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
            severity=None if one.priority == "must" else "warning",
        )
        for one in held
        if one.result == "fail" and one.value is not None and METRICS[one.metric].kind == "service"
    ]


def telling(held: Sequence[Verdict]) -> list[Verdict]:
    """The verdicts that rest on more than a few labels: what one wrong label decides asks for nothing."""
    return [one for one in held if budget.tells(one)]


def broken(held: Sequence[Verdict], burning: Sequence[Signal]) -> list[Signal]:
    """Musts on the model's quality that are surely broken, as signals, but those whose error budget tells of it.

    Bands say what is unusual for this model; a model whose quality has always gone up and down may break its contract
    without being unusual. A must is surely broken where the whole interval lies beyond its bound.
    """
    told = {one.name for one in burning}
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
        if BUDGET + one.requirement not in told
    ]


def at_risk(held: Sequence[Verdict]) -> list[Verdict]:
    """The verdicts by which an error budget may burn fast: the short windows tell of how the endpoint serves."""
    return [
        one
        for one in telling(held)
        if one.result == "fail" and one.metric != _DRIFT and METRICS[one.metric].kind != "service"
    ]


def burning(contract: Contract, held: Sequence[Verdict], before: Sequence[Record], window: LiveWindow) -> list[Signal]:
    """The requirements that *window* breaks and whose error budget burns fast, as signals; *before*: windows before."""
    found = []
    failed = {one.requirement: one.value for one in at_risk(held)}
    for requirement in contract.requirements:
        if requirement.name not in failed:
            continue
        every: list[tuple[datetime, datetime, Sequence[Held | Verdict]]] = [(window.start, window.end, held)]
        every += [(one.start, one.end, one.verdicts) for one in before if one.end <= window.start]
        slices = [
            budget.sliced(start, end, each)
            for start, end, verdicts in every
            for each in verdicts
            if each.requirement == requirement.name
        ]
        found += _blazing(contract, requirement, slices, window.end, failed[requirement.name])
    return found


def burning_service(contract: Contract, points: Sequence[ServicePoint], now: datetime) -> list[Signal]:
    """The same of the requirements on how the endpoint serves, by the short windows until *now*."""
    found = []
    for requirement in contract.requirements:
        if not (points and _is_timed(requirement)) or _last(requirement, points) != "fail":
            continue
        since = now - max(budget.reach(contract.slo.over), timedelta(seconds=budget.WINDOWS * points[-1].seconds))
        some = takewhile(lambda one: one[1] > since, _backwards(points, now))  # noqa: B023  # taken at once
        slices = [budget.Slice(start=start, end=end, result=_kept(requirement, one)) for start, end, one in some]
        value = service(points[-1]).get(requirement.metric)
        found += _blazing(contract, requirement, slices, now, None if value is None else value.value)
    return found


def _is_timed(requirement: Requirement) -> bool:
    """Whether it can be held against how all requests of a window were served."""
    plain = not requirement.where and requirement.each is None and requirement.below_champion_by_at_most is None
    asked = not requirement.stages or "live" in requirement.stages
    return plain and asked and METRICS[requirement.metric].kind == "service"


def _backwards(points: Sequence[ServicePoint], now: datetime) -> Iterator[tuple[datetime, datetime, ServicePoint]]:
    for point in reversed(points):
        start = now - timedelta(seconds=point.seconds)
        yield start, now, point
        now = start


def _last(requirement: Requirement, points: Sequence[ServicePoint]) -> Result:
    """Whether the last of *points* that says anything kept it: a window of few requests ends nothing."""
    found = (_kept(requirement, one) for one in reversed(points[-_LOOKED:]))
    return next((one for one in found if one != "not measurable"), "not measurable")


def _kept(requirement: Requirement, point: ServicePoint) -> Result:
    """Whether a short window keeps it. Of few requests a single error, or a single slow answer, says nothing."""
    measured = service(point)
    found = judge(requirement, measured.get(requirement.metric), stage="live").result
    alone = found == "fail" and requirement.metric == "error_rate" and point.failed + point.shed == 1
    if found == "fail" and requirement.metric == "latency_p99_ms" and point.requests < _HUNDRED:
        # the slowest of less than a hundred is no percentile; where half of them are slow, it need not be one
        alone = judge(requirement, measured.get("latency_p50_ms"), stage="live").result != "fail"
    return "not measurable" if alone or point.requests < FEWEST else found


def _blazing(
    contract: Contract, requirement: Requirement, slices: Sequence[Slice], now: datetime, value: float | None
) -> list[Signal]:
    objective = requirement.objective or contract.slo.objective
    found = budget.blaze(slices, objective=objective, over=contract.slo.over, now=now)
    if found is None:
        return []
    last = "" if value is None else f" ({value:.4g} in the last)"
    text = (
        f"{requirement.name} was broken in {found.broken} of the last {found.windows} windows{last} and uses up its "
        f"error budget {found.rate:.3g} times as fast as it may"
    )
    return [
        Signal(
            name=BUDGET + requirement.name,
            kind=_KINDS[METRICS[requirement.metric].kind],
            value=found.rate,
            breached=True,
            rows=found.windows,
            text=text,
            severity="critical" if requirement.priority == "must" else "warning",
        )
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
