"""Numbers and truth values as float32."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import time, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from mainspring.core.errors import InputError, quote
from mainspring.features.output import Output

if TYPE_CHECKING:
    import polars as pl

OVERFLOW = 3.4028235677973366e38
"""From this magnitude on, a double rounds to an infinite float32."""
TRUTH = {"true": 1.0, "t": 1.0, "yes": 1.0, "y": 1.0, "1": 1.0, "false": 0.0, "f": 0.0, "no": 0.0, "n": 0.0, "0": 0.0}
NAN = math.nan


@dataclass(frozen=True, slots=True)
class NumberCodec:
    """A number, a truth value (0 and 1) or a span of time (seconds), rounded to float32.

    Null and NaN become NaN. An infinity, or a number too large for float32, becomes the largest (smallest) finite
    number seen when fitted: its rank is kept, and no estimator meets an infinity.
    """

    kind: ClassVar[str] = "number"
    column: str
    low: float
    high: float
    boolean: bool = False

    @classmethod
    def fit(cls, series: pl.Series, *, boolean: bool = False) -> NumberCodec | str:
        """Learn the finite range of *series*. A text says why the column is of no use."""
        codec = cls(series.name, 0.0, 0.0, boolean)
        numbers = series.to_frame().select(codec._plain(series.dtype)).to_series()
        _refuse_unreadable(series, numbers, "a truth value" if boolean else "a number")
        finite = numbers.filter(numbers.is_finite())
        if finite.is_empty():
            return "no value is a finite number"
        low, high = (float(x) for x in (finite.min(), finite.max()))  # type: ignore[arg-type]
        if low == high and not (numbers.is_null() | numbers.is_nan()).any():
            return "every value is the same"
        return cls(series.name, low, high, boolean)

    @property
    def outputs(self) -> tuple[Output, ...]:
        """One numeric column."""
        return (Output(self.column, self.column, "numeric"),)

    def _plain(self, dtype: pl.DataType) -> pl.Expr:
        import polars as pl

        column = pl.col(self.column)
        if self.boolean and dtype == pl.String:
            return (
                column.str.strip_chars().str.to_lowercase().replace_strict(TRUTH, default=None, return_dtype=pl.Float32)
            )
        if dtype == pl.Duration:
            return (column.dt.total_microseconds() / 1e6).cast(pl.Float32)
        if dtype == pl.Time:
            return (column.cast(pl.Int64) / 1e9).cast(pl.Float32)
        if dtype == pl.String:
            column = column.str.strip_chars().cast(pl.Float64, strict=False)
        return column.cast(pl.Float32)

    def expressions(self, dtype: pl.DataType) -> list[pl.Expr]:
        """The float32 expression over a column of *dtype*."""
        import polars as pl

        plain = self._plain(dtype)
        if dtype.is_integer() or dtype in (pl.Boolean, pl.Null, pl.Time):
            return [plain]
        edge = pl.when(plain > 0).then(pl.lit(self.high, pl.Float32)).otherwise(pl.lit(self.low, pl.Float32))
        return [pl.when(plain.is_infinite()).then(edge).otherwise(plain).alias(self.column)]

    def check(self, series: pl.Series) -> None:
        """Raise InputError where a text of *series* is not a number."""
        import polars as pl

        if series.dtype == pl.String:
            numbers = series.to_frame().select(self._plain(series.dtype)).to_series()
            _refuse_unreadable(series, numbers, "a truth value" if self.boolean else "a number")
        elif not accepts(series.dtype):
            raise InputError(f"Column {quote(self.column)} must hold numbers, got {series.dtype}.")

    def values(self, value: Any) -> tuple[float, ...]:
        """Encode one value."""
        if value is None:
            return (NAN,)
        if type(value) is not float:
            value = self._number(value)
        if -OVERFLOW < value < OVERFLOW or value != value:  # NaN is unlike itself
            return (value,)
        return (self.high if value > 0 else self.low,)

    def _number(self, value: Any) -> float:
        if isinstance(value, timedelta):
            return (value // timedelta(microseconds=1)) / 1e6
        if isinstance(value, time):
            return value.hour * 3600 + value.minute * 60 + value.second + value.microsecond / 1e6
        text = value.strip() if isinstance(value, str) else value
        if self.boolean and isinstance(text, str):
            if text.lower() in TRUTH:
                return TRUTH[text.lower()]
            raise InputError(f"Column {quote(self.column)} must hold a truth value, got {quote(value)}.")
        try:
            return float(text)
        except (TypeError, ValueError):
            raise InputError(f"Column {quote(self.column)} must hold a number, got {quote(value)}.") from None
        except OverflowError:
            return math.inf if str(text)[0] != "-" else -math.inf

    def as_dict(self) -> dict[str, Any]:
        """The state as JSON values."""
        return {"column": self.column, "low": self.low, "high": self.high, "boolean": self.boolean}

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> NumberCodec:
        """The codec of a state made by :meth:`as_dict`."""
        return cls(state["column"], float(state["low"]), float(state["high"]), bool(state["boolean"]))


def accepts(dtype: pl.DataType) -> bool:
    """Whether values of *dtype* can be read as numbers."""
    import polars as pl

    return dtype.is_numeric() or dtype in (pl.Boolean, pl.Null, pl.Duration, pl.Time, pl.String)


def _refuse_unreadable(series: pl.Series, numbers: pl.Series, wanted: str) -> None:
    bad = numbers.is_null() & series.is_not_null()
    if bad.any():
        example = series.filter(bad)[0]
        raise InputError(
            f"Column {quote(series.name)} must hold {wanted}, got {quote(example)} in {int(bad.sum())} of "
            f"{len(series)} rows. Clean the column, or declare it as a category in the contract."
        )
