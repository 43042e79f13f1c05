from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mainspring.core.errors import InputError, NotFound
from mainspring.monitor.window import Window, by_count, cut


@given(st.lists(st.integers(0, 500), max_size=60), st.integers(1, 20), st.floats(0.5, 300))
@example([1, 2], 1, 0.5000000000000001)
def test_every_row_is_in_one_window_and_inside_its_bounds(moments: list[int], rows: int, span: float) -> None:
    frame = pl.DataFrame({"t": pl.Series(moments, dtype=pl.Int64)}).with_row_index()
    for window in (rows, span):
        parts = list(cut(frame, window, time="t"))
        whole = pl.concat([part for _, part in parts]) if parts else frame.clear()
        assert whole.equals(frame.sort("t", maintain_order=True))
        assert [found.index for found, _ in parts] == list(range(len(parts)))
        for found, part in parts:
            assert found.rows == part.height > 0
            assert found.offset == sum(earlier.rows for earlier, _ in parts[: found.index])
            if isinstance(window, float):
                assert found.start <= part["t"].min() <= part["t"].max() < found.end  # type: ignore[operator]
                assert found.end - found.start == pytest.approx(span)


def test_days_are_days_in_the_columns_own_zone() -> None:
    moments = pl.datetime_range(datetime(2024, 3, 30, 22), datetime(2024, 4, 1, 1), "1h", eager=True, time_zone="UTC")
    windows = [window for window, _ in cut(pl.DataFrame({"t": moments}), timedelta(days=1), time="t")]
    assert [(window.start, window.rows) for window in windows] == [
        (datetime(2024, 3, 30, tzinfo=UTC), 2),
        (datetime(2024, 3, 31, tzinfo=UTC), 24),
        (datetime(2024, 4, 1, tzinfo=UTC), 2),
    ]
    shifted = [
        window
        for window, _ in cut(pl.DataFrame({"t": moments}), timedelta(days=1), time="t", origin="2024-01-01T22:00:00Z")
    ]
    assert [window.rows for window in shifted] == [24, 4]


def test_dates_stay_dates() -> None:
    frame = pl.DataFrame({"t": [date(2024, 1, 8), date(2024, 1, 1), None, date(2024, 1, 30)]})
    windows = [window for window, _ in cut(frame, timedelta(days=7), time="t", origin=date(2024, 1, 1))]
    assert [(window.start, window.end) for window in windows] == [
        (date(2024, 1, 1), date(2024, 1, 8)),
        (date(2024, 1, 8), date(2024, 1, 15)),
        (date(2024, 1, 29), date(2024, 2, 5)),
    ]
    assert windows[0].as_dict() == {"index": 0, "start": "2024-01-01", "end": "2024-01-08", "rows": 1}


def test_a_count_of_windows_differs_by_one_row_at_most() -> None:
    assert [window.rows for window, _ in by_count(pl.DataFrame({"x": range(10)}), 3)] == [3, 4, 3]
    assert [window for window, _ in by_count(pl.DataFrame({"x": [1]}), 1)] == [Window(0, 0, 0, 1, 0)]


@pytest.mark.parametrize(
    ("window", "time", "message"),
    [
        (timedelta(days=1), None, "needs a time column"),
        (timedelta(days=1), "n", "holds numbers: give a span in its own unit"),
        (3.0, "d", "holds dates: give a span such as 7d"),
        (0, "n", "at least one row, got 0"),
        (-1.0, "n", "longer than nothing"),
        (1e-9, "n", "would make .* windows"),
        (3, "s", "expected dates or rising numbers"),
    ],
)
def test_what_does_not_fit_is_told(window: timedelta | float, time: str | None, message: str) -> None:
    rows = 200_001
    frame = pl.DataFrame({"n": range(rows), "d": [date(2024, 1, 1)] * rows, "s": ["x"] * rows})
    with pytest.raises(InputError, match=message):
        list(cut(frame, window, time=time))


def test_a_missing_time_column_is_named() -> None:
    with pytest.raises(NotFound, match=r"No column named 'tim'\. Did you mean time\?"):
        list(cut(pl.DataFrame({"time": [1]}), 1, time="tim"))
