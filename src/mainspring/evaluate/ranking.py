"""Metrics that look only at how the scores order the rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mainspring.evaluate.outcome import Floats, Ints, Outcome
from mainspring.evaluate.statistic import Statistic, ratio

Bools: TypeAlias = NDArray[np.bool_]
_OfCounts: TypeAlias = Callable[[Floats, Floats], Floats]
"""From the weights of negatives and positives by rising score, shape (samples, scores) each, to (samples,)."""


def roc_auc(outcome: Outcome) -> Statistic:
    """The chance that a positive row is ranked above a negative one, ties counting half (Hanley & McNeil 1982).

    NaN where only one class occurs.
    """
    return _ranked(outcome.positive, outcome.truth == 1, _auc)


def average_precision(outcome: Outcome) -> Statistic:
    """The area under the steps of the precision-recall curve, without interpolation; NaN where no row is positive."""
    return _ranked(outcome.positive, outcome.truth == 1, _average_precision)


def roc_auc_ovr(outcome: Outcome) -> Statistic:
    """The mean over the classes of the ROC AUC of one class against the rest.

    Classes that do not occur in the truth are left out (scikit-learn refuses them); NaN where only one class occurs.
    """
    scores = outcome.probabilities
    against = [_order(scores[:, label], outcome.truth == label) for label in range(outcome.known)]

    def of(weights: Floats) -> Floats:
        values = np.full((len(weights), max(len(against), 1)), np.nan)
        for label, (fold, thresholds) in enumerate(against):
            folded = np.array([np.bincount(fold, row, minlength=2 * thresholds) for row in weights])
            values[:, label] = _auc(folded[:, :thresholds], folded[:, thresholds:])
        known = ~np.isnan(values)
        return ratio(np.nan_to_num(values).sum(axis=1), known.sum(axis=1) * 1.0)

    return Statistic(len(outcome), None, len(outcome), of)


def _order(scores: Floats, positive: Bools) -> tuple[Ints, int]:
    """The kind of each row (the rank of its score, positives after all negatives) and how many scores there are."""
    distinct, rank = np.unique(scores, return_inverse=True)
    return rank.astype(np.int64) + len(distinct) * positive, len(distinct)


def _ranked(scores: Floats, positive: Bools, of: _OfCounts) -> Statistic:
    fold, thresholds = _order(scores, positive)
    return Statistic(
        len(scores), fold, 2 * thresholds, lambda weights: of(weights[:, :thresholds], weights[:, thresholds:])
    )


def _auc(negatives: Floats, positives: Floats) -> Floats:
    below = np.cumsum(negatives, axis=1)
    total = below[:, -1] * positives.sum(axis=1) if below.shape[1] else np.zeros(len(below))
    below -= 0.5 * negatives
    return ratio(np.einsum("ij,ij->i", positives, below), total)


def _average_precision(negatives: Floats, positives: Floats) -> Floats:
    hits = np.cumsum(positives[:, ::-1], axis=1)
    called = np.cumsum(negatives[:, ::-1], axis=1)
    called += hits
    np.divide(hits, called, out=called, where=called > 0)
    total = hits[:, -1] if hits.shape[1] else np.zeros(len(hits))
    return ratio(np.einsum("ij,ij->i", positives[:, ::-1], called), total)
