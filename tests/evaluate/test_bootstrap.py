"""The intervals: exact counts, coverage, pairing, repeatability."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mainspring.core.predictions import Predictions
from mainspring.evaluate import difference, measure
from mainspring.evaluate import metric as metric_module
from mainspring.evaluate.bootstrap import percentiles, replicates
from mainspring.evaluate.outcome import Outcome
from mainspring.evaluate.residual import mae, median_absolute_error, rmse
from mainspring.evaluate.statistic import Statistic


def noisy(rows: int, seed: int, *, noise: float = 1.0) -> tuple[np.ndarray, Predictions]:
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, 2, rows)
    chance = 1 / (1 + np.exp(-(2 * truth - 1 + generator.normal(0, noise, rows))))
    return truth, Predictions((chance > 0.5).astype(int), np.column_stack([1 - chance, chance]), (0, 1))


def test_the_same_seed_gives_the_same_interval() -> None:
    truth, predictions = noisy(300, 1)
    first = measure("roc_auc", truth, predictions, seed=3)
    assert first == measure("roc_auc", truth, predictions, seed=3)
    assert first != measure("roc_auc", truth, predictions, seed=4)
    assert first.low is not None
    assert first.high is not None
    assert first.low < first.value < first.high


def test_every_statistic_of_one_draw_sees_the_same_samples() -> None:
    generator = np.random.default_rng(0)
    outcome = Outcome.of(generator.normal(size=80), Predictions(generator.normal(size=80)))
    size, root = replicates([mae(outcome), rmse(outcome)], resamples=50, seed=0)
    assert (size <= root).all()  # the mean is at most the root of the mean square, on any one sample
    assert len(np.unique(size)) == 50


def test_counting_kinds_and_drawing_rows_give_the_same_spread() -> None:
    truth, predictions = noisy(4000, 2)
    counted = measure("accuracy", truth, predictions, resamples=2000)
    hits = (predictions.values == truth).astype(float)
    drawn = replicates([Statistic(4000, None, 4000, lambda weights: weights @ hits / 4000)], resamples=2000, seed=5)[0]
    low, high = percentiles(drawn, 0.95)
    assert counted.low == pytest.approx(low, abs=0.003)
    assert counted.high == pytest.approx(high, abs=0.003)
    assert np.std(drawn) == pytest.approx(math.sqrt(hits.mean() * (1 - hits.mean()) / 4000), rel=0.1)


def test_resampled_medians_equal_those_of_the_repeated_rows() -> None:
    generator = np.random.default_rng(4)
    outcome = Outcome.of(generator.normal(size=31), Predictions(generator.normal(size=31)))
    statistic = median_absolute_error(outcome)
    sizes = np.abs(outcome.decided - outcome.truth)
    for _ in range(50):
        picked = generator.integers(0, 31, 30 + int(generator.integers(0, 2)))
        assert statistic.fold is not None
        weights = np.bincount(statistic.fold[picked], minlength=statistic.kinds).astype(float)
        assert statistic.of(weights[None, :])[0] == pytest.approx(np.median(sizes[picked]))


@pytest.mark.parametrize("name", ["roc_auc", "accuracy", "log_loss"])
def test_intervals_hold_the_true_value_as_often_as_they_say(name: str) -> None:
    everything, said = noisy(200_000, 99)
    true_value = measure(name, everything, said, confidence=None).value
    held = 0
    for seed in range(100):
        truth, predictions = noisy(400, seed)
        estimate = measure(name, truth, predictions, seed=seed)
        assert estimate.low is not None
        assert estimate.high is not None
        held += estimate.low <= true_value <= estimate.high
    assert 88 <= held <= 100


def test_a_paired_difference_is_narrower_than_two_intervals() -> None:
    truth, a = noisy(2000, 7)
    assert a.scores is not None
    nudged = np.clip(a.scores[:, 1] + np.random.default_rng(0).normal(0, 0.02, 2000), 0, 1)
    b = Predictions((nudged > 0.5).astype(int), np.column_stack([1 - nudged, nudged]), (0, 1))
    gap = difference("roc_auc", truth, a, b)
    alone = measure("roc_auc", truth, a)
    assert None not in (gap.low, gap.high, alone.low, alone.high)
    assert gap.high - gap.low < 0.2 * (alone.high - alone.low)  # type: ignore[operator]  # none is None, see above


def test_above_the_largest_size_a_part_of_the_rows_gives_the_same_width(monkeypatch: pytest.MonkeyPatch) -> None:
    truth, predictions = noisy(20_000, 3)
    whole = measure("roc_auc", truth, predictions, resamples=400)
    monkeypatch.setattr(metric_module, "LARGEST", 4000)
    part = measure("roc_auc", truth, predictions, resamples=400)
    assert part.value == whole.value
    assert part.low == pytest.approx(whole.low, abs=0.0015)
    assert part.high == pytest.approx(whole.high, abs=0.0015)


def test_an_interval_needs_samples_that_are_defined() -> None:
    few = np.array([math.nan] * 60 + [0.5] * 40)
    assert percentiles(few, 0.95) == (None, None)
    most = np.array([math.nan] * 20 + [0.5] * 80)
    assert percentiles(most, 0.95) == (0.5, 0.5)
