"""Forecasts of a series from window to window, on series whose next number is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mainspring.monitor.series import LEAST, forecast


def test_too_short_a_past_says_nothing() -> None:
    assert forecast([1.0] * (LEAST - 1)) is None
    found = forecast([1.0] * LEAST, floor=0.1)
    assert found is not None
    assert (found.value, found.season) == (1.0, None)


def test_quiet_noise_stays_inside_its_band_about_as_often_as_promised() -> None:
    draw = np.random.default_rng(3)
    outside = 0
    for _ in range(2_000):
        values = draw.normal(5, 1, 41).tolist()
        found = forecast(values[:-1])
        assert found is not None
        low, high = found.band(0.05)
        outside += not low <= values[-1] <= high
    assert 0.02 <= outside / 2_000 <= 0.09


@pytest.mark.parametrize("place", [5, 20, 39])
def test_one_wild_number_moves_neither_the_forecast_nor_the_band_much(place: int) -> None:
    values = np.random.default_rng(1).normal(0, 1, 40)
    usual = forecast(values.tolist())
    values[place] = 1e6
    wild = forecast(values.tolist())
    assert usual is not None
    assert wild is not None
    assert abs(wild.value - usual.value) < 0.6
    assert wild.deviation < 1.6 * usual.deviation


def test_the_level_follows_a_lasting_change() -> None:
    draw = np.random.default_rng(2)
    values = [*draw.normal(0, 1, 40), *draw.normal(10, 1, 40)]
    found = forecast(values)
    assert found is not None
    assert found.value == pytest.approx(10, abs=1.5)


def test_a_day_that_repeats_is_expected_to_repeat() -> None:
    draw = np.random.default_rng(4)
    hours = np.arange(24 * 4)
    values = (10 * np.sin(2 * math.pi * hours / 24) + draw.normal(0, 0.3, len(hours))).tolist()
    found = forecast(values, seasons=(24, 168))
    assert found is not None
    assert found.season == 24
    assert found.value == pytest.approx(0, abs=1)
    assert found.deviation < 1
    plain = forecast(draw.normal(0, 1, 24 * 4).tolist(), seasons=(24,))
    assert plain is not None
    assert plain.season is None, "noise has no season"
