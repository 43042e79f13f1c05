"""Cutting a log into windows, from its segments alone where time decides and from the rows' times where they do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mainspring.ledger.ports import Segment
from mainspring.operate.live.windows import SILENT, LiveWindow, by_rows, by_time

if TYPE_CHECKING:
    from collections.abc import Sequence

DAY = datetime(2026, 3, 1, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def segment(*offsets: float, number: int = 1) -> Segment:
    """A segment with rows so many hours into the day."""
    times = [DAY + offset * HOUR for offset in offsets]
    return Segment(
        id=number, model="m", kind="predictions", source="w", sequence=number, rows=len(times), start=min(times),
        end=max(times), digest="", bytes=0,
    )  # fmt: skip


def hours(windows: Sequence[LiveWindow]) -> list[tuple[float, float]]:
    return [((one.start - DAY) / HOUR, (one.end - DAY) / HOUR) for one in windows]


def test_windows_by_time_lie_on_the_clock_and_end_before_now() -> None:
    found = list(by_time([segment(1.25, 3.5)], HOUR, now=DAY + 4.99 * HOUR, begin=None))
    assert hours(found) == [(1, 2), (2, 3), (3, 4)]
    assert hours(list(by_time([segment(1.25)], 2 * HOUR, now=DAY + 4 * HOUR, begin=DAY + 2 * HOUR))) == [(2, 4)]
    assert list(by_time([], HOUR, now=DAY, begin=None)) == []
    week = timedelta(weeks=1)
    (only,) = by_time([segment(0)], week, now=DAY + week, begin=None)
    assert (only.start - EPOCH) % week == timedelta(0)


def test_silence_is_told_a_few_times_and_then_passed_over_until_rows_come_again() -> None:
    segments = [segment(0.5), segment(200.5, number=2)]
    found = hours(list(by_time(segments, HOUR, now=DAY + 202 * HOUR, begin=None)))
    assert found == [(0, 1), *[(hour, hour + 1) for hour in range(1, SILENT + 1)], (200, 201), (201, 202)]
    silent = list(by_time([], HOUR, now=DAY + 300 * HOUR, begin=DAY + 5 * HOUR, silent=SILENT - 1))
    assert hours(silent) == [(5, 6)]


def test_a_window_of_rows_ends_with_the_row_that_fills_it_and_keeps_a_moment_together() -> None:
    rows: dict[int, list[float]] = {1: [0, 1, 2, 2, 2, 3, 9], 2: [1.5, 2.5, 11]}
    asked: list[int] = []

    def times(one: Segment) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        asked.append(one.id)
        return np.array([((DAY - EPOCH) + offset * HOUR) // timedelta(microseconds=1) for offset in rows[one.id]])

    segments = [segment(*offsets, number=number) for number, offsets in rows.items()]
    found = list(by_rows(segments, 4, now=DAY + 10 * HOUR, begin=None, times=times))
    counts = [
        sum(one.start <= DAY + offset * HOUR < one.end for each in rows.values() for offset in each) for one in found
    ]
    # 0, 1, 1.5 and all three of moment 2; the 9 and what comes after now do not fill another
    assert counts == [6]
    assert (found[0].end - (DAY + 2 * HOUR)) == timedelta(microseconds=1)
    assert asked == [1, 2]


@given(
    st.lists(st.lists(st.integers(0, 400), min_size=1, max_size=40), min_size=1, max_size=6),
    st.integers(1, 30),
    st.integers(0, 420),
)
def test_windows_of_rows_are_those_of_the_sorted_times_however_they_lie_in_segments(
    parts: list[list[int]], size: int, until: int
) -> None:
    base = (DAY - EPOCH) // timedelta(microseconds=1)

    def made(number: int) -> Segment:
        ends = [EPOCH + timedelta(microseconds=base + tick) for tick in (min(parts[number]), max(parts[number]))]
        return Segment(
            id=number + 1, model="m", kind="predictions", source="w", sequence=number, rows=len(parts[number]),
            start=ends[0], end=ends[1], digest="", bytes=0,
        )  # fmt: skip

    found = by_rows(
        [made(number) for number in range(len(parts))],
        size,
        now=DAY + timedelta(microseconds=until),
        begin=None,
        times=lambda one: np.array(parts[one.id - 1], dtype=np.int64) + base,
    )
    every = sorted(tick for part in parts for tick in part if tick < until)
    expected, begin = [], None
    while len(every) >= size:
        last = every[size - 1]
        expected.append((every[0] if begin is None else begin, last + 1))
        begin, every = last + 1, [tick for tick in every if tick > last]
    micro = timedelta(microseconds=1)
    assert [((one.start - DAY) // micro, (one.end - DAY) // micro) for one in found] == expected
