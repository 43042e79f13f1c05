from __future__ import annotations

import json

import numpy as np
import pytest
from tests.monitor.simulated import binary

from mainspring.evaluate.metric import Setting, build
from mainspring.evaluate.outcome import Outcome
from mainspring.monitor.spread import Spread, spreads


def of(metric: str, rows: int = 4_000) -> Spread:
    _, predictions, truth = binary(rows, 0)
    statistic = build(metric, Outcome.of(truth, predictions), Setting())
    return spreads({metric: statistic}, values={metric: statistic.value}, rows=rows)[metric]


def test_accuracy_varies_as_a_share_does() -> None:
    spread = of("accuracy")
    p = spread.value
    for rows in (50, 100, 300, 1_000, 4_000, 50_000):
        low, high = spread.band(rows, 0.05) or (0.0, 0.0)
        expected = 1.96 * np.sqrt(p * (1 - p) * (1 / rows + 1 / 4_000))
        assert (high - low) / 2 == pytest.approx(expected, rel=0.15), rows
        assert low < p < high


@pytest.mark.parametrize("metric", ["roc_auc", "f1", "log_loss", "brier_score"])
def test_quiet_windows_stay_inside(metric: str) -> None:
    spread, level, windows = of(metric), 0.1, 150
    outside = 0
    for seed in range(1, windows + 1):
        _, predictions, truth = binary(400, seed)
        band = spread.band(400, level)
        assert band is not None
        value = build(metric, Outcome.of(truth, predictions), Setting()).value
        outside += not band[0] <= value <= band[1]
    assert outside / windows < 2 * level


def test_bands_widen_with_certainty_and_narrow_with_rows() -> None:
    spread = Spread.from_dict(json.loads(json.dumps(of("roc_auc").as_dict())))
    assert spread == of("roc_auc")
    widths = [width(spread, rows, 1e-4) for rows in (100, 1_000, 10_000)]
    assert widths == sorted(widths, reverse=True)
    assert width(spread, 500, 1e-6) > width(spread, 500, 1e-3)


def width(spread: Spread, rows: int, level: float) -> float:
    low, high = spread.band(rows, level) or (0.0, 0.0)
    return high - low


def test_nothing_is_said_where_nothing_is_known() -> None:
    assert of("roc_auc").band(10, 0.05) is None
    outcome = Outcome.of(np.ones(200, dtype=int), binary(200, 0)[1])
    statistic = build("roc_auc", outcome, Setting())
    lone = spreads({"roc_auc": statistic}, values={"roc_auc": float("nan")}, rows=200)["roc_auc"]
    assert lone.sizes == ()
    assert lone.band(200, 0.05) is None
