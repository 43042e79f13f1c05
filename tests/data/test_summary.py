"""Columns summarised: types, moments, histograms, odd values."""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mainspring.data.summary import summarise

if TYPE_CHECKING:
    from mainspring.data.kind import Kind


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([3, 3, 9, 1] * 10, "integer"),
        ([0, 1, 1] * 10, "boolean"),
        ([0.5, 1.5, 2.5], "number"),
        ([True, False, None], "boolean"),
        (["true", "false"] * 5, "boolean"),
        (["red", "blue", "red"] * 10, "category"),
        ([f"{i:04d}-{i * 7919 % 9973:x}" for i in range(500)], "id"),
        ([f"the {i} quick brown fox jumps over dog {i}" for i in range(200)], "text"),
        (["2024-01-31", "2024-02-29"] * 5, "date"),
        (["2024-01-31 10:15:00", "2024-02-29 23:59:59"] * 5, "datetime"),
        ([dt.date(2024, 1, day) for day in range(1, 9)], "date"),
        ([dt.datetime(2024, 1, 1, hour) for hour in range(9)], "datetime"),
        (["same"] * 9, "constant"),
        ([None] * 9, "constant"),
        (list(range(1000, 1100)), "id"),
        ([[1, 2], [3]], "text"),
    ],
)
def test_the_meaning_of_a_column_is_found(values: list[object], kind: Kind) -> None:
    assert summarise(pl.Series("column", values, strict=False)).type == kind


def test_numbers_that_merely_differ_are_no_row_id() -> None:
    balances = pl.Series("balance", np.random.default_rng(0).permutation(10**6)[:1000])
    assert summarise(balances).type == "integer"
    assert summarise(balances.alias("customer_id")).type == "id"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=60))
def test_quantiles_and_moments_are_those_of_scipy(values: list[float]) -> None:
    found = summarise(pl.Series("x", values)).numbers
    assert found is not None
    assert found.mean == pytest.approx(np.mean(values), rel=1e-9, abs=1e-6)
    assert found.median == pytest.approx(np.median(values), rel=1e-9, abs=1e-9)
    assert found.sd == pytest.approx(np.std(values, ddof=1), rel=1e-6, abs=1e-6)
    assert (found.minimum, found.maximum) == (min(values), max(values))
    if np.std(values) > 1e-3 * (1 + abs(float(np.mean(values)))):
        assert found.skew == pytest.approx(stats.skew(values), rel=1e-6, abs=1e-6)
        assert found.kurtosis == pytest.approx(stats.kurtosis(values), rel=1e-6, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-50, 200) | st.floats(-1e5, 1e5), min_size=2, max_size=200))
def test_a_histogram_holds_every_value_once(values: list[float]) -> None:
    found = summarise(pl.Series("x", [float(v) for v in values])).histogram
    assert found is not None
    assert sum(found.counts) == len(values)
    edges = [float(edge) for edge in found.edges]
    assert edges == sorted(edges)
    assert edges[0] == pytest.approx(min(values), rel=1e-6, abs=1e-6)
    assert edges[-1] == pytest.approx(max(values), rel=1e-6, abs=1e-6)


def test_one_far_value_does_not_flatten_the_picture() -> None:
    values = np.append(np.random.default_rng(1).normal(size=5000), 1e9)
    found = summarise(pl.Series("x", values)).histogram
    assert found is not None
    assert sum(1 for count in found.counts if count > 50) > 15


def test_nulls_and_nan_are_missing_and_infinities_are_counted_apart() -> None:
    found = summarise(pl.Series("x", [1.0, 2.0, None, math.nan, math.inf, -math.inf]))
    assert (found.nulls, found.infinite) == (2, 2)
    assert found.numbers is not None
    assert (found.numbers.minimum, found.numbers.maximum, found.numbers.mean) == (1.0, 2.0, 1.5)
    assert found.notes == ("2 infinite values",)


def test_a_column_of_infinities_only_has_no_moments() -> None:
    found = summarise(pl.Series("x", [math.inf, math.inf, -math.inf]))
    assert found.numbers is None
    assert found.infinite == 3


def test_what_is_odd_in_a_text_is_said() -> None:
    notes = " | ".join(summarise(pl.Series("x", ["12", "13 ", "Ab", "ab", "15", "17", "18", "n"] * 4)).notes)
    assert "mixed: 62% of the values are numbers" in notes
    assert "4 values have blanks around them" in notes
    assert "1 spellings differ from another only in case or blanks" in notes


def test_top_values_come_in_one_order_on_every_machine() -> None:
    found = summarise(pl.Series("x", ["b", "a", "c", "a", "b", "z"]))
    assert found.top == (("a", 2), ("b", 2), ("c", 1), ("z", 1))


def test_dates_written_as_text_keep_their_span_and_say_what_does_not_fit() -> None:
    values = [f"{day:02d}/03/2024" for day in range(13, 31)] * 10 + ["unknown"]
    found = summarise(pl.Series("x", values))
    assert found.type == "category"  # one of nineteen is no date: more than one in a hundred
    many = [(dt.date(2020, 1, 13) + dt.timedelta(days=i)).strftime("%d/%m/%Y") for i in range(300)]
    found = summarise(pl.Series("x", [*many, "00/00/0000"]))
    assert found.date_format == "%d/%m/%Y"
    assert found.span is not None
    assert found.span.first == "2020-01-13"
    assert "1 values are not dates of this form" in found.notes


def test_durations_are_counted_in_seconds() -> None:
    found = summarise(pl.Series("x", [dt.timedelta(minutes=1), dt.timedelta(minutes=3)]))
    assert found.numbers is not None
    assert found.numbers.mean == 120
