"""How each group of people fares, and how far apart the groups are."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mainspring.contract.metric import METRICS
from mainspring.core.estimate import Estimate
from mainspring.evaluate.curve import wilson
from mainspring.evaluate.fairness import Groups
from mainspring.evaluate.level import levels
from mainspring.evaluate.metric import Setting, estimate, estimates

if TYPE_CHECKING:
    from mainspring.evaluate.outcome import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One group: its rows, what it met (binary tasks: rates with their Wilson intervals) and the headline metric.

    ``rows`` of a rate are those it was counted on: all rows, the positive ones, the negative ones. A rate is None where
    there are none.
    """

    name: str
    rows: int
    estimate: Estimate
    selection_rate: Estimate | None = None
    true_positive_rate: Estimate | None = None
    false_positive_rate: Estimate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fairness:
    """The groups of one column, largest first (numbers in their order), and the metrics over them.

    ``left_out`` names the groups too small to compare, with their rows. ``cut`` is true where the column holds numbers
    that were cut into quarters. ``metric`` is the headline metric that is given for each group.
    """

    column: str
    metric: str
    cut: bool
    groups: tuple[Group, ...]
    metrics: dict[str, Estimate] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)


def compare(outcome: Outcome, column: pl.Series, *, metric: str, setting: Setting) -> Fairness:
    """Compare the groups that *column* (the rows as first passed in) makes of the rows."""
    values = column.gather(outcome.kept)
    named = levels(values)
    groups = Groups.of(named, minimum_rows=setting.minimum_rows)
    cut = bool(values.drop_nulls().n_unique() > named.drop_nulls().n_unique())
    order = list(range(len(groups.names)))
    if cut:
        order.sort(key=lambda code: _lowest(values, groups.code == code))
    found = tuple(_group(outcome.take(groups.code == code), groups.names[code], metric, setting) for code in order)
    over: dict[str, Estimate] = {}
    if outcome.task == "binary" and len(groups.names) > 1:
        names = [name for name, known in METRICS.items() if known.kind == "fairness"]
        over = estimates(names, outcome, replace(setting, by=groups))
    return Fairness(
        column=column.name, metric=metric, cut=cut, groups=found, metrics=over, left_out=dict(groups.left_out)
    )


def _group(part: Outcome, name: str, metric: str, setting: Setting) -> Group:
    measured = estimate(metric, part, replace(setting, by=None))
    if part.task != "binary":
        return Group(name=name, rows=len(part), estimate=measured)
    called, true = part.decided == 1, part.truth == 1
    return Group(
        name=name,
        rows=len(part),
        estimate=measured,
        selection_rate=_rate(called),
        true_positive_rate=_rate(called[true]),
        false_positive_rate=_rate(called[~true]),
    )


def _lowest(values: pl.Series, inside: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Any:
    return values.filter(pl.Series(inside)).min()


def _rate(called: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Estimate | None:
    if not len(called):
        return None
    low, high = wilson(np.array([float(called.sum())]), np.array([float(len(called))]))
    value = float(called.mean())
    return None if math.isnan(value) else Estimate(value, float(low[0]), float(high[0]), len(called))
