"""Time as a value that can be passed in, so that history is replayed through the very same code."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Says what time it is. Always an aware datetime in UTC."""

    def now(self) -> datetime:
        """The current time."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The current time in UTC."""
        return datetime.now(UTC)


class SimulatedClock:
    """A clock that moves only when told to.

    >>> clock = SimulatedClock(datetime(2026, 1, 1, tzinfo=UTC))
    >>> clock.advance(timedelta(days=1)).isoformat()
    '2026-01-02T00:00:00+00:00'
    """

    def __init__(self, start: datetime) -> None:
        """Begin at *start*, which must be aware."""
        if start.tzinfo is None:
            raise ValueError("A clock needs an aware datetime.")
        self._now = start

    def now(self) -> datetime:
        """The simulated time."""
        return self._now

    def set(self, moment: datetime) -> None:
        """Jump to *moment*; going back is an error."""
        if moment < self._now:
            raise ValueError(f"The simulated clock cannot go back from {self._now} to {moment}.")
        self._now = moment

    def advance(self, span: timedelta) -> datetime:
        """Move forward by *span* and return the new time."""
        self.set(self._now + span)
        return self._now
