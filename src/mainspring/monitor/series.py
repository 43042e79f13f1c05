"""What the next number of a series is expected to be: latencies, error shares and traffic, from window to window.

Two forecasts, of which the better one on the series' own past speaks:

* **Robust exponential smoothing.** The level follows the series, but an outlier pulls at it no more than two deviations
  would (Huber's ψ), and the deviation itself is smoothed with a bounded ρ (biweight), so that one bad window neither
  becomes the new normal nor hides the next (S. Gelper, R. Fried and C. Croux, "Robust forecasting with exponential and
  Holt-Winters smoothing", Journal of Forecasting 29, 2010).
* **Seasonal naive**: what it was a season (a day, say) earlier, the median over the last seasons (R. J. Hyndman and
  G. Athanasopoulos, "Forecasting: principles and practice", 3rd edition, section 5.2). It speaks only where its past
  errors were clearly smaller.

The band is Student's t around the forecast with the robust deviation of past errors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from mainspring.monitor.unrest import t_bound

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LEAST = 8
"""From fewer numbers nothing is expected."""
SMOOTHING = 0.2
"""How fast the level follows."""
_SCALE_SMOOTHING = 0.1
_BOUND = 2.0
_CONSISTENT = 2.52  # makes the biweight's mean one for normal errors
_NORMAL = 1.4826
_CLEARLY = 0.8
_SEASONS = 4
_LOOKED = 200
"""What lies further back hardly moves a smoothed level, and costs as much."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """The expected ``value`` of the next number, the ``deviation`` of past errors, and from how many numbers.

    ``season``: the lag in windows that it rests on, None for smoothing.
    """

    value: float
    deviation: float
    numbers: int
    season: int | None = None

    def band(self, level: float) -> tuple[float, float]:
        """Where the next number lies but for the chance *level*, half of it on each side."""
        width = t_bound(level / 2, self.numbers - 1) * self.deviation
        return self.value - width, self.value + width


def forecast(values: Sequence[float], *, seasons: Iterable[int] = (), floor: float = 0.0) -> Forecast | None:
    """What follows after *values*, oldest first; None after too few.

    *seasons*: lags in windows that are worth a try. *floor*: the least deviation, for series that hardly move.
    """
    if len(values) < LEAST:
        return None
    level, deviation, errors = _smoothed(values[-_LOOKED:], floor)
    spread = math.sqrt(1 + SMOOTHING / (2 - SMOOTHING))
    best = Forecast(level, deviation * spread, len(values))
    usual = median(map(abs, errors)) if errors else math.inf
    for season in seasons:
        if len(values) < max(2 * season, season + LEAST):
            continue
        misses = [
            values[place] - _seasonal(values[:place], season)
            for place in range(max(season, len(values) - _LOOKED), len(values))
        ]
        missed = median(map(abs, misses))
        if missed < _CLEARLY * usual:
            usual = missed
            best = Forecast(_seasonal(values, season), max(_NORMAL * missed, floor), len(misses), season)
    return best


def _seasonal(values: Sequence[float], season: int) -> float:
    """The median of what was so many windows ago, in each of the last seasons."""
    places = range(len(values) - season, max(len(values) - season * _SEASONS - 1, -1), -season)
    return median(values[place] for place in places)


def _smoothed(values: Sequence[float], floor: float) -> tuple[float, float, list[float]]:
    """The level and the deviation after *values*, and the errors of the one-step forecasts."""
    start = values[:LEAST]
    level = median(start)
    least = max(floor, 1e-9 * max(1.0, abs(level)))
    scale = max(_NORMAL * median(abs(value - level) for value in start), least)
    errors = []
    for value in values[LEAST:]:
        error = value - level
        errors.append(error)
        z = error / scale
        scale = max(math.sqrt((1 - _SCALE_SMOOTHING + _SCALE_SMOOTHING * _rho(z)) * scale * scale), least)
        z = max(-_BOUND, min(_BOUND, error / scale))
        level += SMOOTHING * z * scale
    return level, scale, errors


def _rho(z: float) -> float:
    if abs(z) > _BOUND:
        return _CONSISTENT
    return _CONSISTENT * (1 - (1 - (z / _BOUND) ** 2) ** 3)
