"""One requirement: a metric with a bound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Stage: TypeAlias = Literal["data", "holdout", "release", "canary", "request", "live"]
Priority: TypeAlias = Literal["must", "should"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """A metric and the bound that it must keep, on all rows or on a slice or between groups.

    Exactly one of ``at_least``, ``at_most`` and ``below_champion_by_at_most`` is set. ``by`` names the column whose
    groups are compared (fairness metrics); ``where`` restricts the rows to those whose columns have the given values;
    ``each`` names a column every value of which must keep the bound (the worst slice decides). ``stages`` is where
    it is checked; empty means wherever it can be measured. ``must`` blocks, ``should`` warns. ``objective``: the share
    of the time that it must hold on live windows, None for that of ``[slo]``.
    """

    metric: str
    at_least: float | None = None
    at_most: float | None = None
    below_champion_by_at_most: float | None = None
    by: str | None = None
    each: str | None = None
    where: tuple[tuple[str, str], ...] = ()
    stages: tuple[Stage, ...] = ()
    priority: Priority = "must"
    objective: float | None = None
    why: str = ""

    @property
    def bound(self) -> float:
        """The number that the metric (or its loss against the champion) is held against."""
        for bound in (self.at_least, self.at_most, self.below_champion_by_at_most):
            if bound is not None:
                return bound
        raise ValueError(f"Requirement on {self.metric} has no bound.")

    @property
    def name(self) -> str:
        """The requirement as one would say it.

        >>> Requirement(metric="roc_auc", at_least=0.8, where=(("region", "north"),)).name
        'roc_auc where region is north at least 0.8'
        """
        of = f" by {self.by}" if self.by else ""
        of += f" for each {self.each}" if self.each else ""
        of += "".join(f" where {column} is {value}" for column, value in self.where)
        if self.at_least is not None:
            return f"{self.metric}{of} at least {self.at_least:g}"
        if self.at_most is not None:
            return f"{self.metric}{of} at most {self.at_most:g}"
        return f"{self.metric}{of} below the champion by at most {self.bound:g}"
