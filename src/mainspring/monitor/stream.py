"""Concept drift on the labelled stream: a loss that has risen and stays so.

A cumulative sum (E. S. Page, "Continuous inspection schemes", 1954; the Page-Hinkley test is its sibling) adds up how
much each row's loss exceeds what it was on the reference, less an allowance, and starts again at zero whenever that
falls below zero. A rise too small for any single window adds up over several. The alarm threshold follows from the
number of rows between two false alarms by D. Siegmund's approximation (*Sequential Analysis*, 1985).

After an alarm the sum goes on from the threshold, however far beyond it was, and the alarm lasts until it is back at
zero: what lasts stays an alarm, and what is over is forgotten within few hundred rows. Else a model that is well again
would be suspected for ten times as long as it was not.

Concept drift cannot be seen without labels; this is where it is seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RISE = 0.25
"""The rise, in deviations of a row's loss, that is found soonest; half of it is the allowance."""
_OVERSHOOT = 1.166

Floats: TypeAlias = "NDArray[np.float64]"


@dataclass(frozen=True, slots=True)
class LossStream:
    """The state of the sum after the rows so far. A value: :meth:`update` returns the next one.

    ``mean`` and ``deviation``: a row's loss on the reference. ``quiet_rows``: the mean number of rows between two
    false alarms. ``level``: the sum now, in deviations. ``peak``: the largest since the last :meth:`update` began.
    ``raised``: whether there is an alarm.
    """

    mean: float
    deviation: float
    quiet_rows: float
    level: float = 0.0
    peak: float = 0.0
    rows: int = 0
    raised: bool = False

    @property
    def threshold(self) -> float:
        """The sum at which the alarm is raised."""
        return threshold(self.quiet_rows)

    def update(self, losses: Floats) -> LossStream:
        """The state after n more rows' *losses* (n,), in the order of their time; NaN are passed over."""
        known = losses[~np.isnan(losses)]
        if not len(known) or not self.deviation > 0:
            return replace(self, peak=self.level, rows=self.rows + len(known))
        steps = (known - self.mean) / self.deviation - RISE / 2
        begin = min(self.level, self.threshold) if self.raised else self.level
        walk = np.concatenate(([begin], begin + np.cumsum(steps)))
        # the sum that restarts at zero is the walk less its lowest point so far, where that is below zero
        sums = walk - np.minimum(np.minimum.accumulate(walk), 0.0)
        level, peak = float(sums[-1]), float(sums[1:].max())
        raised = (self.raised and bool(sums.min() > 0)) or (level if self.raised else peak) > self.threshold
        return replace(self, level=level, peak=peak, rows=self.rows + len(known), raised=raised)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        names = ("mean", "deviation", "quiet_rows", "level", "peak", "rows", "raised")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> LossStream:
        """Read :meth:`as_dict` back."""
        return cls(**raw)


def threshold(quiet_rows: float) -> float:
    """The threshold that a quiet stream passes once in *quiet_rows* rows on the average.

    Siegmund's rows between alarms are (exp(2kb) - 2kb - 1) / (2k²), with the allowance k and b the threshold + 1.166.

    >>> round(threshold(1e6), 1)
    40.2
    """
    k = RISE / 2
    wanted = 2 * k * k * max(quiet_rows, 1.0)
    x = math.log1p(wanted)
    for _ in range(50):
        x = math.log(wanted + x + 1)
    return max(x / (2 * k) - _OVERSHOOT, 0.0)
