"""A requirement held against a measured number."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from mainspring.contract.requirement import Priority, Stage  # noqa: TC001  # stored verdicts are read by their types

if TYPE_CHECKING:
    from mainspring.contract.requirement import Requirement
    from mainspring.core.estimate import Estimate

Result: TypeAlias = Literal["pass", "fail", "not measurable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The checked result of one requirement, with its evidence.

    ``value`` is the measured number (for a champion comparison: how far below the champion), None where it could not
    be measured. ``rows`` is how many rows were really looked at.
    """

    requirement: str
    metric: str
    stage: Stage
    priority: Priority
    value: float | None
    bound: float
    low: float | None
    high: float | None
    rows: int
    result: Result
    reason: str = ""

    @property
    def blocks(self) -> bool:
        """Whether this verdict stops a release: a must that failed."""
        return self.priority == "must" and self.result == "fail"


def judge(requirement: Requirement, estimate: Estimate | None, *, stage: Stage, reason: str = "") -> Verdict:
    """Hold *estimate* against the bound of *requirement*.

    For ``below_champion_by_at_most`` the estimate is the loss: champion minus challenger for a metric that should be
    high, challenger minus champion for one that should be low. With no estimate the verdict is ``not measurable``, for
    the given *reason* (for instance: no labels yet, no champion yet). An estimate over zero rows, or one that is not a
    number, is a fail: nothing was shown to hold.
    """
    if estimate is None:
        value, low, high, rows, result = None, None, None, 0, "not measurable"
    elif estimate.rows == 0 or math.isnan(estimate.value):
        value, low, high, rows, result = None, None, None, estimate.rows, "fail"
        reason = reason or ("no rows were looked at" if estimate.rows == 0 else "the metric is not a number")
    else:
        value, low, high, rows = estimate.value, estimate.low, estimate.high, estimate.rows
        kept = value >= requirement.bound if requirement.at_least is not None else value <= requirement.bound
        result = "pass" if kept else "fail"
    return Verdict(
        requirement=requirement.name,
        metric=requirement.metric,
        stage=stage,
        priority=requirement.priority,
        value=value,
        bound=requirement.bound,
        low=low,
        high=high,
        rows=rows,
        result=result,  # type: ignore[arg-type]  # the three branches give exactly the three results
        reason=reason,
    )
