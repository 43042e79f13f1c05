"""What guessing gives, and what the best single column gives: the honest floor under any model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from mainspring.contract.metric import primary
from mainspring.data.power import binned, folds, gini, out_of_fold, power
from mainspring.data.target import Truth

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import polars as pl

    from mainspring.core.task import Task

    Vector: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

TEST = 0.25
MOST_ROWS = 60_000
SURE = 1.96
"""Two-sided 95 % limits of the normal distribution."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """The primary metric of guessing (``trivial``) and of the best single column (``value``, with 95 % limits).

    ``column`` is None where no column beats guessing. ``rows`` test rows were looked at: the latest where there is a
    time column, random ones otherwise.
    """

    metric: str
    trivial: float
    value: float
    low: float
    high: float
    column: str | None
    rows: int
    latest: bool


def baseline(
    frame: pl.DataFrame, target: str, task: Task, features: Sequence[str], *, time: str | None = None
) -> Baseline:
    """Fit every single column on three quarters of the rows and judge the best of them on the last quarter.

    The column is chosen on the fitted rows alone. ROC AUC has the limits of Hanley and McNeil (Radiology 143, 1982),
    accuracy those of Wilson, RMSE those of the normal distribution of squared errors. Rows without a target are passed
    over.
    """
    import numpy as np

    series = frame[target]
    table = frame.filter(series.is_not_null() & (series.is_not_nan() if series.dtype.is_float() else True))
    if table.height > MOST_ROWS:
        table = table[np.sort(np.random.default_rng(0).choice(table.height, MOST_ROWS, replace=False))]
    if time is not None:
        table = table.sort(time, maintain_order=True)
    order = np.arange(table.height) if time is not None else np.random.default_rng(0).permutation(table.height)
    cut = max(1, min(table.height - 1, round(table.height * (1 - TEST))))
    fitted, judged = order[:cut], order[cut:]
    truth = Truth.of(table[target], task)
    known, fold = truth.take(fitted), folds(len(fitted))
    best, strength, codes = None, 0.0, np.zeros(table.height, dtype=np.int64)
    for name in features:
        own = binned(table[name])
        found = power(own[fitted], known, fold)
        if found > strength:
            best, strength, codes = name, found, own
    return _judged(truth, codes, fitted, judged, column=best, latest=time is not None)


def _judged(
    truth: Truth,
    codes: np.ndarray[Any, Any],
    fitted: np.ndarray[Any, Any],
    judged: np.ndarray[Any, Any],
    *,
    column: str | None,
    latest: bool,
) -> Baseline:
    import numpy as np

    # fitted rows are fold 0 and judged rows fold 1: "the other folds" of a judged row are then the fitted rows
    side = np.zeros(len(codes), dtype=np.int64)
    side[judged] = 1
    known = truth.values[judged]
    scores = np.column_stack(
        [out_of_fold(codes, truth.values[:, k], side)[judged] for k in range(truth.values.shape[1])]
    )
    if truth.task == "binary":
        trivial, (value, low, high) = 0.5, _auc(known[:, 0], scores[:, 0])
    elif truth.task == "multiclass":
        most = int(truth.values[fitted].sum(axis=0).argmax())
        trivial = float(known[:, most].mean())
        right = known[np.arange(len(known)), scores.argmax(axis=1)]
        value, low, high = _share(right)
    else:
        usual = float(truth.values[fitted, 0].mean())
        trivial = math.sqrt(float(((known[:, 0] - usual) ** 2).mean()))
        value, low, high = _rmse((known[:, 0] - scores[:, 0]) ** 2)
    better = value < trivial if truth.task == "regression" else value > trivial
    metric = primary(truth.task)
    if column is None or not better or math.isnan(value):
        return Baseline(
            metric=metric,
            trivial=trivial,
            value=trivial,
            low=trivial,
            high=trivial,
            column=None,
            rows=len(judged),
            latest=latest,
        )
    return Baseline(
        metric=metric, trivial=trivial, value=value, low=low, high=high, column=column, rows=len(judged), latest=latest
    )


def _auc(truth: Vector, scores: Vector) -> tuple[float, float, float]:
    area = (gini(truth, scores) + 1) / 2
    positives, negatives = float(truth.sum()), float(len(truth) - truth.sum())
    if math.isnan(area) or min(positives, negatives) < 2:
        return math.nan, math.nan, math.nan
    q1, q2 = area / (2 - area), 2 * area * area / (1 + area)
    variance = (area * (1 - area) + (positives - 1) * (q1 - area**2) + (negatives - 1) * (q2 - area**2)) / (
        positives * negatives
    )
    error = SURE * math.sqrt(max(variance, 0.0))
    return area, max(area - error, 0.0), min(area + error, 1.0)


def _share(right: Vector) -> tuple[float, float, float]:
    n, p = len(right), float(right.mean())
    centre = (p + SURE**2 / (2 * n)) / (1 + SURE**2 / n)
    error = SURE * math.sqrt(p * (1 - p) / n + SURE**2 / (4 * n * n)) / (1 + SURE**2 / n)
    return p, centre - error, centre + error


def _rmse(squares: Vector) -> tuple[float, float, float]:
    mean = float(squares.mean())
    error = SURE * float(squares.std()) / math.sqrt(len(squares))
    return math.sqrt(mean), math.sqrt(max(mean - error, 0.0)), math.sqrt(mean + error)
