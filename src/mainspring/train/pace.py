"""How a search keeps to its time."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

WANTED_TRIALS = 4
"""A search should have time for so many full trials (most are given up early), if need be by looking at fewer rows."""
LARGEST_SHARE = 0.35
"""No trial may take more of the time than this."""
FEWEST_ROWS = 5_000
"""What was chosen on fewer rows than this says little about a long table."""
MOST_ROWS = 200_000


@dataclass(slots=True)
class Pace:
    """The seconds a search may take, what it took so far, and what the next trial would take.

    ``seconds`` None is no limit. ``reserve`` is kept for the fit on all rows.
    """

    seconds: float | None
    begun: float = field(default_factory=time.perf_counter)
    reserve: float = 0.0
    _took: dict[str, list[float]] = field(default_factory=dict)
    _slower: list[float] = field(default_factory=list)

    @property
    def elapsed(self) -> float:
        """Seconds since the search began."""
        return time.perf_counter() - self.begun

    @property
    def left(self) -> float:
        """Seconds left for trials."""
        return math.inf if self.seconds is None else self.seconds - self.reserve - self.elapsed

    def late(self) -> bool:
        """Whether the time is over."""
        return self.left <= 0

    def cap(self, batches: int) -> float:
        """The most seconds one of the *batches* of a trial may take."""
        return math.inf if self.seconds is None else self.seconds * LARGEST_SHARE / batches

    def note(self, kind: str, seconds: float, guess: float) -> None:
        """Remember what a full trial of *kind* took, and how wrong the *guess* was (one cut short does not tell)."""
        self._took.setdefault(kind, []).append(seconds)
        if guess > 0 and (self.seconds is None or seconds < 0.8 * LARGEST_SHARE * self.seconds):
            self._slower.append(seconds / guess)

    def allows(self, kind: str, guess: float) -> bool:
        """Whether a trial of *kind* would probably end in time: by what such trials took, or by the *guess*."""
        if kind in self._took:
            return self.left > 0.8 * median(self._took[kind])
        return self.left > guess * (median(self._slower) if self._slower else 1.0)


def rows_to_search(rows: int, guess: Callable[[int], float], *, seconds: float | None) -> int:
    """How many of *rows* a search should look at, so that it can try enough.

    *guess* gives the seconds of a trial on so many rows.
    """
    most = min(rows, MOST_ROWS)
    while seconds is not None and most > FEWEST_ROWS and guess(most) > seconds / WANTED_TRIALS:
        most = max(FEWEST_ROWS, int(most * 0.9))
    return most
