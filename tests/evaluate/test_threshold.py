"""The threshold against trying every one, and honesty about the rows it was picked on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from mainspring.core.errors import InputError
from mainspring.core.predictions import Predictions
from mainspring.evaluate.outcome import Outcome
from mainspring.evaluate.threshold import assess, choose

COST = {("yes", "no"): 5.0, ("no", "yes"): 1.0, ("yes", "yes"): -1.0}
rows = st.lists(st.tuples(st.booleans(), st.integers(0, 10).map(lambda n: n / 10)), min_size=4, max_size=40).filter(
    lambda rows: 0 < sum(truth for truth, _ in rows) < len(rows)
)


def said(chance: Any) -> Predictions:
    chance = np.asarray(chance, dtype=np.float64)
    return Predictions(np.where(chance >= 0.5, "yes", "no"), np.column_stack([1 - chance, chance]), ("no", "yes"))


def mean_cost(truth: Any, called: Any) -> float:
    words = np.where(truth, "yes", "no"), np.where(called, "yes", "no")
    return float(np.mean([COST.get(pair, 0.0) for pair in zip(*words, strict=True)]))


@settings(max_examples=60, deadline=None)
@given(rows)
def test_no_threshold_is_better(rows: list[tuple[bool, float]]) -> None:
    truth, chance = np.array([t for t, _ in rows]), np.array([c for _, c in rows])
    labels = np.where(truth, "yes", "no")
    every = np.linspace(-0.05, 1.05, 23)
    priced = choose(labels, said(chance), cost=COST)
    assert mean_cost(truth, chance >= priced) == pytest.approx(min(mean_cost(truth, chance >= at) for at in every))
    balanced = choose(labels, said(chance))
    best = max(f1_score(truth, chance >= at, zero_division=0) for at in every)
    assert f1_score(truth, chance >= balanced, zero_division=0) == pytest.approx(best)


def test_of_equal_thresholds_the_fair_one_is_taken() -> None:
    labels = ["no"] * 3 + ["yes"] * 3
    chance = [0.0, 0.05, 0.1, 0.9, 0.95, 1.0]
    assert choose(labels, said(chance)) == pytest.approx(0.5)
    dear = {("yes", "no"): 9.0, ("no", "yes"): 1.0}
    coarse = choose(["no", "no", "yes", "no", "yes", "yes"], said([0.02, 0.08, 0.2, 0.3, 0.7, 0.9]), cost=dear)
    assert coarse == pytest.approx(0.14)  # between 0.08 and 0.2: a miss costs nine false alarms


def test_rows_of_one_class_say_nothing_about_the_threshold() -> None:
    assert choose(["no"] * 4, said([0.1, 0.2, 0.3, 0.9]), cost=COST) == 0.5


def test_a_value_is_never_that_of_the_rows_it_was_picked_on() -> None:
    generator = np.random.default_rng(0)
    noise = Outcome.of(np.where(generator.random(60) < 0.5, "yes", "no"), said(generator.random(60)))
    equal = {("yes", "no"): 1.0, ("no", "yes"): 1.0}
    flattered = []
    for seed in range(20):
        found = assess(noise, equal, current=0.5, seed=seed)
        assert found.best_value is not None
        flattered.append(found.best_value - min(value for _, value in found.curve))
    assert np.mean(flattered) > 0.05  # the lowest point of the curve is too good to be true, and the value says so
    assert "cross-fitted" in found.picked_on


def test_tuning_rows_pick_and_the_evaluated_rows_judge() -> None:
    tuning = Outcome.of(["no", "no", "yes", "yes"], said([0.1, 0.2, 0.3, 0.4]))
    held = Outcome.of(["no", "yes", "yes", "no"], said([0.26, 0.3, 0.35, 0.1]))
    found = assess(held, {}, current=0.5, tuning=tuning)
    assert found.best == pytest.approx(0.25)
    assert found.best_value == pytest.approx(0.8)
    assert found.current_value == 0.0
    assert found.picked_on == "4 out-of-fold rows of the training data"


def test_only_a_binary_task_has_a_threshold() -> None:
    three = Predictions(np.array([0, 1, 2]), np.eye(3), (0, 1, 2))
    with pytest.raises(InputError, match="for a binary task, this one is multiclass"):
        choose([0, 1, 2], three)
