"""History: rows in order, cut into windows, labels that come late."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainspring.core.errors import InputError, NotFound
from mainspring.operate.history import History, Stretch


def history(times: Any, **given_: Any) -> History:
    rows = len(times)
    frame = pl.DataFrame({"t": times, "x": np.arange(rows), "y": [row % 2 for row in range(rows)]})
    return History.of(frame, target="y", time="t", **given_)


def test_rows_are_sorted_with_a_note_and_ties_keep_their_order() -> None:
    found = history([2, 1, 2, 1])
    assert found.frame["x"].to_list() == [1, 3, 0, 2]
    assert found.notes == ("the rows were not in the order of t and have been sorted",)
    assert history([1, 2, 3]).notes == ()


def test_windows_by_number_by_rows_and_by_time() -> None:
    found = history(list(range(400)))
    start, windows = found.cut(train=0.5, windows=4)
    assert start == 200
    assert windows == tuple(Stretch(a, a + 50) for a in (200, 250, 300, 350))
    assert [w.rows for w in found.cut(window=60)[1]] == [60, 60, 60, 20]
    days = history([date(2026, 1, 1) + timedelta(days=day) for day in range(400)])
    assert [w.rows for w in days.cut(window=timedelta(days=90))[1]] == [90, 90, 20]


def test_empty_spans_of_time_are_passed_over() -> None:
    times = [datetime(2026, 1, 1) + timedelta(hours=hour) for hour in range(200)]
    times += [datetime(2026, 3, 1) + timedelta(hours=hour) for hour in range(48)]
    _, windows = history(times).cut(train=0.8, window=timedelta(days=1))
    assert min(window.rows for window in windows) > 0
    assert sum(window.rows for window in windows) == 248 - 198


def test_the_usual_windows_are_few_enough_and_large_enough() -> None:
    assert len(history(np.arange(100_000)).cut()[1]) == 60
    assert [w.rows for w in history(np.arange(2_000)).cut()[1]] == [500, 500]
    assert len(history(np.arange(300)).cut()[1]) == 1


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 30), min_size=200, max_size=300), st.integers(1, 9))
def test_rows_of_one_moment_are_never_torn_apart(times: list[int], windows: int) -> None:
    times[0], times[-1] = 0, 31
    found = history(times)
    try:
        start, cut = found.cut(windows=windows)
    except InputError:
        return
    edges = [start, *(stretch.end for stretch in cut)]
    assert edges == sorted(set(edges))
    assert edges[-1] == found.rows
    moments = found.moments.values
    assert all(moments[edge - 1] < moments[edge] for edge in edges[:-1])


def test_labels_come_late_by_rows_or_by_time() -> None:
    numbers = history(list(range(100)))
    assert numbers.known(60, None) == 60
    assert numbers.known(60, 25) == 35
    assert numbers.known(10, 25) == 0
    days = history([date(2026, 1, 1) + timedelta(days=day) for day in range(100)])
    assert days.known(60, timedelta(days=10)) == 51
    assert days.known(100, timedelta(days=10)) == 90


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"train": 1.0}, "between 0 and 1; got 1"),
        ({"train": 0.01}, "a first model needs at least 50"),
        ({"windows": 3, "window": 10}, "Say either how many windows"),
        ({"windows": 0}, "windows must lie between 1 and the 200 judged rows"),
        ({"window": 0}, "at least one row"),
        ({"window": timedelta(days=7)}, "holds numbers, so a window cannot last"),
    ],
)
def test_a_cut_that_does_not_fit_is_refused(given_: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        history(list(range(400))).cut(**given_)


def test_columns_that_are_not_there_are_named() -> None:
    frame = pl.DataFrame({"t": [1, 2], "value": [1, 2], "y": [0, 1]})
    with pytest.raises(InputError, match=r"'z' is not in the table"):
        History.of(frame, target="z", time="t")
    with pytest.raises(NotFound, match=r"No column named 'valeu'. Did you mean value"):
        History.of(frame, target="y", time="t", ignore=["valeu"])
    with pytest.raises(InputError, match="cannot be ignored"):
        History.of(frame, target="y", time="t", ignore=["y"])
    with pytest.raises(InputError, match="No time column"):
        History.of(frame, target="y")
    with pytest.raises(InputError, match="cannot be late by"):
        history(list(range(100))).known(50, timedelta(days=1))
