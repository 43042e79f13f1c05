"""How certain a metric is: the bootstrap over rows.

Efron & Tibshirani (1993), *An Introduction to the Bootstrap*, chapter 13: percentile intervals. Statistics drawn
together see the same samples, which makes their differences paired.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mainspring.evaluate.outcome import Floats, Ints
    from mainspring.evaluate.statistic import Statistic

CELLS = 4_000_000
"""At most so many weights are held at once (32 MB)."""
FEW_KINDS = 4096
"""Up to so many kinds a sample is drawn as one multinomial count, whatever the number of rows."""
TABLE = 1_000_000
"""Joint kinds are counted in a table of at most so many."""
DEFINED = 0.5
"""An interval needs at least this share of the samples to be defined."""


def replicates(statistics: Sequence[Statistic], *, resamples: int, seed: int) -> Floats:
    """Shape (statistics, resamples): each statistic on each of the same bootstrap samples of the rows.

    All statistics are over the same rows in the same order.
    """
    generator = np.random.default_rng(seed)
    rows = statistics[0].rows
    if not rows:
        return np.full((len(statistics), resamples), np.nan)
    joint = _joint_kinds(statistics)
    if joint is not None:
        return _counted(statistics, *joint, rows=rows, resamples=resamples, generator=generator)
    return _drawn(statistics, rows=rows, resamples=resamples, generator=generator)


def percentiles(values: Floats, confidence: float) -> tuple[float, float] | tuple[None, None]:
    """The middle *confidence* share of the samples that are defined; None where too few are."""
    known = values[~np.isnan(values)]
    if len(known) < max(2, DEFINED * len(values)):
        return None, None
    tail = (1 - confidence) / 2
    low, high = np.quantile(known, [tail, 1 - tail])
    return float(low), float(high)


def _joint_kinds(statistics: Sequence[Statistic]) -> tuple[Ints, Ints] | None:
    """The joint kinds that occur, with the count of each; None where there are too many to count.

    A joint kind is the kinds of one row under all the statistics, written as one number with the last one's kind as its
    lowest digit.
    """
    joint: Ints | None = None
    size = 1
    for statistic in statistics:
        size *= statistic.kinds
        if statistic.fold is None or size > TABLE:
            return None
        joint = statistic.fold if joint is None else joint * statistic.kinds + statistic.fold
    if joint is None:
        return None
    counts = np.bincount(joint, minlength=size)
    kinds = np.flatnonzero(counts)
    if len(kinds) > min(FEW_KINDS, max(64, statistics[0].rows // 8)):
        return None
    return kinds, counts[kinds]


def _counted(
    statistics: Sequence[Statistic],
    kinds: Ints,
    counts: Ints,
    *,
    rows: int,
    resamples: int,
    generator: np.random.Generator,
) -> Floats:
    drawn = generator.multinomial(rows, counts / rows, size=resamples).astype(np.float64)
    values = np.empty((len(statistics), resamples))
    left = kinds
    for place, statistic in reversed(list(enumerate(statistics))):
        left, own = left // statistic.kinds, left % statistic.kinds
        distinct, order, starts = _runs(own)
        for part in _parts(resamples, statistic.kinds):
            weights = np.zeros((part.stop - part.start, statistic.kinds))
            weights[:, distinct] = np.add.reduceat(drawn[part][:, order], starts, axis=1)
            values[place, part] = statistic.of(weights)
    return values


def _runs(kinds: Ints) -> tuple[Ints, Ints, Ints]:
    """The different *kinds*, an order that puts equal ones side by side, and where each starts in it."""
    order = np.argsort(kinds, kind="stable")
    distinct, starts = np.unique(kinds[order], return_index=True)
    return distinct, order, starts


def _drawn(statistics: Sequence[Statistic], *, rows: int, resamples: int, generator: np.random.Generator) -> Floats:
    values = np.empty((len(statistics), resamples))
    per_sample = sum(s.kinds for s in statistics if s.fold is not None) + rows
    for part in _parts(resamples, per_sample):
        size = part.stop - part.start
        plain = np.empty((size, rows)) if any(s.fold is None for s in statistics) else None
        folded = [None if s.fold is None else np.empty((size, s.kinds)) for s in statistics]
        for sample in range(size):
            picked = generator.integers(0, rows, rows, dtype=np.int32)
            if plain is not None:
                plain[sample] = np.bincount(picked, minlength=rows)
            for statistic, weights in zip(statistics, folded, strict=True):
                if statistic.fold is not None and weights is not None:
                    weights[sample] = np.bincount(statistic.fold[picked], minlength=statistic.kinds)
        for place, (statistic, weights) in enumerate(zip(statistics, folded, strict=True)):
            given = plain if weights is None else weights
            if given is not None:
                values[place, part] = statistic.of(given)
    return values


def _parts(resamples: int, width: int) -> list[slice]:
    """Slices of the samples, each small enough to be held at once."""
    size = max(1, min(resamples, CELLS // max(width, 1)))
    return [slice(start, min(start + size, resamples)) for start in range(0, resamples, size)]
