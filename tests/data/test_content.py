"""The digest of a table: what leaves a trace and what does not."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import polars as pl
import pytest

from mainspring.data.content import frame_digest

FRAME = pl.DataFrame(
    {
        "i": [1, None, 3],
        "f": [0.5, float("nan"), None],
        "s": ["a", None, "äb"],
        "b": [True, None, False],
        "d": [date(2026, 1, 31), None, date(2026, 2, 1)],
        "t": [datetime(2026, 1, 31, 10), None, datetime(2026, 2, 1)],
        "l": [[1, 2], None, []],
    }
)


def test_the_digest_is_the_same_for_ever() -> None:
    assert frame_digest(FRAME) == "0c71e3003c881e2da2de4cc80fc6a504e7434aae7527d3b03d9ca77ceae60421"


def test_chunks_and_slices_leave_no_trace() -> None:
    chunked = pl.concat([FRAME[:1], FRAME[1:]], rechunk=False)
    longer = pl.concat([FRAME, FRAME])
    assert frame_digest(chunked) == frame_digest(longer[3:]) == frame_digest(FRAME)
    coded = FRAME.with_columns(pl.col("s").cast(pl.Categorical))
    recoded = pl.concat([coded[2:], coded])[1:]
    assert frame_digest(coded) == frame_digest(recoded)


@pytest.mark.parametrize(
    "other",
    [
        {"a": [1, 3], "b": ["x", "yz"]},
        {"a": [1, 2], "b": ["xy", "z"]},
        {"a": [1, 2], "b": ["x", None]},
        {"a": [2, 1], "b": ["yz", "x"]},
        {"a": [1.0, 2.0], "b": ["x", "yz"]},
        {"b": ["x", "yz"], "a": [1, 2]},
        {"a": [1, 2], "c": ["x", "yz"]},
    ],
)
def test_any_other_content_has_another_digest(other: dict[str, list[Any]]) -> None:
    assert frame_digest(pl.DataFrame(other)) != frame_digest(pl.DataFrame({"a": [1, 2], "b": ["x", "yz"]}))


def test_a_missing_value_is_not_the_value_that_fills_its_place() -> None:
    assert frame_digest(pl.DataFrame({"a": [0, None]})) != frame_digest(pl.DataFrame({"a": [0, 0]}))
    assert frame_digest(pl.DataFrame({"a": ["", None]})) != frame_digest(pl.DataFrame({"a": [None, ""]}))
