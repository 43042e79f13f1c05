"""How much a metric varies from window to window while nothing has changed.

The rows with known truth that a model was released on are resampled at several window sizes (Efron & Tibshirani, *An
Introduction to the Bootstrap*, 1993); what is kept of each size is the mean, the deviation and the skewness of the
metric. A band at any size and level follows from them by the expansion of E. A. Cornish and R. A. Fisher (1938), with
the reference's own sampling error added.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from mainspring.monitor.bands import normal_bound

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mainspring.evaluate.statistic import Statistic

SIZES = (50, 100, 200, 500, 1_000, 2_000, 5_000)
RESAMPLES = 200
LARGEST = 10_000
"""At most so many rows are resampled; the spread of more is that of these."""
_DEFINED = 0.5

Floats: TypeAlias = "NDArray[np.float64]"


@dataclass(frozen=True, slots=True)
class Spread:
    """A metric's value on the reference's *rows* and, per window size, how it varies around that.

    ``sizes``, ``bias`` (mean less value), ``deviation`` and ``skewness`` have one entry a size; a size at which the
    metric is mostly undefined (windows with one class) is left out.
    """

    value: float
    rows: int
    sizes: tuple[int, ...]
    bias: tuple[float, ...]
    deviation: tuple[float, ...]
    skewness: tuple[float, ...]

    def band(self, rows: int, level: float) -> tuple[float, float] | None:
        """The lowest and highest value of a quiet window of *rows* rows, each passed with half the chance *level*.

        None where nothing is known: no rows, or fewer than the smallest size that could be measured.
        """
        if not self.sizes or rows < self.sizes[0] / 2 or math.isnan(self.value):
            return None
        bias, deviation, skewness = self._at(rows)
        own = self._at(self.rows)[1]
        z = normal_bound(level / 2)
        bend = (z * z - 1) * skewness / 6
        whole = math.hypot(deviation, own)
        # the bend may not turn a tail back: a band is never narrower than half the normal one
        low, high = max(z - bend, z / 2), max(z + bend, z / 2)
        return self.value + bias - low * whole, self.value + bias + high * whole

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
        }  # fmt: skip

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Spread:
        """Read :meth:`as_dict` back."""
        lists = {name: tuple(raw[name]) for name in ("sizes", "bias", "deviation", "skewness")}
        return cls(float(raw["value"]), int(raw["rows"]), **lists)


def spread(statistic: Statistic, *, value: float, rows: int, share: Floats | None = None, seed: int = 0) -> Spread:
    """Resample *statistic* at every size up to the number of its rows (:data:`SIZES`).

    *value* and *rows* are those of the whole reference, of which the statistic may hold a part. *share*: shape (r, k),
    where row j of the statistic's r·k stands for ``share[j]`` of a row (see :mod:`mainspring.monitor.expectation`).
    """
    generator = np.random.default_rng(seed)
    given = statistic.rows if share is None else len(share)
    found: dict[int, Floats] = {}
    for size in SIZES:
        if size > max(given, SIZES[0]) or not given:
            break
        drawn = _draw(statistic, size, given, share, generator)
        known = drawn[np.isfinite(drawn)]
        if len(known) >= _DEFINED * RESAMPLES:
            found[size] = known
    around = value if not found else _value(statistic, share)
    return Spread(
        value,
        rows,
        tuple(found),
        tuple(float(drawn.mean()) - around for drawn in found.values()),
        tuple(float(drawn.std()) for drawn in found.values()),
        tuple(_skewness(drawn) for drawn in found.values()),
    )


def weights_of(statistic: Statistic, counts: Floats) -> Floats:
    """Counts of rows, shape (samples, rows), as weights of the statistic's kinds."""
    if statistic.fold is None:
        return counts
    return np.array([np.bincount(statistic.fold, row, minlength=statistic.kinds) for row in counts])


def _value(statistic: Statistic, share: Floats | None) -> float:
    if share is None:
        return statistic.value
    return float(statistic.of(weights_of(statistic, share.T.reshape(1, -1)))[0])


def _draw(statistic: Statistic, size: int, given: int, share: Floats | None, generator: np.random.Generator) -> Floats:
    values = np.empty(RESAMPLES)
    block = 25  # so many samples at a time keep the weights in a few megabytes
    for start in range(0, RESAMPLES, block):
        picked = generator.integers(0, given, (block, size))
        counts = np.array([np.bincount(row, minlength=given) for row in picked], dtype=np.float64)
        if share is not None:
            counts = np.concatenate([counts * share[:, label] for label in range(share.shape[1])], axis=1)
        values[start : start + block] = statistic.of(weights_of(statistic, counts))
    return values


def _skewness(drawn: Floats) -> float:
    deviation = float(drawn.std())
    if deviation == 0:
        return 0.0
    # 200 draws tell the skewness to within 0.17; two are more than any metric that is worth a band
    return float(np.clip(np.mean(((drawn - drawn.mean()) / deviation) ** 3), -2, 2))
