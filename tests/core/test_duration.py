"""Durations survive the round trip and nonsense is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.core.duration import LONGEST, format_duration, parse_duration


@given(st.integers(1, 10**9))
def test_what_is_written_is_read_back(seconds: int) -> None:
    span = timedelta(seconds=seconds)
    assert parse_duration(format_duration(span)) == span


@pytest.mark.parametrize("text", ["", "0d", "d", "1", "1 day", "1d x", "-1d"])
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a span of time"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["36501d", "999999999d", "9" * 30 + "w", "9" * 400 + "w"])
def test_what_no_calendar_holds_is_refused(text: str) -> None:
    assert parse_duration("36500d") == LONGEST
    with pytest.raises(ValueError, match=r"36500d \(100 years\) at most"):
        parse_duration(text)
