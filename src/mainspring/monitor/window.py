"""Cutting rows into tumbling windows, by count or by time.

>>> import polars as pl
>>> frame = pl.DataFrame({"t": [0.0, 1.0, 2.5, 7.0], "x": [1, 2, 3, 4]})
>>> [(window.start, window.end, window.rows) for window, _ in cut(frame, 2.0, time="t")]
[(0.0, 2.0, 2), (2.0, 4.0, 1), (6.0, 8.0, 1)]
>>> [(window.start, window.end, window.rows) for window, _ in cut(frame, 3, time="t")]
[(0.0, 2.5, 3), (7.0, 7.0, 1)]
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

from mainspring.core.errors import InputError, NotFound, quote

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

Moment: TypeAlias = datetime | date | timedelta | float | int | str
Span: TypeAlias = timedelta | float | int
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOST = 100_000
"""More windows than this are a mistaken span, not a plan."""


@dataclass(frozen=True, slots=True)
class Window:
    """A span of rows.

    ``index`` counts from 0 over the windows that hold rows, ``offset`` is the first row's place in the time-ordered
    table. Cut by time, ``start`` is included and ``end`` is not; cut by rows, they are the first and the last row's
    time (or place, where there is no time).
    """

    index: int
    start: Any
    end: Any
    rows: int
    offset: int

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values; moments as ISO 8601."""
        return {"index": self.index, "start": _plain(self.start), "end": _plain(self.end), "rows": self.rows}


def cut(
    frame: pl.DataFrame, window: Span, *, time: str | None = None, origin: Moment | None = None
) -> Iterator[tuple[Window, pl.DataFrame]]:
    """Cut *frame* into windows and give each with its rows, in order of time (a stable sort; null times left out).

    *window*: a whole number of rows; or a span of the time column: a timedelta for dates, a float for a rising number.
    Windows by time begin at *origin* plus whole spans (default: for dates the start of 1970 in UTC, so that a day is
    a day; for numbers the first one); empty ones are passed over. Raises InputError for a span that does not fit the
    time column, NotFound where that is missing.
    """
    ordered = _ordered(frame, time)
    if isinstance(window, int):
        yield from by_rows(ordered, window, time=time)
    elif time is None:
        raise InputError(f"A window of {quote(window)} needs a time column. Name one, or give a number of rows.")
    else:
        yield from _by_time(ordered, window, time, origin)


def by_rows(frame: pl.DataFrame, rows: int, *, time: str | None = None) -> Iterator[tuple[Window, pl.DataFrame]]:
    """Cut *frame*, taken as ordered, into stretches of *rows* rows; the last one may be shorter."""
    if rows < 1:
        raise InputError(f"A window needs at least one row, got {rows}.")
    edges = [*range(0, frame.height, rows), frame.height]
    yield from _between(frame, edges, time)


def by_count(frame: pl.DataFrame, windows: int, *, time: str | None = None) -> Iterator[tuple[Window, pl.DataFrame]]:
    """Cut *frame*, taken as ordered, into *windows* stretches that differ by at most one row."""
    if not 1 <= windows <= max(frame.height, 1):
        raise InputError(f"Expected between 1 and {frame.height} windows for {frame.height} rows, got {windows}.")
    yield from _between(frame, [round(i * frame.height / windows) for i in range(windows + 1)], time)


def _between(frame: pl.DataFrame, edges: list[int], time: str | None) -> Iterator[tuple[Window, pl.DataFrame]]:
    for index, (begin, end) in enumerate(pairwise(edges)):
        part = frame.slice(begin, end - begin)
        ends = (begin, end - 1) if time is None else (part[time][0], part[time][-1])
        yield Window(index, ends[0], ends[1], part.height, begin), part


