"""What of a judged window asks for a retrain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainspring.contract.metric import METRICS
from mainspring.operate.contest import value_words
from mainspring.operate.fold import BUDGET, OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mainspring.contract import Verdict
    from mainspring.contract.policy import Trigger
    from mainspring.monitor.drift import DriftReport
    from mainspring.monitor.signals import Signal

LEAST_IMPORTANCE = 0.01
"""Drift of a column on which less of the model rests than this asks for no retrain."""


def triggers(
    alerts: Sequence[Signal], verdicts: Sequence[Verdict], importance: Mapping[str, float]
) -> dict[Trigger, str]:
    """The triggers that fired, each with its reason in words.

    *verdicts*: the contract held against the window. *importance*: how much of the model rests on each column; where it
    does not say, any may matter. An endpoint that is slow and data that is broken are not mended by another model, so
    requirements on these fire nothing. Nor does what only should hold: a champion may have gone live without it, and
    would be replaced by its like for ever. A column that broke is to be mended, and moves by that: not its drift asks
    for another model, only the harm that it does. A budget burns by failed verdicts, which speak for themselves.
    """
    found: dict[Trigger, str] = {}
    failed = [one for one in verdicts if one.blocks and METRICS[one.metric].kind in ("quality", "fairness")]
    worse = next((one for one in alerts if one.kind == "performance" and not one.name.startswith(BUDGET)), None)
    if failed:
        found["requirement"] = f"{failed[0].requirement} was not kept ({value_words(failed[0])})"
    elif worse is not None:
        found["requirement"] = worse.text
    broken = {alert.column for alert in alerts if alert.kind == "data quality" and alert.column}
    for alert in alerts:
        weight = 1.0 if alert.column in OUTPUTS or not importance else importance.get(alert.column or "", 0.0)
        if alert.kind == "drift" and weight >= LEAST_IMPORTANCE and alert.column not in broken:
            found.setdefault("drift", alert.text)
    return found


def moved(report: DriftReport, importance: Mapping[str, float]) -> list[str]:
    """The columns that drifted and on which the model rests."""
    return [
        one.name
        for one in report.columns
        if one.drifted and (not importance or importance.get(one.name, 0.0) >= LEAST_IMPORTANCE)
    ]
