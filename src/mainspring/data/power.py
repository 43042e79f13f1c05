"""How well one column alone predicts the target, on rows that it was not fitted to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from mainspring.data.summary import numbers_of

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from mainspring.data.target import Truth

    Vector: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
    Codes: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]

BINS = 64
FOLDS = 5
SMOOTHING = 10.0
"""A level's mean is drawn towards the overall mean as by so many rows, so that rare levels promise nothing."""


def binned(series: pl.Series) -> Codes:
    """The column as small whole numbers: 0 for null, then quantile bins of numbers and dates, or levels."""
    import numpy as np
    import polars as pl

    if not (series.dtype.is_numeric() or series.dtype.is_temporal()):
        text = (
            series.cast(pl.String, strict=False) if not series.dtype.is_nested() else series.is_null().cast(pl.String)
        )
        return text.rank("dense").fill_null(0).cast(pl.Int64).to_numpy()
    values = numbers_of(series)
    ordered = np.sort(values[~np.isnan(values)])
    if len(ordered) == 0:
        return np.zeros(len(values), dtype=np.int64)
    edges = cuts(ordered)
    codes = np.searchsorted(edges, values, side="right").astype(np.int64) + 1
    codes[np.isnan(values)] = 0
    return codes


def cuts(ordered: Vector, bins: int = BINS) -> Vector:
    """The values at which sorted numbers are cut: each distinct value where they are few, quantiles otherwise."""
    import numpy as np

    starts = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    if len(starts) < bins:
        return ordered[starts]
    at = (np.linspace(0, 1, bins + 1)[1:-1] * (len(ordered) - 1)).astype(np.intp)
    return np.unique(ordered[at])


def folds(rows: int, *, seed: int = 0) -> Codes:
    """A random fold number for each row."""
    import numpy as np

    return np.random.default_rng(seed).integers(0, FOLDS, rows)


def out_of_fold(codes: Codes, values: Vector, fold: Codes, *, smoothing: float = SMOOTHING) -> Vector:
    """For each row the smoothed mean of *values* among the rows of its code in the other folds; shape (rows,)."""
    import numpy as np

    levels = int(codes.max()) + 1
    cell = fold * levels + codes
    size = np.bincount(cell, minlength=FOLDS * levels).reshape(FOLDS, levels)
    total = np.bincount(cell, values, minlength=FOLDS * levels).reshape(FOLDS, levels)
    others = size.sum(axis=0) - size
    mean = float(values.mean())
    fitted = (total.sum(axis=0) - total + smoothing * mean) / (others + smoothing)
    result: Vector = fitted.ravel()[cell]
    return result


def gini(truth: Vector, scores: Vector) -> float:
    """Twice the area under the ROC curve minus one: 0 for guessing, 1 for a perfect order. NaN with a single class.

    >>> import numpy as np
    >>> gini(np.array([0.0, 0.0, 1.0]), np.array([0.1, 0.2, 0.9]))
    1.0
    """
    import numpy as np

    levels, place = np.unique(scores, return_inverse=True)
    positive = np.bincount(place, truth, minlength=len(levels))
    size = np.bincount(place, minlength=len(levels)).astype(np.float64)
    return _gini(np.asarray(positive, dtype=np.float64), size - positive, levels)


def _gini(positive: Vector, negative: Vector, scores: Vector) -> float:
    """The coefficient from the counts of each group of rows and the score that the group has."""
    import numpy as np

    if positive.sum() == 0 or negative.sum() == 0:
        return float("nan")
    levels, place = np.unique(scores, return_inverse=True)
    above = np.bincount(place, positive, minlength=len(levels))
    below = np.bincount(place, negative, minlength=len(levels))
    wins = float((above * (np.cumsum(below) - below / 2)).sum())
    return 2 * wins / float(positive.sum() * negative.sum()) - 1


def power(codes: Codes, truth: Truth, fold: Codes) -> float:
    """The predictive power of a binned column, out of fold: at most 1, about 0 for a column that says nothing.

    For classes the Gini coefficient (against the rest, weighted by the size of the class); for a regression the share
    of variance explained, of the number or of its rank, whichever is larger.
    """
    import numpy as np

    values = truth.values
    if truth.task == "regression":
        return max(_explained(values[:, k], out_of_fold(codes, values[:, k], fold)) for k in range(values.shape[1]))
    weights = values.sum(axis=0)
    scores = [_gini_by_fold(codes, values[:, k], fold) for k in range(values.shape[1])]
    usable = [(score, weight) for score, weight in zip(scores, weights, strict=True) if not np.isnan(score)]
    total = sum(weight for _, weight in usable)
    return float(sum(score * weight for score, weight in usable) / total) if total else 0.0


def _gini_by_fold(codes: Codes, outcome: Vector, fold: Codes) -> float:
    """The mean Gini coefficient of the folds, from counts alone.

    Never over the pooled folds: a level with many positives in one fold has few in the others, which would rank the
    rows of a useless column backwards.
    """
    import numpy as np

    levels = int(codes.max()) + 1
    cell = fold * levels + codes
    size = np.bincount(cell, minlength=FOLDS * levels).reshape(FOLDS, levels)
    positive = np.bincount(cell, outcome, minlength=FOLDS * levels).reshape(FOLDS, levels)
    others = size.sum(axis=0) - size
    scores = (positive.sum(axis=0) - positive + SMOOTHING * float(outcome.mean())) / (others + SMOOTHING)
    found: list[float] = []
    for k in range(FOLDS):
        filled = size[k] > 0
        found.append(_gini(positive[k, filled], (size[k] - positive[k])[filled], scores[k, filled]))
    return float(np.nanmean(found)) if not np.isnan(found).all() else float("nan")


def _explained(truth: Vector, fitted: Vector) -> float:
    spread = float(truth.var())
    return 1 - float(((truth - fitted) ** 2).mean()) / spread if spread > 0 else 0.0
