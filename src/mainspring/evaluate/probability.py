"""Metrics that look at the probabilities themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mainspring.evaluate.statistic import Statistic, mean

if TYPE_CHECKING:
    from mainspring.evaluate.outcome import Floats, Outcome

BINS = 10
"""The calibration error is measured over so many bins of equal width."""


def log_loss(outcome: Outcome) -> Statistic:
    """The mean negative log-likelihood of the truth, in nats.

    Probabilities are clipped to the machine precision, as in scikit-learn; a label the model never saw had none.
    """
    scores = outcome.probabilities
    known = outcome.truth < outcome.known
    given = np.zeros(len(outcome))
    given[known] = scores[np.flatnonzero(known), outcome.truth[known]]
    smallest = np.finfo(np.float64).eps
    return mean(-np.log(np.clip(given, smallest, 1 - smallest)))


def brier_score(outcome: Outcome) -> Statistic:
    """The mean squared difference of probability and outcome (Brier 1950)."""
    return mean((outcome.positive - (outcome.truth == 1)) ** 2)


def expected_calibration_error(outcome: Outcome) -> Statistic:
    """The gap between mean probability and frequency in bins of equal width, averaged over the rows.

    Naeini, Cooper & Hauskrecht (2015), "Obtaining well calibrated probabilities using Bayesian binning". Biased upwards
    on few rows: even a perfectly calibrated model shows a gap in a bin of ten.
    """
    chance = outcome.positive
    bins = np.minimum((chance * BINS).astype(np.int64), BINS - 1)
    gaps = np.zeros((len(outcome), BINS))
    gaps[np.arange(len(outcome)), bins] = chance - (outcome.truth == 1)

    def of(weights: Floats) -> Floats:
        total: Floats = np.abs(weights @ gaps).sum(axis=1) / weights.sum(axis=1)
        return total

    return Statistic(len(outcome), None, len(outcome), of)
