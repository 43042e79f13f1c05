"""The simulator does what its events say, and nothing else."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from mainspring.demo.loans import NEW_PURPOSE, Event, History, simulate


@pytest.fixture(scope="module")
def history() -> History:
    return simulate(seed=3)


def _during(history: History, event: Event) -> pl.Series:
    day = history.frame["applied"].dt.date()
    return (day >= event.start) & (day < event.end)


def _event(history: History, kind: str) -> Event:
    return next(event for event in history.events if event.kind == kind)


def test_the_same_seed_gives_the_same_table(history: History) -> None:
    again = simulate(seed=3)
    assert again.frame.equals(history.frame)
    assert not simulate(seed=4).frame.equals(history.frame)


def test_rows_are_in_time_order_with_missing_values(history: History) -> None:
    assert history.frame["applied"].is_sorted()
    assert 0.04 < history.frame["income"].null_count() / history.frame.height < 0.08
    assert history.frame["defaulted"].dtype == pl.Boolean


def test_the_unit_change_multiplies_income_by_twelve_and_then_ends(history: History) -> None:
    during = _during(history, _event(history, "unit change"))
    inside, outside = history.frame.filter(during)["income"].median(), history.frame.filter(~during)["income"].median()
    assert isinstance(inside, float)
    assert isinstance(outside, float)
    assert inside / outside == pytest.approx(12, rel=0.1)


def test_the_new_category_is_seen_only_after_its_event(history: History) -> None:
    during = _during(history, _event(history, "new category"))
    assert NEW_PURPOSE not in history.frame.filter(~during)["purpose"].unique()
    assert 0.08 < (history.frame.filter(during)["purpose"] == NEW_PURPOSE).mean() < 0.2  # type: ignore[operator]


def test_the_harmless_shift_moves_age_and_channel(history: History) -> None:
    during = _during(history, _event(history, "harmless shift"))
    before = ~during & ~_during(history, _event(history, "concept change"))
    ages = [history.frame.filter(rows)["age"].mean() for rows in (during, before)]
    assert ages[0] < ages[1] - 4  # type: ignore[operator]


def test_outcomes_follow_the_true_probability(history: History) -> None:
    truth = history.frame["defaulted"].to_numpy().astype(float)
    for low, high in ((0, 0.1), (0.1, 0.3), (0.3, 0.6), (0.6, 1)):
        rows = (history.probability >= low) & (history.probability < high)
        assert truth[rows].mean() == pytest.approx(history.probability[rows].mean(), abs=4 * 0.5 / np.sqrt(rows.sum()))


def test_the_positive_rate_is_that_of_a_lender(history: History) -> None:
    assert 0.1 < float(history.probability.mean()) < 0.3
