"""The time column: what kind of clock it is, whether it can order the rows, and how its moments are said."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, TypeAlias

from mainspring.core.errors import InputError, quote, suggestion

if TYPE_CHECKING:
    import polars as pl

ClockKind: TypeAlias = Literal["number", "date", "datetime"]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Moments:
    """The moment of every row.

    ``values``: numbers, dates, or datetimes without zone (in UTC where the column had one). ``note`` says what was done
    to read them, empty where nothing.
    """

    kind: ClockKind
    values: pl.Series
    note: str = ""

    @property
    def dated(self) -> bool:
        """Whether spans of time can be measured."""
        return self.kind != "number"

    def text(self, row: int) -> str | int | float:
        """The moment of *row* as it is written in reports: ISO 8601, or the number itself."""
        value = self.values[row]
        if self.kind == "number":
            return int(value) if float(value).is_integer() else float(value)
        return str(value.isoformat())

    def clock(self, row: int) -> datetime:
        """The moment of *row* for a clock. A number has no date: its rows are seconds since 1970, in order."""
        if not self.dated:
            return EPOCH + timedelta(seconds=row)
        value = self.values[row]
        if not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day)  # UTC is put on below
        return value.replace(tzinfo=UTC)


def moments(frame: pl.DataFrame, name: str) -> Moments:
    """Read the column *name* of *frame* as time: any number, dates, or texts that are one of these throughout.

    Raises InputError where the column is missing, has gaps, holds several formats or time zones, or is constant.
    """
    if name not in frame.columns:
        raise InputError(
            f"The time column {quote(name)} is not in the table. {suggestion(name, frame.columns, kind='column')}"
        )
    series = frame[name]
    missing = series.null_count()
    if series.dtype.is_float():
        missing = len(series) - int(series.is_finite().fill_null(value=False).sum())
    if missing:
        raise InputError(
            f"The time column {quote(name)} is missing (or not finite) in {missing:,} of {len(series):,} rows: they "
            "have no place in the order. Drop or fill them, or name another column."
        )
    read = _read(series)
    if read.values.n_unique() < 2:
        raise InputError(f"The time column {quote(name)} is the same in every row and orders nothing.")
    return read


def _read(series: pl.Series) -> Moments:
    import polars as pl

    dtype = series.dtype
    if dtype.is_numeric():
        return Moments("number", series)
    if dtype == pl.Date:
        return Moments("date", series)
    if isinstance(dtype, pl.Datetime):
        values = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if dtype.time_zone else series
        return Moments("datetime", values, f"times are in UTC ({dtype.time_zone} before)" if dtype.time_zone else "")
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return _read_text(series.cast(pl.String).str.strip_chars())
    raise InputError(
        f"The time column {quote(series.name)} holds {dtype}. Expected dates, numbers, or text of one format of dates."
    )


def _read_text(texts: pl.Series) -> Moments:
    import polars as pl

    from mainspring.data.time_text import one_format

    numbers = texts.cast(pl.Float64, strict=False)
    if not numbers.null_count():
        return Moments("number", numbers, "the numbers were written as text")
    known = one_format(texts)
    values = known.parse(texts)
    note = f"read by the format {known.format}"
    if values.dtype == pl.Date:
        return Moments("date", values, note)
    return Moments("datetime", values.dt.replace_time_zone(None), f"{note}, in UTC" if known.zoned else note)
