"""The stored points say what the whole data say."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from mainspring.core.predictions import Predictions
from mainspring.evaluate.curve import POINTS, curves, wilson
from mainspring.evaluate.outcome import Outcome


def test_wilson_equals_scipy() -> None:
    for hits, rows in ((0, 5), (3, 7), (40, 40), (500, 12_000)):
        low, high = wilson(np.array([float(hits)]), np.array([float(rows)]))
        expected = binomtest(hits, rows).proportion_ci(0.95, method="wilson")
        assert (low[0], high[0]) == pytest.approx((expected.low, expected.high))


def test_few_points_keep_the_area_and_the_counts() -> None:
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 2, 20_000)
    chance = 1 / (1 + np.exp(-(truth + generator.normal(0, 1, 20_000))))
    said = Predictions((chance > 0.5).astype(int), np.column_stack([1 - chance, chance]), (0, 1))
    found = curves(Outcome.of(truth, said))
    roc = found["roc"]["positive"]
    false, true = roc["false_positive_rate"], roc["true_positive_rate"]
    assert len(false) <= POINTS + 2
    area = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(zip(false, true, strict=True)))
    assert area == pytest.approx(roc_auc_score(truth, chance), abs=0.001)
    calibration = found["calibration"]
    assert sum(calibration["rows"]) == 20_000
    for place, seen in enumerate(calibration["observed"]):
        assert calibration["low"][place] <= seen <= calibration["high"][place]
    assert sum(found["scores"]["positive"]) == truth.sum()
    assert found["gain"]["captured"][-1] == 1.0
    top = np.argsort(-chance)[:2000]
    assert found["gain"]["lift"][0] == pytest.approx(truth[top].mean() / truth.mean(), rel=0.01)


def test_a_regression_keeps_every_residual_in_the_histogram() -> None:
    generator = np.random.default_rng(1)
    truth = generator.normal(size=3000)
    truth[0] = 1e6
    found = curves(Outcome.of(truth, Predictions(truth + generator.normal(size=3000))))
    assert sum(found["residuals"]["rows"]) == 3000
    assert len(found["points"]["truth"]) == 1000
    assert sum(found["by_tenth"]["rows"]) == 3000


def test_odd_rows_give_the_charts_that_they_can() -> None:
    one_class = Predictions(np.array([0, 0]), np.array([[0.9, 0.1], [0.8, 0.2]]), (0, 1))
    assert set(curves(Outcome.of([0, 0], one_class))) == {"calibration", "scores"}
    assert curves(Outcome.of([], Predictions(np.array([])))) == {}
    assert curves(Outcome.of([1.0], Predictions(np.array([np.nan])))) == {}
    constant = curves(Outcome.of([1.0, 1.0], Predictions(np.array([1.0, 1.0]))))
    assert constant["residuals"]["rows"][20] == 2
