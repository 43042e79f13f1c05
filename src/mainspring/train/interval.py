"""How sure a mean over folds is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mainspring.core.estimate import Estimate

if TYPE_CHECKING:
    from collections.abc import Sequence


UNIT = {
    *("accuracy", "average_precision", "balanced_accuracy", "brier_score", "expected_calibration_error", "f1"),
    *("f1_macro", "f1_weighted", "precision", "precision_macro", "recall", "recall_macro", "roc_auc", "roc_auc_ovr"),
}
"""Metrics between 0 and 1."""


def range_of(metric: str) -> tuple[float, float]:
    """The smallest and the largest value that *metric* can have.

    >>> range_of("rmse")
    (0.0, inf)
    """
    if metric in UNIT:
        return 0.0, 1.0
    if metric == "matthews_corrcoef":
        return -1.0, 1.0
    if metric == "r2":
        return -math.inf, 1.0
    return (-math.inf if metric in {"mean_error", "expected_cost"} else 0.0), math.inf


def corrected(
    scores: Sequence[float],
    *,
    learned: float,
    judged: float,
    confidence: float = 0.95,
    within: tuple[float, float] = (-math.inf, math.inf),
) -> Estimate:
    """The mean of *scores* over folds with the interval of the corrected resampled t-test.

    The folds share most of the rows they learn from, so their plain standard error is far too small; the variance is
    multiplied by 1/folds + judged/learned instead of 1/folds, with *learned* and *judged* the mean rows of the halves.
    Nadeau & Bengio, Inference for the generalization error, Machine Learning 52, 2003. Folds that could not be
    measured (NaN) are left out; with fewer than two there is no interval. It is cut off at the ends of *within*.

    >>> corrected([0.8, 0.9, 0.85, 0.8, 0.9], learned=80, judged=20)
    Estimate(value=0.85, low=0.75..., high=0.94..., rows=5)
    """
    known = [score for score in scores if not math.isnan(score)]
    if not known:
        return Estimate(math.nan)
    mean = math.fsum(known) / len(known)
    if len(known) < 2:
        return Estimate(mean, rows=len(known))
    from scipy.stats import t

    variance = math.fsum((score - mean) ** 2 for score in known) / (len(known) - 1)
    error = math.sqrt((1 / len(known) + judged / learned) * variance)
    half = float(t.ppf((1 + confidence) / 2, len(known) - 1)) * error
    return Estimate(mean, max(mean - half, within[0]), min(mean + half, within[1]), len(known))
