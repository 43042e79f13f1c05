"""Where each statistic stays while nothing has changed, at the sizes of this reference and this window.

* **PSI and JS.** Under no change, PSI · nm / (n + m) follows a chi-square law with k - 1 degrees of freedom for k
  bins and samples of n and m rows (B. Yurdakul, "Statistical properties of the population stability index", 2018),
  and so does 8 · ln 2 · JS² · nm / (n + m). Small bins bend the law; so, unless every bin expects :data:`PLENTY`
  rows, the reference's histogram is resampled at both sizes (the reference is a sample too) and a scaled
  chi-square law with the resamples' mean and variance takes its place. That extrapolates to the far tail that
  1,000 columns need from 1,000 resamples; with at least :data:`LEAST` rows expected in a bin the tail at 1 in
  50,000 was at most 2.3 times what it claims (ten million simulated windows). Tails are computed by the cube-root
  rule of E. B. Wilson and M. M. Hilferty (1931).
* **KS.** P(D ≥ d) ≤ 2 · exp(-2 λ²) with the small-sample λ of M. A. Stephens (1970). Binning makes D smaller, so
  this errs towards silence.
* **Shift.** Normal, with the Mann-Whitney variance for ties.
* **Shares** (nulls, unseen levels, out of range): the signed root of the likelihood ratio of two binomials, with a
  correction for continuity.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from mainspring.monitor import statistic

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST = 20
"""Bins are pooled until the reference expects at least so many rows of the smaller sample in each."""
PLENTY = 200
"""From so many expected rows a bin on, the chi-square law itself is used."""
RESAMPLES = 1_000
_ALIKE = 1.5
_NORMAL = NormalDist()

Counts: TypeAlias = "NDArray[np.int64]"
Floats: TypeAlias = "NDArray[np.float64]"


@dataclass(frozen=True, slots=True)
class ChiSquare:
    """The law of ``scale`` times a chi-square variable with ``degrees`` degrees of freedom."""

    scale: float
    degrees: float

    def chance(self, value: float) -> float:
        """The chance of *value* or more."""
        spread = 2 / (9 * self.degrees)
        return normal_chance(((max(value, 0.0) / self.scale / self.degrees) ** (1 / 3) - 1 + spread) / spread**0.5)

    def bound(self, level: float) -> float:
        """The value that is reached with the chance *level*."""
        spread = 2 / (9 * self.degrees)
        root = max(1 - spread + normal_bound(level) * math.sqrt(spread), 0.0)
        return self.scale * self.degrees * root * root * root


def normal_chance(z: float) -> float:
    """The chance that a standard normal variable is *z* or more."""
    return 0.5 * math.erfc(z / math.sqrt(2))


@lru_cache(maxsize=1024)
def normal_bound(level: float) -> float:
    """The value that a standard normal variable reaches with the chance *level*."""
    return -_NORMAL.inv_cdf(level)


def divergences(counts: Counts, n: int, m: int) -> tuple[ChiSquare, ChiSquare]:
    """The laws of the scaled PSI and the scaled squared JS for reference *counts* in k ≥ 2 bins.

    They hold for samples of n and m rows; n need not be the sum of *counts*. The scale is :func:`effective`.
    """
    shares = counts / counts.sum()
    if shares.min() * min(n, m) >= PLENTY:
        law = ChiSquare(1.0, len(counts) - 1.0)
        return law, law
    # laws bend slowly with sizes and shapes: near ones share their resamples
    if shares.max() <= _ALIKE * shares.min():
        shares = np.full(len(counts), 1 / len(counts))
    rounded = tuple(float(f"{share:.2g}") for share in shares)
    return _resampled(rounded, _rounded(n), _rounded(m))


def effective(n: int, m: int) -> float:
    """The size that scales a divergence between samples of n and m rows: nm / (n + m)."""
    return n * m / (n + m)


def js_scaled(distance: float, size: float) -> float:
    """The JS distance on the scale of its chi-square law."""
    return 8 * math.log(2) * distance * distance * size


def js_bound(law: ChiSquare, level: float, size: float) -> float:
    """The JS distance that is reached with the chance *level*."""
    return min(1.0, math.sqrt(law.bound(level) / (8 * math.log(2) * size)))


def ks_chance(distance: float, size: float) -> float:
    """At most the chance of this KS distance or more; *size* as from :func:`effective`."""
    stretched = distance * _stretch(size)
    return min(1.0, 2 * math.exp(-2 * stretched * stretched))


def ks_bound(level: float, size: float) -> float:
    """The KS distance that is reached with at most the chance *level*."""
    return min(1.0, math.sqrt(-math.log(level / 2) / 2) / _stretch(size))


def share_chance(x: int, n: int, y: int, m: int, *, sides: int = 2) -> float:
    """The chance of a window's y of m rows beside the reference's x of n, or of anything further off.

    With one side only a rise counts.
    """
    if not n or not m:
        return 1.0
    pooled = (x + y) / (n + m)
    expected = pooled * m
    excess = y - expected
    if pooled in (0.0, 1.0) or (sides == 1 and excess <= 0):
        return 1.0
    nearer = y - math.copysign(min(0.5, abs(excess)), excess)
    other = x + (y - nearer)
    deviance = 2 * (_pull(nearer, m, pooled) + _pull(other, n, pooled))
    return min(1.0, sides * normal_chance(math.sqrt(max(deviance, 0.0))))


@lru_cache(maxsize=4096)
def share_band(x: int, n: int, m: int, level: float, *, sides: int = 2) -> tuple[float, float]:
    """The shares of m rows that :func:`share_chance` finds no less likely than *level*, as lowest and highest."""
    centre = x / n if n else 0.0
    low = 0.0
    if sides == 2:
        low = _edge(x, n, m, level, sides, 0, math.ceil(centre * m))
    # the whole number on the near side of what is usual is within any band, the one beyond may not be
    return low, _edge(x, n, m, level, sides, m, math.floor(centre * m))


def _edge(x: int, n: int, m: int, level: float, sides: int, outer: int, inner: int) -> float:
    """The furthest count from *inner* towards *outer* that is still within the band, as a share; by bisection."""
    if not m:
        return 0.0
    if share_chance(x, n, outer, m, sides=sides) >= level:
        return outer / m
    while abs(outer - inner) > 1:
        middle = (outer + inner) // 2
        if share_chance(x, n, middle, m, sides=sides) >= level:
            inner = middle
        else:
            outer = middle
    return inner / m


def _pull(count: float, rows: int, share: float) -> float:
    rest = rows - count
    return _log_ratio(count, rows * share) + _log_ratio(rest, rows * (1 - share))


def _log_ratio(count: float, expected: float) -> float:
    return count * math.log(count / expected) if count > 0 else 0.0


def _stretch(size: float) -> float:
    root = math.sqrt(size)
    return root + 0.12 + 0.11 / root


def _rounded(rows: int) -> int:
    return round(2 ** (round(4 * math.log2(rows)) / 4)) if rows > 1 else rows


_STILL = 1e-9
"""What varies by less than this share of its square does not vary: all rows fall into one bin."""


@lru_cache(maxsize=4096)
def _resampled(shares: tuple[float, ...], n: int, m: int) -> tuple[ChiSquare, ChiSquare]:
    p = np.asarray(shares)
    p = p / p.sum()
    draw = np.random.default_rng(len(shares))
    a, b = draw.multinomial(n, p, size=RESAMPLES), draw.multinomial(m, p, size=RESAMPLES)
    size = effective(n, m)
    degrees = len(shares) - 1
    psi, js = statistic.psi_and_js(a, b)
    return _matched(psi * size, degrees), _matched(8 * math.log(2) * js**2 * size, degrees)


def _matched(drawn: Floats, degrees: int) -> ChiSquare:
    """The scaled chi-square law with the mean and the variance of what was drawn."""
    mean, variance = float(drawn.mean()), float(drawn.var())
    # bins that the reference left empty hardly vary, or not at all; the plain law errs towards silence
    if mean < degrees / 2 or variance <= _STILL * mean * mean:
        return ChiSquare(1.0, float(degrees))
    return ChiSquare(variance / (2 * mean), 2 * mean * mean / variance)
