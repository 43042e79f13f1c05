"""How much a metric varies from window to window while nothing has changed.

The rows with known truth that a model was released on are resampled at several window sizes (Efron & Tibshirani, *An
Introduction to the Bootstrap*, 1993); what is kept of each size is the mean, the deviation and the skewness of the
metric. A band at any size and level follows from them by the expansion of E. A. Cornish and R. A. Fisher (1938), with
the reference's own sampling error added.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from mainspring.monitor.bands import normal_bound
from mainspring.monitor.unrest import LEAST, t_bound

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from mainspring.evaluate.statistic import Statistic

SIZES = (50, 150, 500, 1_500, 5_000)
RESAMPLES = 200
LARGEST = 5_000
"""At most so many rows are resampled; the spread of more is that of these."""
_DEFINED = 0.5
_BLOCK = 25
"""So many samples at a time keep the weights in a few megabytes."""

Floats: TypeAlias = "NDArray[np.float64]"


@dataclass(frozen=True, slots=True)
class Spread:
    """A metric's value on the reference's *rows* and, per window size, how it varies around that.

    ``sizes``, ``bias`` (mean less value), ``deviation`` and ``skewness`` have one entry a size; a size at which the
    metric is mostly undefined (windows with one class) is left out. ``unrest``: how much it varies beyond that between
    the reference's own *windows*, in order of time (0 where that is not known).
    """

    value: float
    rows: int
    sizes: tuple[int, ...]
    bias: tuple[float, ...]
    deviation: tuple[float, ...]
    skewness: tuple[float, ...]
    unrest: float = 0.0
    windows: int = 0

    def band(self, rows: int, level: float) -> tuple[float, float] | None:
        """The lowest and highest value of a quiet window of *rows* rows, each passed with half the chance *level*.

        None where nothing is known: no rows, or fewer than the smallest size that could be measured.
        """
        if not self.sizes or rows < self.sizes[0] / 2 or math.isnan(self.value):
            return None
        bias, deviation, skewness = self._at(rows)
        own = self._at(self.rows)[1]
        moody = self.unrest > 0 and self.windows > 1
        z = t_bound(level / 2, self.windows - 1) if moody else normal_bound(level / 2)
        bend = (z * z - 1) * skewness / 6
        whole = math.hypot(deviation, own, self.unrest)
        # the bend may not turn a tail back: a band is never narrower than half the normal one
        low, high = max(z - bend, z / 2), max(z + bend, z / 2)
        return self.value + bias - low * whole, self.value + bias + high * whole

    def settled(self, values: Sequence[float], rows: int) -> Spread:
        """The same spread, its bands widened by how much *values* on windows of *rows* rows vary beyond chance.

        *values*: the metric on the reference's own windows, in order of time; fewer than eight change nothing.
        """
        known = [value for value in values if math.isfinite(value)]
        if len(known) < LEAST or not self.sizes:
            return self
        excess = float(np.var(known, ddof=1)) - self._at(rows)[1] ** 2
        return replace(self, unrest=math.sqrt(max(excess, 0.0)), windows=len(known))

    def _at(self, rows: int) -> tuple[float, float, float]:
        """Bias, deviation and skewness at *rows*: between two sizes on a line, beyond the last by the usual laws."""
        last = self.sizes[-1]
        if rows > last:
            ratio = last / rows
            root = math.sqrt(ratio)
            return self.bias[-1] * ratio, self.deviation[-1] * root, self.skewness[-1] * root
        place = np.log(max(rows, self.sizes[0]))
        grid = np.log(np.asarray(self.sizes))
        bias, skewness = (float(np.interp(place, grid, column)) for column in (self.bias, self.skewness))
        scaled = np.asarray(self.deviation) * np.sqrt(self.sizes)
        return bias, float(np.interp(place, grid, scaled)) / math.sqrt(max(rows, 1)), skewness

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "value": self.value, "rows": self.rows, "sizes": list(self.sizes), "bias": list(self.bias),
            "deviation": list(self.deviation), "skewness": list(self.skewness),
            "unrest": self.unrest, "windows": self.windows,
        }  # fmt: skip

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Spread:
        """Read :meth:`as_dict` back."""
        lists = {name: tuple(raw[name]) for name in ("sizes", "bias", "deviation", "skewness")}
        return cls(float(raw["value"]), int(raw["rows"]), **lists, unrest=raw["unrest"], windows=raw["windows"])


def spreads(
    statistics: Mapping[str, Statistic],
    *,
    values: Mapping[str, float],
    rows: int,
    share: Floats | None = None,
    seed: int = 0,
) -> dict[str, Spread]:
    """Resample *statistics* of the same rows at every size up to their number (:data:`SIZES`), all on the same draws.

    *values* and *rows* are those of the whole reference, of which the statistics may hold a part. *share*: shape
    (r, k), where row j·r + i of a statistic stands for ``share[i, j]`` of row i (an :class:`Expectation`'s weights).
    """
    generator = np.random.default_rng(seed)
    given = next((statistic.rows for statistic in statistics.values()), 0) if share is None else len(share)
    drawn: dict[str, dict[int, Floats]] = {name: {} for name in statistics}
    for size in SIZES:
        if not given or size > max(given, SIZES[0]):
            break
        for name, found in _draw(statistics, size, given, share, generator).items():
            known = found[np.isfinite(found)]
            if len(known) >= _DEFINED * RESAMPLES:
                drawn[name][size] = known
    return {
        name: _summary(values[name], value_of(statistics[name], share), rows, found) for name, found in drawn.items()
    }


def value_of(statistic: Statistic, share: Floats | None) -> float:
    """The statistic on its rows as they are, or as many as *share* says of each."""
    if share is None:
        return statistic.value
    return float(statistic.of(weights_of(statistic, share.T.reshape(1, -1)))[0])


def weights_of(statistic: Statistic, counts: Floats) -> Floats:
    """Counts of rows, shape (samples, rows), as weights of the statistic's kinds."""
    if statistic.fold is None:
        return counts
    return np.array([np.bincount(statistic.fold, row, minlength=statistic.kinds) for row in counts])


def _summary(value: float, around: float, rows: int, drawn: dict[int, Floats]) -> Spread:
    return Spread(
        value,
        rows,
        tuple(drawn),
        tuple(float(found.mean()) - around for found in drawn.values()),
        tuple(float(found.std()) for found in drawn.values()),
        tuple(_skewness(found) for found in drawn.values()),
    )


def _draw(
    statistics: Mapping[str, Statistic],
    size: int,
    given: int,
    share: Floats | None,
    generator: np.random.Generator,
) -> dict[str, Floats]:
    values = {name: np.empty(RESAMPLES) for name in statistics}
    for start in range(0, RESAMPLES, _BLOCK):
        block = slice(start, start + _BLOCK)
        picked = generator.integers(0, given, (_BLOCK, size), dtype=np.int32)
        counts = np.array([np.bincount(row, minlength=given) for row in picked], dtype=np.float64)
        if share is not None:
            counts = np.concatenate([counts * share[:, label] for label in range(share.shape[1])], axis=1)
        for name, statistic in statistics.items():
            values[name][block] = statistic.of(weights_of(statistic, counts))
    return values


def _skewness(drawn: Floats) -> float:
    deviation = float(drawn.std())
    if deviation == 0:
        return 0.0
    # 200 draws tell the skewness to within 0.17; two are more than any metric that is worth a band
    return float(np.clip(np.mean(((drawn - drawn.mean()) / deviation) ** 3), -2, 2))
