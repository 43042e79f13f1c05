"""Windows of the prediction log: where one ends and the next begins, and when it may be judged.

A window by time ends at a whole multiple of its span since 1970 (UTC), so that a day is a day. A window by rows ends
with the row that fills it; rows of one moment are never torn apart. Either way it is a stretch of time once it has
ended, and a row that comes late belongs to the window of its time. It may be judged when a grace after its end is over,
in which the last rows reach the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np

    from mainspring.ledger.ports import Segment

    Ticks: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]

GRACE = timedelta(seconds=30)
"""A row is in the log so long after it was answered: its spool is finished after 5 s, waits up to 10 s for compaction,
which is a process of low priority that may take seconds, and twice that where one is just at work. Judged earlier, a
window's last rows would be missing, and a short window would seem to have none. On a machine that has no time to spare
rows may still come later: their window is then judged again."""
SILENT = 3
"""After so many windows without a row the next ones are passed over until rows come again."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, order=True)
class LiveWindow:
    """The time from ``start`` up to, not including, ``end``."""

    start: datetime
    end: datetime

    @property
    def key(self) -> str:
        """A name that sorts by time."""
        return stamp(self.start)

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return (self.end - self.start).total_seconds()

    @property
    def words(self) -> str:
        """When it began, as people say it."""
        return f"{self.start.astimezone(UTC):%Y-%m-%d %H:%M:%S}".removesuffix(":00")

    def overlaps(self, first: datetime, last: datetime) -> bool:
        """Whether rows between these times, both included, may lie in it."""
        return first < self.end and self.start <= last


def stamp(moment: datetime) -> str:
    """A time as text that sorts as times do."""
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}"


def by_time(
    segments: Sequence[Segment], span: timedelta, *, now: datetime, begin: datetime | None, silent: int = 0
) -> Iterator[LiveWindow]:
    """The windows that have ended by *now*, from *begin* on (None: the one of the first row).

    *segments*: those with rows from *begin* on. *silent*: so many windows before *begin* had no row.
    """
    starts = sorted(segment.start for segment in segments)
    if begin is None:
        if not starts:
            return
        begin = floor(starts[0], span)
    while begin + span <= now:
        window = LiveWindow(begin, begin + span)
        if any(window.overlaps(segment.start, segment.end) for segment in segments):
            silent = 0
        else:
            silent += 1
            if silent > SILENT:
                later = [start for start in starts if start >= window.end]
                if not later:
                    return
                begin = floor(later[0], span)
                continue
        yield window
        begin = window.end


def by_rows(
    segments: Sequence[Segment],
    rows: int,
    *,
    now: datetime,
    begin: datetime | None,
    times: Callable[[Segment], Ticks],
) -> Iterator[LiveWindow]:
    """The windows that were full by *now*, from *begin* on (None: the first row).

    *times*: when a segment's rows that count came, in microseconds since 1970; asked only as far as needed.
    """
    import numpy as np

    left = sorted(segments, key=lambda segment: segment.start)
    waiting = np.zeros(0, dtype=np.int64)
    first, limit = _ticks(begin or _EPOCH), _ticks(now)
    while left or len(waiting) >= rows:
        # until the next unread segment begins, nothing can come in between
        known = _ticks(left[0].start) if left else limit
        if len(waiting) < rows or waiting[rows - 1] >= known:
            if not left:
                return
            found = times(left.pop(0))
            waiting = np.sort(np.concatenate((waiting, found[(found < limit) & (found >= first)])), kind="stable")
            continue
        end = int(waiting[rows - 1]) + 1
        count = int(np.searchsorted(waiting, end))
        start = int(waiting[0]) if begin is None else first
        begin = _EPOCH + timedelta(microseconds=end)
        yield LiveWindow(_EPOCH + timedelta(microseconds=start), begin)
        waiting, first = waiting[count:], end


def _ticks(moment: datetime) -> int:
    return (moment - _EPOCH) // _TICK


def floor(moment: datetime, span: timedelta) -> datetime:
    """The last whole multiple of *span* since 1970 that is not after *moment*."""
    return _EPOCH + (moment - _EPOCH) // span * span
