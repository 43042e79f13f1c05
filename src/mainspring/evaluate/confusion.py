"""Metrics that look only at how often each class was taken for which."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mainspring.evaluate.outcome import Floats, Ints, Outcome, label_text
from mainspring.evaluate.statistic import Statistic, ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

POSITIVE = 1
"""The code of the positive class of a binary task."""
FEW_LABELS = 1000
"""Up to so many labels the cells of their confusion matrix are counted in a table of all of them."""


def accuracy(outcome: Outcome) -> Statistic:
    """The share of rows predicted right."""
    return _per_class(outcome, lambda hits, support, _: ratio(hits.sum(axis=1), support.sum(axis=1)))


def balanced_accuracy(outcome: Outcome) -> Statistic:
    """The mean recall over the classes that occur in the truth."""
    return _per_class(outcome, lambda hits, support, _: _mean_known(ratio(hits, support)))


def matthews_corrcoef(outcome: Outcome) -> Statistic:
    """The correlation of truth and prediction (Matthews 1975; many classes: Gorodkin 2004).

    Zero where truth or prediction is constant, as in scikit-learn: a constant answer knows nothing.
    """

    def of(hits: Floats, support: Floats, predicted: Floats) -> Floats:
        rows = support.sum(axis=1)
        covariance = hits.sum(axis=1) * rows - (support * predicted).sum(axis=1)
        spread = (rows**2 - (support**2).sum(axis=1)) * (rows**2 - (predicted**2).sum(axis=1))
        value: Floats = np.divide(covariance, np.sqrt(spread), out=np.zeros_like(covariance), where=spread > 0)
        return value

    return _per_class(outcome, of)


def precision(outcome: Outcome) -> Statistic:
    """The share of the rows called positive that are; NaN where no row was called positive."""
    return _per_class(outcome, lambda hits, _, predicted: ratio(hits[:, POSITIVE], predicted[:, POSITIVE]))


def recall(outcome: Outcome) -> Statistic:
    """The share of the positive rows that were called so; NaN where no row is positive."""
    return _per_class(outcome, lambda hits, support, _: ratio(hits[:, POSITIVE], support[:, POSITIVE]))


def f1(outcome: Outcome) -> Statistic:
    """The harmonic mean of precision and recall; NaN where no row is positive and none was called so."""
    return _per_class(
        outcome,
        lambda hits, support, predicted: ratio(2 * hits[:, POSITIVE], support[:, POSITIVE] + predicted[:, POSITIVE]),
    )


def f1_macro(outcome: Outcome) -> Statistic:
    """The mean F1 over the classes that occur in truth or prediction."""
    return _per_class(outcome, lambda hits, support, predicted: _mean_known(ratio(2 * hits, support + predicted)))


def f1_weighted(outcome: Outcome) -> Statistic:
    """The mean F1 over the classes, weighted by how often each is true."""

    def of(hits: Floats, support: Floats, predicted: Floats) -> Floats:
        scores = np.nan_to_num(ratio(2 * hits, support + predicted))
        return ratio((scores * support).sum(axis=1), support.sum(axis=1))

    return _per_class(outcome, of)


def precision_macro(outcome: Outcome) -> Statistic:
    """The mean precision over the classes that occur; a class never predicted counts as zero."""
    return _per_class(outcome, lambda hits, support, predicted: _mean_met(hits, predicted, support + predicted))


def recall_macro(outcome: Outcome) -> Statistic:
    """The mean recall over the classes that occur; a class that is predicted but never true counts as zero."""
    return _per_class(outcome, lambda hits, support, predicted: _mean_met(hits, support, support + predicted))


def expected_cost(outcome: Outcome, cost: Mapping[tuple[str, str], float]) -> Statistic:
    """The mean cost of a row: *cost* by (truth, prediction), zero for pairs that are not named."""
    fold, truth, decided = _cells(outcome)
    names = [label_text(label) for label in outcome.labels]
    price = np.array([cost.get((names[t], names[d]), 0.0) for t, d in zip(truth, decided, strict=True)])
    return Statistic(len(outcome), fold, len(truth), lambda weights: weights @ price / weights.sum(axis=1))


def matrix(outcome: Outcome) -> Floats:
    """Shape (labels, labels): rows counted by true (down) and predicted (across) label."""
    size = len(outcome.labels)
    counts = np.bincount(outcome.truth * size + outcome.decided, minlength=size * size)
    return counts.reshape(size, size).astype(np.float64)


def _cells(outcome: Outcome) -> tuple[Ints, Ints, Ints]:
    """The fold of rows into the cells of the confusion matrix that are not empty, with truth and decision of each."""
    size = len(outcome.labels)
    place = outcome.truth * size + outcome.decided
    if size > FEW_LABELS:
        cells, fold = np.unique(place, return_inverse=True)
    else:  # without sorting the rows
        cells = np.flatnonzero(np.bincount(place, minlength=size * size))
        rank = np.zeros(size * size, dtype=np.int64)
        rank[cells] = np.arange(len(cells))
        fold = rank[place]
    return fold, cells // size, cells % size


def _per_class(outcome: Outcome, of: Callable[[Floats, Floats, Floats], Floats]) -> Statistic:
    """A metric of hits, support and predictions by class, each of shape (samples, labels)."""
    fold, truth, decided = _cells(outcome)
    labels = np.arange(len(outcome.labels))
    is_true = (truth[:, None] == labels) * 1.0
    is_decided = (decided[:, None] == labels) * 1.0
    is_hit = is_true * is_decided

    def values(weights: Floats) -> Floats:
        return of(weights @ is_hit, weights @ is_true, weights @ is_decided)

    return Statistic(len(outcome), fold, len(truth), values)


def _mean_known(values: Floats) -> Floats:
    """The mean along the classes of what is not NaN; NaN where nothing is."""
    known = ~np.isnan(values)
    return ratio(np.nan_to_num(values).sum(axis=1), known.sum(axis=1) * 1.0)


def _mean_met(hits: Floats, of: Floats, met: Floats) -> Floats:
    """The mean of ``hits / of`` over the classes with *met*, where an empty *of* counts as zero."""
    shares = np.nan_to_num(ratio(hits, of))
    return ratio(shares.sum(axis=1), (met > 0).sum(axis=1) * 1.0)
