"""A column that breaks upstream is set aside while it lasts, and never learned from."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from mainspring.operate.fault import PATIENCE, Faults, Tracker
from mainspring.operate.history import Stretch

ROWS = 400


def _history(windows: int, *, broken: tuple[int, int], factor: float = 12.0) -> pl.DataFrame:
    """Windows of 400 rows; rows from ``broken[0]`` until before ``broken[1]`` carry another unit."""
    rng = np.random.default_rng(5)
    income = rng.lognormal(8, 0.4, windows * ROWS)
    income[broken[0] : broken[1]] *= factor
    return pl.DataFrame({"income": income, "age": rng.integers(18, 80, windows * ROWS)})


def _walk(faults: Faults, windows: int, drifted: dict[int, list[str]]) -> dict[int, list[str]]:
    """Look at windows one after the other. Gives the columns found broken, by window."""
    found, last = {}, None
    for place in range(4, windows):
        stretch = Stretch(place * ROWS, (place + 1) * ROWS)
        new = faults.look(stretch, drifted.get(place, []), last)
        if new:
            found[place] = [fault.column for fault in new]
        last = stretch
    return found


def test_a_changed_unit_is_set_aside_with_the_windows_it_began_and_ended_in() -> None:
    frame = _history(12, broken=(2240, 3360))  # begins and ends inside windows 5 and 8
    faults = Faults(frame)
    found = _walk(faults, 12, {place: ["income"] for place in (5, 6, 7, 8)})
    assert found == {6: ["income"]}
    nulls = faults.sound["income"].is_null()
    assert nulls[2000:3600].all()
    assert not nulls[:2000].any()
    assert not nulls[3600:].any()
    assert faults.sound["age"].null_count() == 0
    assert faults.open == {}
    assert faults.touches(Stretch(3200, 3600))
    assert not faults.touches(Stretch(3600, 4000))


def test_the_model_is_not_asked_about_a_column_while_it_is_broken() -> None:
    frame = _history(8, broken=(2400, 3200))
    faults = Faults(frame)
    assert faults.without(frame).equals(frame)
    faults.look(Stretch(2400, 2800), ["income"], Stretch(2000, 2400))
    assert faults.words == "income looks multiplied by 12, as if the unit had changed (months and years)"
    rows = faults.without(frame[2800:3200])
    assert rows["income"].null_count() == ROWS
    assert rows["age"].null_count() == 0
    assert rows.schema == frame.schema
    faults.look(Stretch(2800, 3200), [], Stretch(2400, 2800))
    assert faults.without(frame).equals(frame)


def test_drift_that_is_no_change_of_unit_is_left_alone() -> None:
    frame = _history(8, broken=(2400, 3200), factor=1.7)
    faults = Faults(frame)
    assert _walk(faults, 8, {6: ["income"], 7: ["income"]}) == {}
    assert faults.sound is frame


def test_a_new_unit_that_stays_is_accepted() -> None:
    windows = 10 + PATIENCE + 8
    faults = Faults(_history(windows, broken=(10 * ROWS, windows * ROWS)))
    found = _walk(faults, windows, {place: ["income"] for place in range(10, windows)})
    assert found == {10: ["income"]}
    assert faults.open == {}
    accepted = (10 + PATIENCE) * ROWS
    assert faults.sound["income"][:accepted].null_count() == PATIENCE * ROWS
    assert faults.sound["income"][accepted:].null_count() == 0


@pytest.mark.parametrize(("start", "end", "rows"), [(0, 2000, 2000), (0, 2800, 2400), (2400, 2800, 400)])
def test_a_reference_leaves_broken_rows_out_unless_nothing_else_is_left(start: int, end: int, rows: int) -> None:
    faults = Faults(_history(8, broken=(2400, 2800)))
    faults.look(Stretch(2400, 2800), ["income"], Stretch(2000, 2400))
    assert len(faults.typical(start, end)) == rows


def test_a_tracker_that_was_put_away_goes_on_where_it_was() -> None:
    """Window after window as a live loop does it, which may be another process each time."""
    tracker, found = Tracker(), []
    broken_in = {5, 6, 7}

    def changed(name: str, since: int) -> str:
        return "looks multiplied by 12" if name == "income" and since == min(broken_in) else ""

    for place in range(3, 10):
        drifted = ["income", "age"] if place in broken_in else []
        new, where = tracker.look(Stretch(place, place + 1), drifted, Stretch(place - 1, place), changed)
        found += [(place, fault.column) for fault in new]
        assert set(where) == ({"income"} if place in broken_in else set())
        tracker = Tracker.from_dict(json.loads(json.dumps(tracker.as_dict())))
    assert found == [(5, "income")]
    assert tracker.open == {}
    assert [place for place in range(12) if tracker.touches(Stretch(place, place + 1))] == [5, 6, 7]
