"""How a search keeps to its time."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from statistics import median

ROUND_CELLS = 1.5e8
"""Rows x columns x classes x rounds that one thread boosts in a second on a small cloud machine."""
USUAL_ROUNDS = 400
WANTED_TRIALS = 10
"""A search should have time for at least so many full trials, if it can have them by looking at fewer rows."""
FEWEST_ROWS = 2_000
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

    @property
    def elapsed(self) -> float:
        """Seconds since the search began."""
        return time.perf_counter() - self.begun

    @property
    def left(self) -> float:
        """Seconds left for trials."""
        return float("inf") if self.seconds is None else self.seconds - self.reserve - self.elapsed

    def late(self) -> bool:
        """Whether the time is over."""
        return self.left <= 0

    def note(self, kind: str, seconds: float) -> None:
        """Remember what a full trial of *kind* took."""
        self._took.setdefault(kind, []).append(seconds)

    def allows(self, kind: str) -> bool:
        """Whether a trial of *kind* would probably end in time."""
        return self.left > (median(self._took[kind]) * 0.8 if kind in self._took else 0.0)


def rows_to_search(rows: int, cells: int, folds: int, *, seconds: float | None, workers: int) -> int:
    """How many of *rows* a search should look at, so that it can try enough.

    *cells* is the width of one row, times the classes where there are more than two.
    """
    most = MOST_ROWS
    if seconds is not None:
        a_trial = seconds / WANTED_TRIALS * ROUND_CELLS * workers
        most = min(most, int(a_trial / (cells * USUAL_ROUNDS * folds)))
    return min(rows, max(FEWEST_ROWS, most))
