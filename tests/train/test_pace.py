"""Keeping to the time."""

from __future__ import annotations

import time

from mainspring.train.pace import FEWEST_ROWS, MOST_ROWS, Pace, rows_to_search


def test_rows_are_fewer_where_a_trial_would_take_too_long() -> None:
    def guess(rows: int) -> float:
        return rows / 10_000  # seconds

    assert rows_to_search(100_000, guess, seconds=60) == 100_000
    assert 120_000 < rows_to_search(170_000, guess, seconds=60) <= 150_000
    assert rows_to_search(150_000, guess, seconds=0.1) == FEWEST_ROWS
    assert rows_to_search(500, guess, seconds=0.001) == 500
    assert rows_to_search(900_000, guess, seconds=None) == MOST_ROWS


def test_a_trial_is_begun_only_if_it_would_end_in_time() -> None:
    pace = Pace(10, begun=time.perf_counter() - 4, reserve=1)  # five seconds are left
    assert pace.allows("forest", guess=4)
    assert not pace.allows("forest", guess=6)
    pace.note("lightgbm", 2, guess=1)  # the machine is half as fast as was guessed
    assert not pace.allows("forest", guess=4)
    assert pace.allows("lightgbm", guess=100)  # what was measured counts, not the guess
    pace.note("forest", 9, guess=4)
    assert not pace.allows("forest", guess=1)
    assert not pace.late()
    assert Pace(10, begun=time.perf_counter() - 9.5, reserve=1).late()
    assert not Pace(None).late()
    assert Pace(None).allows("forest", guess=1e9)
