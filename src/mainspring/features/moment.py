"""Dates and times as the parts that a model can use."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar
from zoneinfo import ZoneInfo

from mainspring.core.errors import InputError, quote
from mainspring.features.output import Output

if TYPE_CHECKING:
    import polars as pl

PARTS = ("days", "month", "day", "weekday", "hour")
"""Days since 1970 (with the fraction), month 1-12, day of the month, weekday 1-7 (Monday 1), hour (with fraction)."""
MICROSECOND = timedelta(microseconds=1)
DAY = 86_400_000_000
HOUR = 3_600_000_000
EPOCH = datetime(1970, 1, 1)  # a wall clock, without a zone
FORMATS = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d")


@dataclass(frozen=True, slots=True)
class MomentCodec:
    """A date or a time as those parts that varied when fitted.

    ``zone`` is the time zone in which the parts are read; None where the fitted column had none, and then a moment
    with a zone is read in UTC. Texts are read as ISO 8601.
    """

    kind: ClassVar[str] = "moment"
    column: str
    parts: tuple[str, ...]
    zone: str | None = None

    @classmethod
    def fit(cls, series: pl.Series) -> MomentCodec | str:
        """Learn which parts vary in *series*. A text says why the column is of no use."""
        import polars as pl

        zone = getattr(series.dtype, "time_zone", None)
        codec = cls(series.name, PARTS, zone)
        codec.check(series)
        table = series.to_frame().select(codec.expressions(series.dtype))
        if table.to_series(0).null_count() == len(table):
            return "every value is null"
        varying = table.select(pl.all().drop_nulls().n_unique() > 1).row(0)
        if not any(varying):
            return "every value is the same"
        return cls(series.name, tuple(part for part, varies in zip(PARTS, varying, strict=True) if varies), zone)

    @property
    def outputs(self) -> tuple[Output, ...]:
        """One numeric column for each part."""
        return tuple(Output(f"{self.column}.{part}", self.column, "numeric") for part in self.parts)

    def wall(self, dtype: pl.DataType) -> pl.Expr:
        """The moment on the wall clock of the zone, without a zone."""
        import polars as pl

        column = pl.col(self.column)
        if dtype == pl.String:
            plain = column.str.strip_chars().str.replace("T", " ", literal=True).str.replace(r"(Z|[+-]00:?00)$", "")
            return pl.coalesce(plain.str.to_datetime(each, strict=False, time_unit="us") for each in FORMATS)
        if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
            column = column.dt.convert_time_zone(self.zone or "UTC").dt.replace_time_zone(None)
        return column.cast(pl.Datetime("us"))

    def expressions(self, dtype: pl.DataType) -> list[pl.Expr]:
        """The float32 expressions over a column of *dtype*, one for each part."""
        import polars as pl

        wall = self.wall(dtype)
        micro = wall.cast(pl.Int64)
        every = {
            "days": micro / DAY,
            "month": wall.dt.month(),
            "day": wall.dt.day(),
            "weekday": wall.dt.weekday(),
            "hour": (micro - micro.floordiv(DAY) * DAY) / HOUR,
        }
        return [every[part].cast(pl.Float32).alias(f"{self.column}.{part}") for part in self.parts]

    def check(self, series: pl.Series) -> None:
        """Raise InputError where *series* holds no moments."""
        import polars as pl

        if series.dtype == pl.String:
            read = series.to_frame().select(self.wall(series.dtype)).to_series()
            bad = read.is_null() & series.is_not_null()
            if bad.any():
                raise InputError(
                    f"Column {quote(self.column)} must hold dates like 2026-01-31 or 2026-01-31 13:45:00, got "
                    f"{quote(series.filter(bad)[0])} in {int(bad.sum())} of {len(series)} rows."
                )
        elif not (series.dtype.is_temporal() or series.dtype == pl.Null) or series.dtype in (pl.Time, pl.Duration):
            raise InputError(f"Column {quote(self.column)} must hold dates, got {series.dtype}.")

    def values(self, value: Any) -> tuple[float, ...]:
        """Encode one value: a date, a datetime or an ISO 8601 text."""
        if value is None:
            return (math.nan,) * len(self.parts)
        wall = self._moment(value)
        micro = (wall - EPOCH) // MICROSECOND
        every = {
            "days": micro / DAY,
            "month": wall.month,
            "day": wall.day,
            "weekday": wall.isoweekday(),
            "hour": micro % DAY / HOUR,
        }
        return tuple(every[part] for part in self.parts)

    def _moment(self, value: Any) -> datetime:
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value.strip())
            except ValueError:
                value = None
        if isinstance(value, datetime):
            if value.tzinfo is None:
                return value
            try:
                return value.astimezone(ZoneInfo(self.zone) if self.zone else UTC).replace(tzinfo=None)
            except OverflowError:
                raise InputError(
                    f"Column {quote(self.column)} must hold a date like 2026-01-31; {quote(str(value))} lies outside "
                    f"the calendar in {self.zone or 'UTC'}."
                ) from None
        if isinstance(value, date):
            return datetime(value.year, value.month, value.day)  # a wall clock, without a zone
        raise InputError(f"Column {quote(self.column)} must hold a date like 2026-01-31, got {quote(value)}.")

    def as_dict(self) -> dict[str, Any]:
        """The state as JSON values."""
        return {"column": self.column, "parts": list(self.parts), "zone": self.zone}

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> MomentCodec:
        """The codec of a state made by :meth:`as_dict`."""
        return cls(state["column"], tuple(state["parts"]), state["zone"])
