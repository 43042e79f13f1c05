"""One column of a window beside the reference: every statistic with its chance and, at a given level, its band."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from mainspring.monitor import bands, statistic
from mainspring.monitor.bands import LEAST
from mainspring.monitor.number_bins import NumberBins

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from mainspring.monitor.column_profile import ColumnProfile
    from mainspring.monitor.profile import ReferenceColumn

NEVER_SEEN = 2
"""The reference's own two ends would lie outside of it, had they not been drawn: so many of its rows count as
outside."""

Counts: TypeAlias = "NDArray[np.int64]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One statistic: its value, the chance of it or more under no change, and its bound at a level.

    ``effect``: the share of rows that it says lie elsewhere.
    """

    value: float
    chance: float
    effect: float
    bound: Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was measured, by name: ``psi``, ``js``, ``ks``, ``shift``, ``nulls``, ``unusable``, ``unseen``."""

    findings: dict[str, Finding] = field(default_factory=dict)

    def value(self, name: str) -> float | None:
        """The statistic *name*, None where there was nothing to measure."""
        found = self.findings.get(name)
        return None if found is None else found.value

    def chance(self, tests: int) -> float:
        """The column's chance when up to *tests* statistics judge it (Bonferroni)."""
        return min([1.0, *(tests * found.chance for found in self.findings.values())])

    def outside(self, level: float, smallest: float) -> tuple[str, ...]:
        """What chance reaches with at most *level*, where at least the share *smallest* of rows lies elsewhere."""
        return tuple(
            name for name, found in self.findings.items() if found.chance <= level and found.effect >= smallest
        )

    def band(self, level: float) -> dict[str, float]:
        """The value that each statistic stays below, but for the chance *level*."""
        return {name: found.bound(level) for name, found in self.findings.items()}


def compare(column: ReferenceColumn, window: ColumnProfile) -> Comparison:
    """Measure everything that can be measured of *window*, counted in the bins of *column*."""
    reference = column.profile
    n, m = reference.present, window.present
    findings: dict[str, Finding] = {}
    if not n or not m:
        return Comparison(findings)
    a, b = reference.counts, window.counts
    apart = [0, len(a) - 1] if isinstance(column.bins, NumberBins) else [len(a) - 1]
    if column.bins is None:  # nothing but null or not
        a, b, apart = np.array([n - reference.nulls]), np.array([m - window.nulls]), [0]
    grouped = _grouped(a, b, apart=apart, nulls=(reference.nulls, window.nulls))
    if grouped is not None:
        elsewhere = statistic.moved(*grouped)
        findings.update(_divergences(*grouped, elsewhere))
    known = reference.known, window.known
    if all(known):
        size = bands.effective(*known)
        gap = statistic.ks(a, b)
        findings["ks"] = Finding(
            value=gap, chance=bands.ks_chance(gap, size), effect=gap, bound=lambda level: bands.ks_bound(level, size)
        )
        if isinstance(column.bins, NumberBins):
            findings["shift"] = _shift(a, b, gap)
    findings["nulls"] = _share(reference.nulls, n, window.nulls, m, sides=2)
    unusable = (reference.infinite + reference.mistyped, window.infinite + window.mistyped)
    if any(unusable):
        findings["unusable"] = _share(unusable[0], n, unusable[1], m, sides=2)
    beyond = _beyond(column, window)
    if beyond is not None:
        findings["unseen"] = _share(beyond[0], n, beyond[1], m, sides=1)
    if column.unrest is not None:
        findings = {name: column.unrest.widened(name, found) for name, found in findings.items()}
    return Comparison(findings)


def _beyond(column: ReferenceColumn, window: ColumnProfile) -> tuple[int, int] | None:
    """Rows beyond the reference: as many of its own as would be had they not been drawn, and the window's."""
    if isinstance(column.bins, NumberBins):
        return min(NEVER_SEEN, column.profile.known), int(window.counts[0] + window.counts[-1])
    if column.bins is not None and column.bins.closed:
        return int(np.count_nonzero(column.profile.counts == 1)), int(window.counts[-1])
    return None


def _divergences(a: Counts, b: Counts, elsewhere: float) -> dict[str, Finding]:
    n, m = int(a.sum()), int(b.sum())
    size = bands.effective(n, m)
    laws = bands.divergences(a, n, m)
    psi, js = (float(value) for value in statistic.psi_and_js(a, b))
    return {
        "psi": Finding(
            value=psi,
            chance=laws[0].chance(psi * size),
            effect=elsewhere,
            bound=lambda level: laws[0].bound(level) / size,
        ),
        "js": Finding(
            value=js,
            chance=laws[1].chance(bands.js_scaled(js, size)),
            effect=elsewhere,
            bound=lambda level: bands.js_bound(laws[1], level, size),
        ),
    }


def _shift(a: Counts, b: Counts, gap: float) -> Finding:
    value, deviation = statistic.shift(a, b)
    z = abs(value) / deviation if deviation else 0.0
    return Finding(
        value=value,
        chance=min(1.0, 2 * bands.normal_chance(z)),
        effect=gap,
        bound=lambda level: bands.normal_bound(level / 2) * deviation,
    )


def _share(x: int, n: int, y: int, m: int, *, sides: int) -> Finding:
    return Finding(
        value=y / m,
        chance=bands.share_chance(x, n, y, m, sides=sides),
        effect=abs(y / m - x / n),
        bound=lambda level: bands.share_band(x, n, m, level, sides=sides)[1],
    )


def _grouped(a: Counts, b: Counts, *, apart: list[int], nulls: tuple[int, int]) -> tuple[Counts, Counts] | None:
    """Pool neighbouring places until each expects :data:`LEAST` rows of the smaller sample.

    The places *apart* (outside of the reference) and the nulls have a bin of their own only where both samples
    together expect that many; else the former are pooled with their neighbours and the nulls left out. None where
    fewer than two bins are left.
    """
    n, m = int(a.sum()) + nulls[0], int(b.sum()) + nulls[1]
    if not n or not m:
        return None
    smaller = min(n, m)
    starts = _starts(a * (smaller / n))
    for place in apart:
        if (a[place] + b[place]) / (n + m) * smaller >= LEAST:
            starts = sorted({*starts, place, *([place + 1] if place + 1 < len(a) else [])})
    first, second = np.add.reduceat(a, starts), np.add.reduceat(b, starts)
    if sum(nulls) / (n + m) * smaller >= LEAST:
        first, second = np.append(first, nulls[0]), np.append(second, nulls[1])
    if len(first) < 2 or not first.sum() or not second.sum():
        return None
    return first, second


def _starts(expected: NDArray[Any]) -> list[int]:
    """The first places of runs that each expect :data:`LEAST` rows or more; a short rest joins the last."""
    starts, held = [0], 0.0
    for place, rows in enumerate(expected.tolist()):
        if held >= LEAST:
            starts.append(place)
            held = 0.0
        held += rows
    if held < LEAST and len(starts) > 1:
        starts.pop()
    return starts
