"""How good the model is on a window: realised once labels are there, estimated until then."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from mainspring.core.estimate import Estimate
from mainspring.evaluate.metric import Setting, estimates
from mainspring.evaluate.outcome import Outcome
from mainspring.monitor.baseline import PREDICTION, prediction_frame

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mainspring.core.predictions import Predictions
    from mainspring.monitor.baseline import Baseline
    from mainspring.monitor.profile import WindowProfile


def realised(
    baseline: Baseline,
    outcome: Outcome,
    *,
    metrics: Iterable[str] | None = None,
    confidence: float | None = 0.95,
    seed: int = 0,
) -> dict[str, Estimate]:
    """The followed *metrics* on the rows of *outcome*, whose truth is known, with bootstrap intervals."""
    names = list(baseline.metrics if metrics is None else metrics)
    return estimates(names, outcome, Setting(cost=baseline.cost, confidence=confidence, seed=seed))


def estimated(
    baseline: Baseline,
    predictions: Predictions,
    *,
    profile: WindowProfile | None = None,
    metrics: Iterable[str] | None = None,
    confidence: float | None = 0.95,
    seed: int = 0,
) -> dict[str, Estimate]:
    """The followed *metrics* on rows without labels, with intervals unless *confidence* is None.

    What cannot be estimated is left out. Classifiers with scores: every quality metric, from calibrated confidence.
    Regressions: ``mae`` and ``rmse``, from where errors were large; *profile* (the window in the reference's bins) lets
    the columns have their say. Neither sees concept drift, see :mod:`~mainspring.monitor.expectation` and
    :mod:`~mainspring.monitor.loss_model`.
    """
    names = list(baseline.metrics if metrics is None else metrics)
    if not len(predictions):
        return {}
    if baseline.task == "regression":
        return _losses(baseline, predictions, profile, names, confidence or 0.95)
    if baseline.expectation is None or predictions.scores is None or not np.isfinite(predictions.scores).all():
        return {}
    outcome = Outcome.of(None, predictions, positive=baseline.positive)
    return baseline.expectation.estimate(outcome, names, cost=baseline.cost, confidence=confidence, seed=seed)


def _losses(
    baseline: Baseline,
    predictions: Predictions,
    profile: WindowProfile | None,
    names: list[str],
    confidence: float,
) -> dict[str, Estimate]:
    said = baseline.profile(prediction_frame(predictions)).columns[PREDICTION]
    columns = {PREDICTION: said} if profile is None else {**profile.columns, PREDICTION: said}
    found = {}
    if "mae" in names and "absolute" in baseline.losses:
        found["mae"] = baseline.losses["absolute"].mean(columns, confidence=confidence)
    if "rmse" in names and "squared" in baseline.losses:
        squared = baseline.losses["squared"].mean(columns, confidence=confidence)
        ends = [None if end is None else math.sqrt(end) for end in (squared.low, squared.high)]
        found["rmse"] = Estimate(math.sqrt(squared.value), ends[0], ends[1], squared.rows)
    return found
