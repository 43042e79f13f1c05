from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import isotonic_regression

from mainspring.monitor.calibration import Calibration, isotonic


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(0.1, 9)), min_size=1, max_size=40))
def test_isotonic_agrees_with_scikit_learn(pairs: list[tuple[float, float]]) -> None:
    values, weights = np.array(pairs).T
    assert isotonic(values, weights) == pytest.approx(isotonic_regression(values, sample_weight=weights), abs=1e-9)


def test_dishonest_scores_become_chances() -> None:
    draw = np.random.default_rng(0)
    chance = draw.random(20_000)
    truth = draw.random(20_000) < chance
    calibration = Calibration.from_dict(json.loads(json.dumps(Calibration.fit(chance**3, truth).as_dict())))
    grid = np.linspace(0.05, 0.95, 19)
    assert calibration.chance(grid**3) == pytest.approx(grid, abs=0.04)
    assert np.all(np.diff(calibration.chance(np.linspace(0, 1, 500))) >= 0)


def test_redrawing_varies_as_another_sample_would() -> None:
    draw = np.random.default_rng(0)
    score = draw.random(1_000)
    calibration = Calibration.fit(score, draw.random(1_000) < 0.5)
    redrawn = np.array([calibration.redrawn(draw).sum() for _ in range(500)])
    assert redrawn.mean() == pytest.approx(calibration.hits.sum(), rel=0.02)
    assert redrawn.std() == pytest.approx(np.sqrt(250), rel=0.2)


def test_few_rows_and_one_score_are_enough() -> None:
    assert Calibration.fit(np.array([0.3]), np.array([True])).chance(np.array([0.0, 1.0])).tolist() == [1.0, 1.0]
    flat = Calibration.fit(np.full(100, 0.5), np.arange(100) % 4 == 0)
    assert flat.chance(np.array([0.1, 0.9])) == pytest.approx([0.25, 0.25])
