"""Spans of time as people write them: ``90s``, ``10m``, ``12h``, ``7d``, ``2w``."""

from __future__ import annotations

import re
from datetime import timedelta

LONGEST = timedelta(days=36_500)
"""What is longer reaches before the years that a calendar has, or past them."""
_SECONDS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_FORM = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(w|d|h|m|s)\s*", re.ASCII)


def parse_duration(text: str) -> timedelta:
    """Read a span such as ``1d`` or ``1d 12h``, of 100 years at most. Raises ValueError that says what is expected.

    >>> parse_duration("1d 12h")
    datetime.timedelta(days=1, seconds=43200)
    """
    seconds, position = 0.0, 0
    while match := _FORM.match(text, position):
        seconds += float(match[1]) * _SECONDS[match[2]]
        position = match.end()
    if position == 0 or position != len(text) or seconds == 0:
        raise ValueError("a span of time such as 90s, 10m, 12h, 7d or 2w")
    if seconds > LONGEST.total_seconds():
        raise ValueError(f"{LONGEST.days}d (100 years) at most")
    return timedelta(seconds=seconds)


def format_duration(span: timedelta) -> str:
    """Write *span* so that :func:`parse_duration` reads it back, in the fewest words.

    >>> format_duration(timedelta(days=1, hours=12)), format_duration(timedelta(days=14))
    ('1d 12h', '2w')
    """
    left = span.total_seconds()
    parts = []
    for unit, seconds in _SECONDS.items():
        if unit == "w" and left % seconds:
            continue  # 10d reads better than 1w 3d
        count = int(left // seconds)
        if count:
            parts.append(f"{count}{unit}")
            left -= count * seconds
    if left:
        parts.append(f"{left:g}s")
    return " ".join(parts) or "0s"
