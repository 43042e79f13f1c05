"""The interval of a mean over folds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mainspring.contract.metric import METRICS
from mainspring.train.interval import UNIT, corrected, range_of


def test_it_is_the_corrected_resampled_t() -> None:
    scores = [0.81, 0.84, 0.79, 0.83, 0.80]
    found = corrected(scores, learned=800, judged=200)
    variance = float(np.var(scores, ddof=1))
    half = 2.7764451 * math.sqrt((1 / 5 + 1 / 4) * variance)  # t of 4 degrees of freedom at 97.5 %
    assert found.value == pytest.approx(np.mean(scores))
    assert found.low == pytest.approx(found.value - half)
    assert found.high == pytest.approx(found.value + half)


def test_folds_that_could_not_be_measured_are_left_out() -> None:
    assert corrected([0.8, math.nan, 0.9], learned=2, judged=1).rows == 2
    assert corrected([0.8, math.nan], learned=2, judged=1).low is None
    assert math.isnan(corrected([math.nan], learned=2, judged=1).value)


def test_it_ends_where_the_metric_does() -> None:
    found = corrected([0.9, 1.0, 0.99], learned=2, judged=1, within=range_of("roc_auc"))
    assert found.high == 1
    assert corrected([1.0, 9.0, 2.0], learned=2, judged=1, within=range_of("rmse")).low == 0
    assert set(METRICS) >= UNIT