def _by_time(
    frame: pl.DataFrame, span: Span, time: str, origin: Moment | None
) -> Iterator[tuple[Window, pl.DataFrame]]:
    import polars as pl

    moments = frame[time]
    if not len(moments):
        return
    start, length, ticks = _grid(moments, span, origin)
    buckets = ((ticks - start) / length).floor()
    # a quotient is rounded, and so are the bounds that people read: a row lies where these say
    buckets = (buckets - (ticks < start + buckets * length) + (ticks >= start + (buckets + 1) * length)).cast(pl.Int64)
    sizes = buckets.rle().struct.unnest()
    if sizes.height > MOST:
        raise InputError(f"A window of {quote(span)} would make {sizes.height} windows. Choose a longer one.")
    offset = 0
    for index, (rows, bucket) in enumerate(sizes.iter_rows()):
        begin, end = (_moment(moments.dtype, start + place * length) for place in (bucket, bucket + 1))
        yield Window(index, begin, end, rows, offset), frame.slice(offset, rows)
        offset += rows


def _grid(moments: pl.Series, span: Span, origin: Moment | None) -> tuple[float, float, pl.Series]:
    """The grid's start, its step, and the moments, all in the column's ticks (microseconds for dates)."""
    import polars as pl

    if moments.dtype.is_temporal():
        if not isinstance(span, timedelta):
            raise InputError(f"The time column holds dates: give a span such as 7d, not {quote(span)}.")
        ticks = moments.cast(pl.Datetime("us", getattr(moments.dtype, "time_zone", None))).to_physical()
        return _ticks_of(origin), span / timedelta(microseconds=1), _positive(span, ticks)
    if isinstance(span, timedelta):
        raise InputError(f"The time column holds numbers: give a span in its own unit, not {quote(span)}.")
    if origin is not None and not isinstance(origin, int | float):
        raise InputError(f"The time column holds numbers: an origin of {quote(origin)} does not fit.")
    return float(moments[0] if origin is None else origin), float(span), _positive(span, moments.cast(pl.Float64))


def _positive(span: Span, ticks: pl.Series) -> pl.Series:
    length = span / timedelta(seconds=1) if isinstance(span, timedelta) else span
    if length <= 0:
        raise InputError(f"A window must be longer than nothing, got {quote(span)}.")
    return ticks


def _ticks_of(origin: Moment | None) -> float:
    if origin is None:
        return 0.0
    if isinstance(origin, str):
        origin = datetime.fromisoformat(origin)
    if isinstance(origin, date) and not isinstance(origin, datetime):
        origin = datetime(origin.year, origin.month, origin.day, tzinfo=UTC)
    if not isinstance(origin, datetime):
        raise InputError(f"The time column holds dates: an origin of {quote(origin)} does not fit.")
    aware = origin if origin.tzinfo else origin.replace(tzinfo=UTC)
    return (aware - _EPOCH) / timedelta(microseconds=1)


def _moment(dtype: pl.DataType, ticks: float) -> Any:
    """The moment in the column's own type: aware where the column is, without a zone where it has none."""
    import polars as pl

    if not dtype.is_temporal():
        return ticks
    moment = _EPOCH + timedelta(microseconds=round(ticks))
    if dtype == pl.Date:
        return moment.date() if moment.time() == datetime.min.time() else moment.replace(tzinfo=None)
    zone = getattr(dtype, "time_zone", None)
    if zone is None:
        return moment.replace(tzinfo=None)
    from zoneinfo import ZoneInfo

    return moment.astimezone(ZoneInfo(zone))


def _ordered(frame: pl.DataFrame, time: str | None) -> pl.DataFrame:
    import polars as pl

    if time is None:
        return frame
    if time not in frame.columns:
        raise NotFound.among("column", time, frame.columns)
    dtype = frame.schema[time]
    if not (dtype.is_numeric() or dtype == pl.Date or isinstance(dtype, pl.Datetime)):
        raise InputError(
            f"The time column {quote(time)} holds {dtype}; expected dates or rising numbers. "
            "Declare a format for it, or cut by rows."
        )
    known = frame.filter(pl.col(time).is_not_null() & (pl.col(time).is_not_nan() if dtype.is_float() else pl.lit(True)))
    return known if known[time].is_sorted() else known.sort(time, maintain_order=True)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value
