from __future__ import annotations

import json

import numpy as np
import pytest
from tests.monitor.simulated import binary, many, numbers

from mainspring.core.predictions import Predictions
from mainspring.evaluate.outcome import Outcome
from mainspring.monitor.baseline import Baseline, prediction_frame
from mainspring.monitor.performance import estimated, realised
from mainspring.monitor.profile import Reference

BINARY = ("roc_auc", "accuracy", "f1", "log_loss", "average_precision")
MANY = ("accuracy", "f1_macro", "roc_auc_ovr", "log_loss", "balanced_accuracy")


@pytest.fixture(scope="module")
def base() -> Baseline:
    _, predictions, truth = binary(6_000, 0, honest=False)
    fitted = Baseline.fit(truth, predictions, metrics=BINARY)
    return Baseline.from_dict(json.loads(json.dumps(fitted.as_dict())))


@pytest.mark.parametrize("shift", [0.0, 0.7, -1.2])
def test_estimates_follow_the_inputs_without_a_label(base: Baseline, shift: float) -> None:
    """Scores that claim too much (as a boosted model's often do) are calibrated first."""
    _, predictions, truth = binary(20_000, 1, shift=shift, honest=False)
    was, guessed = realised(base, Outcome.of(truth, predictions)), estimated(base, predictions)
    for metric in BINARY:
        tolerance = 0.06 if metric == "log_loss" else 0.025
        assert guessed[metric].value == pytest.approx(was[metric].value, abs=tolerance), metric


def test_the_interval_holds_what_labels_show_later(base: Baseline) -> None:
    inside = dict.fromkeys(BINARY, 0)
    for seed in range(40):
        _, predictions, truth = binary(500, 100 + seed, shift=0.3, honest=False)
        was, guessed = realised(base, Outcome.of(truth, predictions), confidence=None), estimated(base, predictions)
        for metric in BINARY:
            low, high = guessed[metric].low, guessed[metric].high
            assert low is not None
            assert high is not None
            inside[metric] += low <= was[metric].value <= high
    assert all(count >= 33 for count in inside.values()), inside


def test_concept_drift_is_not_seen_without_labels(base: Baseline) -> None:
    _, predictions, truth = binary(4_000, 2, turned=True, honest=False)
    assert realised(base, Outcome.of(truth, predictions))["accuracy"].value < 0.5
    assert estimated(base, predictions)["accuracy"].value > 0.7


def test_late_labels_count_as_far_as_they_are_there(base: Baseline) -> None:
    _, predictions, truth = binary(1_000, 3)
    some = [int(value) if place < 300 else None for place, value in enumerate(truth)]
    assert realised(base, Outcome.of(some, predictions))["accuracy"].rows == 300


def test_several_classes_are_estimated_too() -> None:
    _, predictions, truth = many(3_000, 0)
    base = Baseline.fit(truth, predictions, metrics=MANY)
    _, predictions, truth = many(5_000, 1, shift=0.6)
    was, guessed = realised(base, Outcome.of(truth, predictions)), estimated(base, predictions)
    for metric in MANY:
        assert guessed[metric].value == pytest.approx(was[metric].value, abs=0.03), metric


def test_where_errors_are_large_is_learned_for_numbers() -> None:
    frame, predictions, truth = numbers(8_000, 0)
    reference = Reference.fit(frame)
    base = Baseline.fit(truth, predictions, metrics=["rmse", "mae", "r2"], frame=frame, reference=reference)
    base = Baseline.from_dict(json.loads(json.dumps(base.as_dict())))
    for shift in (0.0, 0.8, -0.8):
        frame, predictions, truth = numbers(5_000, 1, shift=shift)
        was = realised(base, Outcome.of(truth, predictions))
        guessed = estimated(base, predictions, profile=reference.profile(frame))
        assert set(guessed) == {"rmse", "mae"}
        for metric, tolerance in (("mae", 0.1), ("rmse", 0.2)):
            assert guessed[metric].value == pytest.approx(was[metric].value, rel=tolerance), (metric, shift)


def test_nothing_is_guessed_where_scores_are_missing() -> None:
    _, predictions, truth = binary(500, 0)
    labels_only = Predictions(predictions.values, None, (0, 1))
    base = Baseline.fit(truth, labels_only, metrics=["accuracy"])
    assert base.expectation is None
    assert estimated(base, labels_only) == {}
    assert estimated(base, Predictions(np.zeros(0, dtype=int), np.zeros((0, 2)), (0, 1))) == {}


def test_what_the_model_said_is_a_frame() -> None:
    _, predictions, _ = binary(10, 0)
    frame = prediction_frame(predictions, positive="0")
    assert frame.columns == ["prediction", "score"]
    assert frame["score"].to_numpy() == pytest.approx(1 - predictions.positive)
    assert prediction_frame(Predictions(np.array([1.5]))).columns == ["prediction"]
