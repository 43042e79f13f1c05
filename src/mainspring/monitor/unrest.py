"""How much a column moves from window to window of its own accord.

Rows in order of time are rarely independent: prices have moods, seasons come and go, and each window differs from the
whole reference by more than chance allows, in ways that are quite usual. Where the reference's own windows are known,
a new one is therefore also held against *them*: a statistic leaves its band only if it lies outside the prediction
interval for the next of a series of exchangeable windows (Student's t with one less degree of freedom than windows).
Independent rows pay little for it, moody ones stop crying wolf.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mainspring.monitor.bands import normal_bound, normal_chance

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mainspring.monitor.comparison import Finding

LEAST = 8
"""Fewer windows than this show no habit."""
_ROOTS = frozenset({"psi", "nulls", "unusable", "unseen"})
"""Statistics that are judged by their square root, which varies more evenly."""
_SIGNED = frozenset({"shift"})


@dataclass(frozen=True, slots=True)
class Unrest:
    """Mean and deviation of each statistic over the reference's own *windows* (of the root, where that is judged)."""

    windows: int
    mean: dict[str, float]
    deviation: dict[str, float]

    @classmethod
    def of(cls, values: Iterable[Mapping[str, float]]) -> Unrest | None:
        """Learn from the statistics of each window; None where there are too few, or nothing varies."""
        seen = list(values)
        mean, deviation = {}, {}
        for name in {name for found in seen for name in found}:
            series = np.array([_scaled(name, found[name]) for found in seen if name in found])
            if len(series) >= max(LEAST, len(seen) // 2) and series.std() > 0:
                mean[name], deviation[name] = float(series.mean()), float(series.std(ddof=1))
        return cls(len(seen), mean, deviation) if mean else None

    def widened(self, name: str, found: Finding) -> Finding:
        """The finding with the larger of both chances and the wider of both bands."""
        if name not in self.mean:
            return found
        mean, freedom = self.mean[name], self.windows - 1
        step = self.deviation[name] * math.sqrt(1 + 1 / self.windows)
        t = (_scaled(name, found.value) - mean) / step
        sides = 2 if name in _SIGNED else 1
        usual = min(1.0, sides * t_chance(abs(t) if sides > 1 else t, freedom))

        def bound(level: float) -> float:
            own = abs(mean) + t_bound(level / sides, freedom) * step
            return max(found.bound(level), own * own if name in _ROOTS else own)

        return replace(found, chance=max(found.chance, usual), bound=bound)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"windows": self.windows, "mean": dict(self.mean), "deviation": dict(self.deviation)}

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Unrest:
        """Read :meth:`as_dict` back."""
        return cls(int(raw["windows"]), dict(raw["mean"]), dict(raw["deviation"]))


def t_chance(t: float, freedom: float) -> float:
    """The chance that Student's t is *t* or more, by D. L. Wallace's normal approximation (1959)."""
    z = math.sqrt(freedom * math.log1p(t * t / freedom)) * (8 * freedom + 1) / (8 * freedom + 3)
    return normal_chance(math.copysign(z, t))


def t_bound(level: float, freedom: float) -> float:
    """The value that Student's t reaches with the chance *level* (at most a half)."""
    z = normal_bound(level) * (8 * freedom + 3) / (8 * freedom + 1)
    return math.sqrt(freedom * math.expm1(z * z / freedom))


def _scaled(name: str, value: float) -> float:
    return math.sqrt(max(value, 0.0)) if name in _ROOTS else value
