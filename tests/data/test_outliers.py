"""Far-out values: found with their rows, and not found where there are none."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import polars as pl
import pytest

from mainspring.data.outliers import Outliers, medcouple, outliers
from mainspring.data.summary import summarise


def _outliers(frame: pl.DataFrame) -> dict[str, Outliers]:
    return {o.column: o for o in outliers(frame, {s.name: summarise(s) for s in frame.iter_columns()})}


def test_planted_values_are_found_with_their_rows_the_most_extreme_first() -> None:
    values = np.random.default_rng(0).normal(100, 5, 5000)
    values[[17, 4000]] = [900.0, -300.0]
    found = _outliers(pl.DataFrame({"x": values}))["x"]
    assert found.rows == (17, 4000)
    assert found.values == (900.0, -300.0)
    assert float(found.low) < 80 < 120 < float(found.high)


@pytest.mark.parametrize("shape", ["normal", "lognormal", "uniform", "exponential", "two humps"])
def test_clean_columns_of_any_usual_shape_stay_quiet(shape: str) -> None:
    rng = np.random.default_rng(1)
    values = {
        "normal": rng.normal(size=20_000),
        "lognormal": rng.lognormal(size=20_000),
        "uniform": rng.random(20_000),
        "exponential": rng.exponential(size=20_000),
        "two humps": np.concatenate([rng.normal(0, 1, 12_000), rng.normal(40, 1, 8_000)]),
    }[shape]
    found = _outliers(pl.DataFrame({"x": values})).get("x")
    assert found is None or found.count <= 0.004 * len(values)


def test_a_sensor_that_mostly_says_zero_is_judged_by_its_other_values() -> None:
    rng = np.random.default_rng(2)
    values = np.where(rng.random(10_000) < 0.1, rng.normal(50, 5, 10_000), 0.0)
    values[5] = 99_999.0
    found = _outliers(pl.DataFrame({"x": values}))["x"]
    assert found.rows == (5,)
    assert "other than 0" in found.rule


def test_infinities_are_far_out() -> None:
    values = [*np.random.default_rng(0).normal(size=200), math.inf]
    assert _outliers(pl.DataFrame({"x": values}))["x"].rows == (200,)


def test_dates_far_away_are_found_and_written_as_dates() -> None:
    days = [dt.date(2024, 1, 1) + dt.timedelta(days=i % 300) for i in range(2000)]
    found = _outliers(pl.DataFrame({"day": [*days, dt.date(2999, 12, 31)]}))["day"]
    assert found.values == ("2999-12-31",)
    assert str(found.high) < "2999"


def test_codes_truth_values_and_long_tails_are_not_judged() -> None:
    rng = np.random.default_rng(0)
    frame = pl.DataFrame(
        {
            "code": rng.choice([1, 2, 3, 900], 5000, p=[0.5, 0.3, 0.19, 0.01]),
            "flag": rng.random(5000) < 0.001,
            "hours": np.where(rng.random(5000) < 0.8, 40 + rng.integers(0, 3, 5000), rng.integers(0, 100, 5000)),
        }
    )
    assert _outliers(frame) == {}


def test_the_medcouple_is_that_of_the_paper() -> None:
    rng = np.random.default_rng(0)
    assert medcouple(np.sort(rng.normal(size=401))) == pytest.approx(0, abs=0.1)
    skewed = np.sort(rng.exponential(size=401))
    assert medcouple(skewed) > 0.25
    assert medcouple(np.sort(-skewed)) == pytest.approx(-medcouple(skewed), abs=1e-9)
    assert medcouple(np.array([0.0, 0.0, 0.0, 1.0, 2.0])) == pytest.approx(1.0)
