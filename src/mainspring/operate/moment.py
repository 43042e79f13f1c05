"""The time column: what kind of clock it is, whether it can order the rows, and how its moments are said."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from mainspring.core.errors import InputError, listed, quote, suggestion

if TYPE_CHECKING:
    import polars as pl

ClockKind: TypeAlias = Literal["number", "date", "datetime"]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EXAMPLES = 2
_ZONE = re.compile(r"(Z|[+-]\d{2}:?\d{2}|[+-]\d{2})$")


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

    numbers = texts.cast(pl.Float64, strict=False)
    if not numbers.null_count():
        return Moments("number", numbers, "the numbers were written as text")
    distinct = texts.unique(maintain_order=True).to_list()
    formats = _formats(texts.name, distinct)
    _one_zone(texts.name, distinct)
    for known in formats:
        values = known.parse(texts)
        if not values.null_count():
            note = f"read by the format {known.format}"
            if len(formats) > 1 and known.twin is not None:
                note += "; day and month could be exchanged"
            if values.dtype == pl.Date:
                return Moments("date", values, note)
            zoned = getattr(values.dtype, "time_zone", None) is not None
            return Moments("datetime", values.dt.replace_time_zone(None), f"{note}, in UTC" if zoned else note)
    raise InputError(
        f"The time column {quote(texts.name)} holds texts such as {quote(distinct[0])}, but not all are dates that "
        "exist. Clean it first, or name another column."
    )


def _formats(name: str, distinct: list[str]) -> list[Any]:
    """The formats that all texts fit. Raises InputError that shows an example of each format met."""
    from mainspring.data.dates import fitting

    if found := fitting(distinct):
        return found
    forms: dict[str, list[str]] = {}
    for text in distinct[:10_000]:
        fit = fitting([text])
        forms.setdefault(fit[0].format if fit else "no date", []).append(text)
    # a day above 12 tells day-first from month-first; texts that fit both are explained by the commoner one
    order = sorted(forms.items(), key=lambda item: (item[0] == "no date", -len(item[1])))
    shown = listed(f"{quote(examples[0])} ({form})" for form, examples in order[: _EXAMPLES + 1])
    what = "several formats of dates" if len(forms) - ("no date" in forms) > 1 else "text that is no date"
    raise InputError(
        f"The time column {quote(name)} holds {what}: {shown}. Expected one format throughout, or rising numbers. "
        "Clean the column first, or name another one."
    )


def _one_zone(name: str, distinct: list[str]) -> None:
    zones: dict[str, str] = {}
    for text in distinct:
        # a date alone may end like an offset (2012-10-05): a zone follows a time of day
        found = _ZONE.search(text) if ":" in text else None
        zones.setdefault(found[1] if found else "none", text)
    if len(zones) > 1:
        shown = listed(f"{quote(example)} ({zone})" for zone, example in list(zones.items())[:3])
        raise InputError(
            f"The time column {quote(name)} holds times of {len(zones)} zones: {shown}. Convert them to one zone, UTC "
            "for instance, before the rows are put in order."
        )
