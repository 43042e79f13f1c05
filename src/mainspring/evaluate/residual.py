"""Metrics of a predicted number. A residual is prediction minus truth: above zero, the model said too much."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mainspring.evaluate.statistic import Statistic, mean, ratio

if TYPE_CHECKING:
    from mainspring.evaluate.outcome import Floats, Ints, Outcome


def rmse(outcome: Outcome) -> Statistic:
    """The root of the mean squared residual."""
    squared = mean((outcome.decided - outcome.truth) ** 2)
    return Statistic(squared.rows, None, squared.kinds, lambda weights: np.sqrt(squared.of(weights)))


def mae(outcome: Outcome) -> Statistic:
    """The mean absolute residual."""
    return mean(np.abs(outcome.decided - outcome.truth))


def mape(outcome: Outcome) -> Statistic:
    """The mean absolute residual as a share of the truth; NaN where a truth is zero, of which nothing is a share."""
    return mean(ratio(np.abs(outcome.decided - outcome.truth), np.abs(outcome.truth)))


def mean_error(outcome: Outcome) -> Statistic:
    """The mean residual: how much too high the model is on average."""
    return mean(outcome.decided - outcome.truth)


def r2(outcome: Outcome) -> Statistic:
    """The share of the variance of the truth that is explained; NaN where the truth does not vary."""
    truth = outcome.truth - (outcome.truth.mean() if len(outcome) else 0.0)  # centred: no loss of digits below
    sums = np.column_stack([truth, truth**2, (outcome.decided - outcome.truth) ** 2])
    tiny = np.finfo(np.float64).eps * float(np.square(outcome.truth).sum()) if len(outcome) else 0.0

    def of(weights: Floats) -> Floats:
        first, second, left = (weights @ sums).T
        spread = second - first**2 / weights.sum(axis=1)
        return 1 - ratio(left, np.where(spread > tiny, spread, 0.0))

    return Statistic(len(outcome), None, len(outcome), of)


def median_absolute_error(outcome: Outcome) -> Statistic:
    """The median absolute residual."""
    fold, sizes = _by_size(outcome)

    def of(weights: Floats) -> Floats:
        upto = np.cumsum(weights, axis=1)
        total = upto[:, -1]
        lower = _first_above(upto, np.floor((total - 1) / 2))
        upper = _first_above(upto, np.floor(total / 2))
        middle: Floats = (sizes[lower] + sizes[upper]) / 2
        return middle

    return Statistic(len(outcome), fold, len(sizes), of)


def max_error(outcome: Outcome) -> Statistic:
    """The largest absolute residual. Its bootstrap interval never reaches above the value itself."""
    fold, sizes = _by_size(outcome)

    def of(weights: Floats) -> Floats:
        largest: Floats = sizes[len(sizes) - 1 - np.argmax(weights[:, ::-1] > 0, axis=1)]
        return largest

    return Statistic(len(outcome), fold, len(sizes), of)


def _by_size(outcome: Outcome) -> tuple[Ints, Floats]:
    """The rank of each row's absolute residual, and the residuals in rising order."""
    sizes, fold = np.unique(np.abs(outcome.decided - outcome.truth), return_inverse=True)
    return fold, sizes


def _first_above(upto: Floats, bound: Floats) -> Ints:
    """The first position of each row of the rising *upto* that lies above *bound*, shape (samples,)."""
    position: Ints = np.argmax(upto > bound[:, None], axis=1)
    return position
