"""Every metric against its oracle, and the rules for what cannot be measured."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from fairlearn import metrics as fair
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from mainspring.contract.metric import METRICS
from mainspring.core.errors import InputError, NotFound
from mainspring.core.predictions import Predictions
from mainspring.evaluate import difference, measure
from mainspring.evaluate.metric import IMPLEMENTED

COST = {("yes", "no"): 5.0, ("no", "yes"): 1.0, ("yes", "yes"): -2.0}


def binary(scores: Any, *, classes: tuple[Any, Any] = ("no", "yes"), threshold: float = 0.5) -> Predictions:
    scores = np.asarray(scores, dtype=np.float64)
    values = np.where(scores >= threshold, classes[1], classes[0])
    return Predictions(values, np.column_stack([1 - scores, scores]), classes)


def plain(name: str, truth: Any, predictions: Predictions, **more: Any) -> float:
    return measure(name, truth, predictions, confidence=None, **more).value


def test_the_contract_and_the_metrics_agree_on_the_names() -> None:
    named = {metric.name for metric in METRICS.values() if metric.kind in ("quality", "fairness")}
    assert named == IMPLEMENTED


scores = st.sampled_from([0.0, 0.05, 0.2, 0.31, 0.5, 0.5000001, 0.77, 0.9, 1.0])  # with ties, as trees give them
rows_binary = st.lists(st.tuples(st.booleans(), scores), min_size=2, max_size=60).filter(
    lambda rows: 0 < sum(truth for truth, _ in rows) < len(rows)
)


@settings(max_examples=60, deadline=None)
@given(rows_binary)
def test_binary_metrics_equal_scikit_learn(rows: list[tuple[bool, float]]) -> None:
    truth = np.array([truth for truth, _ in rows])
    chance = np.array([score for _, score in rows])
    called = chance >= 0.5
    labels = np.where(truth, "yes", "no")
    predictions = binary(chance)
    expected = {
        "roc_auc": oracle.roc_auc_score(truth, chance),
        "average_precision": oracle.average_precision_score(truth, chance),
        "accuracy": oracle.accuracy_score(truth, called),
        "balanced_accuracy": oracle.balanced_accuracy_score(truth, called),
        "f1": oracle.f1_score(truth, called),
        "precision": oracle.precision_score(truth, called, zero_division=np.nan),
        "recall": oracle.recall_score(truth, called),
        "log_loss": oracle.log_loss(truth, y_proba=predictions.scores),
        "brier_score": oracle.brier_score_loss(truth, chance),
        "matthews_corrcoef": oracle.matthews_corrcoef(truth, called),
        "expected_cost": np.mean(
            [COST.get((t, "yes" if c else "no"), 0.0) for t, c in zip(labels, called, strict=True)]
        ),
        "expected_calibration_error": _calibration_error(truth, chance),
    }
    for name, value in expected.items():
        assert plain(name, labels, predictions, cost=COST) == pytest.approx(value, abs=1e-12, nan_ok=True), name


def _calibration_error(truth: Any, chance: Any) -> float:
    """The definition, row by row."""
    total = 0.0
    for low in range(10):
        inside = [i for i, c in enumerate(chance) if min(int(c * 10), 9) == low]
        if inside:
            total += abs(float(np.mean(chance[inside]) - np.mean(truth[inside]))) * len(inside)
    return total / len(chance)


rows_multiclass = st.lists(
    st.tuples(st.integers(0, 3), st.lists(st.integers(0, 4), min_size=4, max_size=4).filter(any)),
    min_size=3,
    max_size=50,
)


@settings(max_examples=60, deadline=None)
@given(rows_multiclass)
def test_multiclass_metrics_equal_scikit_learn(rows: list[tuple[int, list[int]]]) -> None:
    classes = ("a", "b", "c", "d")
    truth = np.array([classes[label] for label, _ in rows])
    chance = np.array([np.array(weights) / sum(weights) for _, weights in rows])
    called = np.array(classes)[chance.argmax(axis=1)]
    predictions = Predictions(called, chance, classes)
    more: dict[str, Any] = {"zero_division": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the oracle warns of classes that do not occur; its value is what we hold
        expected = {
            "accuracy": oracle.accuracy_score(truth, called),
            "balanced_accuracy": oracle.balanced_accuracy_score(truth, called),
            "f1_macro": oracle.f1_score(truth, called, average="macro", **more),
            "f1_weighted": oracle.f1_score(truth, called, average="weighted", **more),
            "precision_macro": oracle.precision_score(truth, called, average="macro", **more),
            "recall_macro": oracle.recall_score(truth, called, average="macro", **more),
            "log_loss": oracle.log_loss(truth, y_proba=chance, labels=list(classes)),
            "matthews_corrcoef": oracle.matthews_corrcoef(truth, called),
        }
        present = [label for label in classes if 0 < (truth == label).sum() < len(truth)]
        if present:
            single = [oracle.roc_auc_score(truth == label, chance[:, classes.index(label)]) for label in present]
            expected["roc_auc_ovr"] = float(np.mean(single))
            if len(present) == len(classes):
                assert expected["roc_auc_ovr"] == pytest.approx(oracle.roc_auc_score(truth, chance, multi_class="ovr"))
    for name, value in expected.items():
        assert plain(name, truth, predictions) == pytest.approx(value, abs=1e-12), name


numbers = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(numbers, numbers), min_size=2, max_size=60).filter(lambda r: len({t for t, _ in r}) > 1))
def test_regression_metrics_equal_scikit_learn(rows: list[tuple[float, float]]) -> None:
    truth, said = np.array(rows).T
    expected = {
        "rmse": oracle.root_mean_squared_error(truth, said),
        "mae": oracle.mean_absolute_error(truth, said),
        "r2": oracle.r2_score(truth, said),
        "median_absolute_error": oracle.median_absolute_error(truth, said),
        "mape": oracle.mean_absolute_percentage_error(truth, said) if truth.all() else math.nan,
        "max_error": oracle.max_error(truth, said),
        "mean_error": float(np.mean(said - truth)),
    }
    for name, value in expected.items():
        assert plain(name, truth, Predictions(said)) == pytest.approx(value, rel=1e-8, abs=1e-9, nan_ok=True), name


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("xyz"), st.booleans(), st.booleans()), min_size=6, max_size=80).filter(
        lambda rows: len({(group, truth) for group, truth, _ in rows}) == 6
    )
)
def test_fairness_metrics_equal_fairlearn(rows: list[tuple[str, bool, bool]]) -> None:
    group, truth, called = map(np.array, zip(*rows, strict=True))
    labels = np.where(truth, "yes", "no")
    predictions = binary(called.astype(float))
    names = ["demographic_parity_difference", "equalized_odds_difference", "equal_opportunity_difference"]
    for name in names:
        value = plain(name, labels, predictions, by=group, minimum_rows=1)
        assert value == pytest.approx(getattr(fair, name)(truth, called, sensitive_features=group)), name
    if called.any():
        expected = fair.demographic_parity_ratio(truth, called, sensitive_features=group)
        assert plain("demographic_parity_ratio", labels, predictions, by=group, minimum_rows=1) == pytest.approx(
            expected
        )


@pytest.mark.parametrize(
    ("truth", "classes"),
    [
        ([0, 1, 1, 0], (0, 1)),
        ([0.0, 1.0, 1.0, 0.0], (0, 1)),
        ([False, True, True, False], (False, True)),
        (["False", "true", "TRUE", "false"], (False, True)),
        ([0, 1, 1, 0], ("0", "1")),
        (["0", "1", "1", "0"], (0, 1)),
        (["down", "up", "up", "down"], ("down", "up")),
    ],
)
def test_labels_are_matched_whatever_their_type(truth: list[Any], classes: tuple[Any, Any]) -> None:
    assert plain("accuracy", truth, binary([0.1, 0.9, 0.8, 0.7], classes=classes)) == 0.75


def test_the_positive_class_can_be_named() -> None:
    truth = ["bad", "good", "good", "bad", "bad"]
    predictions = binary([0.9, 0.8, 0.7, 0.2, 0.1], classes=("bad", "good"))
    assert plain("recall", truth, predictions) == 1.0
    assert plain("recall", truth, predictions, positive="bad") == pytest.approx(2 / 3)
    assert plain("average_precision", truth, predictions, positive="bad") == pytest.approx(
        oracle.average_precision_score(np.array(truth) == "bad", 1 - predictions.positive)
    )
    with pytest.raises(InputError, match=r"'worse' is none of the model's classes: bad, good"):
        plain("recall", truth, predictions, positive="worse")


def test_rows_without_truth_are_left_out_and_counted() -> None:
    estimate = measure("accuracy", ["yes", None, "no", None], binary([0.9, 0.9, 0.9, 0.1]))
    assert (estimate.value, estimate.rows) == (0.5, 2)
    late = measure("rmse", [1.0, math.nan, None, 3.0], Predictions(np.array([2.0, 9.0, 9.0, 4.0])))
    assert (late.value, late.rows) == (1.0, 2)
    nothing = measure("accuracy", None, binary([0.9, 0.1]))
    assert math.isnan(nothing.value)
    assert nothing.rows == 0


@pytest.mark.parametrize("name", ["roc_auc", "average_precision", "recall", "f1", "precision"])
def test_a_window_of_one_class_is_not_measurable(name: str) -> None:
    estimate = measure(name, ["no"] * 5, binary([0.1, 0.2, 0.3, 0.1, 0.4]))
    assert math.isnan(estimate.value)
    assert (estimate.rows, estimate.low, estimate.high) == (5, None, None)


def test_a_truth_that_does_not_vary_has_no_explained_variance() -> None:
    assert math.isnan(plain("r2", [0.1] * 7, Predictions(np.linspace(0, 1, 7))))


@pytest.mark.parametrize("name", ["rmse", "median_absolute_error", "max_error", "r2"])
def test_a_prediction_that_is_no_number_spoils_the_metric(name: str) -> None:
    assert math.isnan(plain(name, [1.0, 2.0, 3.0], Predictions(np.array([1.0, math.nan, 3.0]))))
    broken = binary([0.1, math.nan, 0.9])
    assert math.isnan(plain("roc_auc", ["no", "yes", "yes"], broken))


def test_a_label_the_model_never_saw_is_an_error_of_the_model() -> None:
    classes = ("a", "b", "c")
    predictions = Predictions(np.array(["a", "b", "c", "a"]), np.eye(3)[[0, 1, 2, 0]] * 0.7 + 0.1, classes)
    assert plain("accuracy", ["a", "b", "c", "new"], predictions) == 0.75
    assert plain("log_loss", ["a", "b", "c", "new"], predictions) > 5


def test_groups_that_are_small_or_unknown_are_not_compared() -> None:
    group = ["a"] * 40 + ["b"] * 40 + ["tiny"] * 5 + [None] * 5
    predictions = binary([0.9] * 20 + [0.1] * 20 + [0.9] * 10 + [0.1] * 30 + [0.9] * 10)
    estimate = measure("demographic_parity_difference", None, predictions, by=group)
    assert (estimate.value, estimate.rows) == (0.25, 80)
    lonely = measure("demographic_parity_difference", None, predictions, by=["a"] * 90)
    assert math.isnan(lonely.value)
    assert lonely.rows == 0


def test_mistakes_are_explained() -> None:
    predictions = binary([0.2, 0.8])
    with pytest.raises(NotFound, match=r"No metric named 'roc_auk'. Did you mean roc_auc"):
        measure("roc_auk", ["no", "yes"], predictions)
    with pytest.raises(InputError, match=r"rmse is for a regression task, this one is binary. Use one of: accuracy"):
        measure("rmse", ["no", "yes"], predictions)
    with pytest.raises(InputError, match=r"one true value for each of the 2 predictions, got 3"):
        measure("accuracy", ["no", "yes", "no"], predictions)
    with pytest.raises(InputError, match=r"None of the true labels \(0, 1\) is a class of the model \(no, yes\)"):
        measure("accuracy", [0, 1], predictions)
    with pytest.raises(InputError, match=r'compares groups. Say which, for instance by = "sex"'):
        measure("demographic_parity_ratio", ["no", "yes"], predictions)
    with pytest.raises(InputError, match="needs a cost matrix"):
        measure("expected_cost", ["no", "yes"], predictions)
    with pytest.raises(InputError, match="needs class probabilities"):
        measure("roc_auc", ["no", "yes"], Predictions(np.array(["no", "yes"]), None, ("no", "yes")))


def test_difference_is_positive_where_the_first_is_better() -> None:
    truth = ["yes", "yes", "no", "no"] * 25
    good, bad = binary([0.9, 0.8, 0.2, 0.1] * 25), binary([0.9, 0.2, 0.8, 0.1] * 25)
    for name in ("accuracy", "roc_auc", "log_loss", "brier_score", "f1"):
        better = difference(name, truth, good, bad)
        assert better.low is not None
        assert better.low > 0, name
        assert difference(name, truth, bad, good).value == -better.value
    high, low = Predictions(np.array([3.0, 4.0])), Predictions(np.array([0.9, 1.9]))
    assert difference("mean_error", [1.0, 2.0], low, high).value == pytest.approx(1.9)
