"""How far apart two counts over the same places are. All take the reference's counts first, the window's second.

PSI, the population stability index, is the sum of (q - p) · ln(q / p) over the bins. JS is the Jensen-Shannon
*distance* with base 2 (the root of the divergence, 0 for equal and 1 for disjoint counts), as SciPy has it. Both
count half a row more in every bin, so that an empty bin has a finite weight. KS, the Kolmogorov-Smirnov distance,
is the largest gap between the cumulated shares. The shift is the chance that a row of the window exceeds one of
the reference, less one half (the effect size of the Mann-Whitney test): 0 for no change in location, ±0.5 for
complete separation.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Counts: TypeAlias = "NDArray[np.int64]"
Floats: TypeAlias = "NDArray[np.float64]"
HALF = 0.5


def psi_and_js(a: NDArray[Any], b: NDArray[Any]) -> tuple[Any, Any]:
    """PSI and JS distance of counts of shape (k,) or (r, k), one number each for each r."""
    p, q = _shares(a), _shares(b)
    index = ((q - p) * np.log(q / p)).sum(axis=-1)
    middle = (p + q) / 2
    divergence = (p * np.log2(p / middle) + q * np.log2(q / middle)).sum(axis=-1) / 2
    return index, np.sqrt(np.maximum(divergence, 0.0))


def ks(a: Counts, b: Counts) -> float:
    """The largest gap between the cumulated shares of counts of shape (k,), in the order of the places."""
    return min(1.0, float(np.abs((a / a.sum() - b / b.sum()).cumsum()).max()))


def moved(a: Counts, b: Counts) -> float:
    """The share of rows that would have to move to make the counts alike (the total variation distance)."""
    return float(np.abs(a / a.sum() - b / b.sum()).sum() / 2)


def shift(a: Counts, b: Counts) -> tuple[float, float]:
    """The shift and its standard deviation between two samples of one distribution, ties counted."""
    n, m = int(a.sum()), int(b.sum())
    before = a.cumsum() - a
    value = float(b @ (before + a / 2)) / n / m - HALF
    ties = (a + b).astype(np.float64)
    total = n + m
    variance = (total + 1 - float((ties * ties * ties - ties).sum()) / (total * max(total - 1, 1))) / (12 * n * m)
    return value, math.sqrt(max(variance, 0.0))


def _shares(counts: NDArray[Any]) -> Floats:
    smoothed = counts + HALF
    shares: Floats = smoothed / smoothed.sum(axis=-1, keepdims=True)
    return shares
