from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from scipy.stats import t as student
from tests.monitor.simulated import binary

from mainspring.monitor.baseline import Baseline
from mainspring.monitor.drift import drift
from mainspring.monitor.profile import Reference
from mainspring.monitor.spread import Spread
from mainspring.monitor.unrest import t_bound, t_chance
from mainspring.monitor.window import by_rows

ROWS = 200


def moody(rows: int, seed: int) -> pl.DataFrame:
    """A column whose level wanders from window to window, beside a calm one."""
    draw = np.random.default_rng(seed)
    mood = np.repeat(draw.normal(0, 0.7, rows // ROWS + 1), ROWS)[:rows]
    return pl.DataFrame({"moody": mood + draw.normal(size=rows), "calm": draw.normal(size=rows)})


@pytest.mark.parametrize("freedom", [7, 15, 31])
@pytest.mark.parametrize("level", [0.01, 1e-4, 1e-6])
def test_students_t_is_near_enough(freedom: int, level: float) -> None:
    exact = float(student.isf(level, freedom))
    assert t_bound(level, freedom) == pytest.approx(exact, rel=0.04)
    assert t_chance(exact, freedom) == pytest.approx(level, rel=0.25)
    assert t_chance(t_bound(level, freedom), freedom) == pytest.approx(level, rel=1e-9)
    assert t_chance(-exact, freedom) == pytest.approx(1 - level, abs=0.25 * level)


def test_moods_are_no_news_but_what_never_was_is() -> None:
    before = moody(40 * ROWS, 0)
    independent = Reference.fit(before)
    settled = Reference.from_dict(json.loads(json.dumps(Reference.fit(before, window=ROWS).as_dict())))
    assert settled == Reference.fit(before, window=ROWS)
    windows = [window for _, window in by_rows(moody(50 * ROWS, 1), ROWS)]
    assert sum("moody" in drift(independent, window).drifted for window in windows) > 25
    assert sum(bool(drift(settled, window).drifted) for window in windows) <= 1
    strange = [window.with_columns(pl.col("calm") + 0.6, pl.col("moody") * 1_000) for window in windows]
    assert sum(set(drift(settled, window).drifted) == {"calm", "moody"} for window in strange) >= 48


def test_independent_rows_pay_little() -> None:
    draw = np.random.default_rng(0)
    settled = Reference.fit(pl.DataFrame({"x": draw.normal(size=60_000)}), window=2_000)
    for shift in (0.3, -0.3):
        assert drift(settled, pl.DataFrame({"x": draw.normal(shift, 1, 2_000)})).drifted == ("x",)


def test_too_few_windows_change_nothing() -> None:
    before = moody(5 * ROWS, 0)
    assert Reference.fit(before, window=ROWS) == Reference.fit(before)


def test_metrics_have_moods_too() -> None:
    """A model whose windows are easy or hard by turns: bands for independent rows are too narrow, settled ones hold."""
    _, predictions, truth = binary(8_000, 0)
    draw = np.random.default_rng(0)
    hard = np.repeat(draw.random(40) < 0.5, ROWS)
    mixed = np.where(hard & (draw.random(8_000) < 0.3), 1 - truth, truth)
    free = Baseline.fit(mixed, predictions, metrics=["accuracy"])
    settled = Baseline.fit(mixed, predictions, metrics=["accuracy"], window=ROWS)
    wide, narrow = settled.spreads["accuracy"].band(ROWS, 0.01), free.spreads["accuracy"].band(ROWS, 0.01)
    assert wide is not None
    assert narrow is not None
    values = [(mixed == predictions.values)[i * ROWS : (i + 1) * ROWS].mean() for i in range(40)]
    assert not all(narrow[0] <= value <= narrow[1] for value in values)
    assert all(wide[0] <= value <= wide[1] for value in values)
    assert settled.loss_deviation > 1.5 * free.loss_deviation
    assert Baseline.from_dict(json.loads(json.dumps(settled.as_dict()))).as_dict() == settled.as_dict()


def test_a_spread_without_moods_is_left_alone() -> None:
    spread = Spread(0.8, 1_000, (50, 500), (0.0, 0.0), (0.06, 0.02), (0.0, 0.0))
    draw = np.random.default_rng(0)
    assert spread.settled([0.8] * 20, 500).unrest == 0
    assert spread.settled(list(draw.normal(0.8, 0.1, 5)), 500) == spread
    assert spread.settled(list(draw.normal(0.8, 0.1, 30)), 500).unrest == pytest.approx(0.1, rel=0.3)
