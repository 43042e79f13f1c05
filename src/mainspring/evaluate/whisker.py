"""A number with its interval as a tiny picture in a table row."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mainspring.core.estimate import Estimate

WIDTH, HEIGHT, EDGE = 140, 22, 6


@dataclass(frozen=True, slots=True)
class Scale:
    """From numbers to pixels."""

    low: float
    high: float

    @classmethod
    def over(cls, numbers: Iterable[float | None], *, margin: float = 0.08) -> Scale:
        """A scale that shows all *numbers* (None and NaN are passed over) with a margin on both sides."""
        known = [number for number in numbers if number is not None and math.isfinite(number)]
        low, high = min(known, default=0.0), max(known, default=1.0)
        around = (high - low) * margin or abs(high) * margin or 0.5
        return cls(low - around, high + around)

    def place(self, number: float) -> float:
        """The horizontal place of *number*, kept inside the picture."""
        share = (number - self.low) / (self.high - self.low)
        return EDGE + min(max(share, 0.0), 1.0) * (WIDTH - 2 * EDGE)


def whisker(
    estimate: Estimate,
    scale: Scale,
    *,
    mark: float | None = None,
    allowed: str = "",
    colour: str = "var(--blue)",
    label: str = "",
    bar: bool = False,
) -> str:
    """A dot at the value, a line over its interval, a dashed line at *mark*.

    *allowed* (``above`` or ``below``) tints the side of the mark where the value should be; *bar* fills the way from
    the low end of the scale to the value. Without a value only the mark is drawn.

    >>> from mainspring.core.estimate import Estimate
    >>> "<circle" in whisker(Estimate(0.5, 0.4, 0.6, 100), Scale(0, 1))
    True
    """
    parts = []
    if mark is not None:
        at = scale.place(mark)
        if allowed:
            left, right = (at, WIDTH - EDGE / 2) if allowed == "above" else (EDGE / 2, at)
            parts.append(
                f'<rect x="{left:.1f}" y="3" width="{max(right - left, 0):.1f}" height="{HEIGHT - 6}" rx="3" '
                'style="fill:var(--good);opacity:.13"/>'
            )
        parts.append(
            f'<path d="M{at:.1f} 2V{HEIGHT - 2}" style="stroke:var(--soft);stroke-width:1.3;stroke-dasharray:2.5 2"/>'
        )
    if not math.isnan(estimate.value):
        middle = HEIGHT / 2
        if bar:
            parts.append(
                f'<rect x="{EDGE}" y="5" width="{WIDTH - 2 * EDGE}" height="{HEIGHT - 10}" rx="2" '
                'style="fill:var(--tint)"/>'
                f'<rect x="{EDGE}" y="5" width="{scale.place(estimate.value) - EDGE:.1f}" height="{HEIGHT - 10}" '
                f'rx="2" style="fill:{colour};opacity:.3"/>'
            )
        if estimate.low is not None and estimate.high is not None:
            parts.append(
                f'<path d="M{scale.place(estimate.low):.1f} {middle}H{scale.place(estimate.high):.1f}" '
                f'style="stroke:{colour};stroke-width:2.6;stroke-linecap:round;opacity:.55"/>'
            )
        parts.append(f'<circle cx="{scale.place(estimate.value):.1f}" cy="{middle}" r="4" style="fill:{colour}"/>')
    return (
        f'<svg width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(label, quote=True)}">{"".join(parts)}</svg>'
    )
