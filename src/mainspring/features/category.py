"""Categories as integer codes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from mainspring.core.errors import InputError, quote
from mainspring.features.output import Output

if TYPE_CHECKING:
    import polars as pl

OTHER = 0
"""The code of a level that was rare or absent when fitted."""
MISSING = 1
"""The code of null."""
FIRST = 2
"""The code of the most frequent level."""
MOST_LEVELS = 250
"""At most so many levels keep a code of their own (histogram gradient boosting takes 255 in all)."""
LARGEST_WHOLE = 2.0**53


@dataclass(frozen=True, slots=True)
class CategoryCodec:
    """A level as its rank by frequency, so that tree models may also use the code as a number.

    Codes: 0 for rare and unseen levels, 1 for null, 2 … for the kept levels, most frequent first. Truth values
    and numbers are levels by their text; 1 and 1.0 are the same level.
    """

    kind: ClassVar[str] = "category"
    column: str
    levels: tuple[str, ...]
    _codes: dict[str, float] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the levels."""
        object.__setattr__(self, "_codes", {level: float(code) for code, level in enumerate(self.levels, FIRST)})

    @classmethod
    def fit(cls, series: pl.Series) -> CategoryCodec | str:
        """Learn the levels of *series*. A text says why the column is of no use."""
        import polars as pl

        texts = series.to_frame().select(text_of(series.name, series.dtype).alias("level")).to_series()
        counts = texts.drop_nulls().value_counts(name="rows").sort(["rows", "level"], descending=[True, False])
        if counts.is_empty():
            return "every value is null"
        if len(counts) == 1 and texts.null_count() == 0:
            return "every value is the same"
        fewest = min(10, max(2, len(series) // 1000))
        kept = counts.filter(pl.col("rows") >= fewest).head(MOST_LEVELS)
        if kept.is_empty():
            return f"none of its {len(counts)} levels is in {fewest} rows"
        return cls(series.name, tuple(kept["level"].to_list()))

    @property
    def outputs(self) -> tuple[Output, ...]:
        """One column of codes."""
        return (Output(self.column, self.column, "categorical", FIRST + len(self.levels)),)

    def expressions(self, dtype: pl.DataType) -> list[pl.Expr]:
        """The float32 expression over a column of *dtype*."""
        import polars as pl

        text = text_of(self.column, dtype)
        codes = list(self._codes.values())
        code = text.replace_strict(list(self.levels), codes, default=float(OTHER), return_dtype=pl.Float32)
        return [pl.when(text.is_null()).then(pl.lit(float(MISSING), pl.Float32)).otherwise(code).alias(self.column)]

    def check(self, series: pl.Series) -> None:
        """Raise InputError where *series* has no levels (lists, structs, bytes)."""
        if not accepts(series.dtype):
            raise InputError(f"Column {quote(self.column)} must hold categories, got {series.dtype}.")

    def values(self, value: Any) -> tuple[float, ...]:
        """Encode one value."""
        if value is None:
            return (1.0,)
        text = value if type(value) is str else _text(value)
        return (1.0,) if text is None else (self._codes.get(text, 0.0),)

    def as_dict(self) -> dict[str, Any]:
        """The state as JSON values."""
        return {"column": self.column, "levels": list(self.levels)}

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> CategoryCodec:
        """The codec of a state made by :meth:`as_dict`."""
        return cls(state["column"], tuple(state["levels"]))


def accepts(dtype: pl.DataType) -> bool:
    """Whether values of *dtype* can be read as levels."""
    import polars as pl

    return not dtype.is_nested() and dtype not in (pl.Binary, pl.Object)


def text_of(column: str, dtype: pl.DataType) -> pl.Expr:
    """The expression of the text of each level; null and NaN are null."""
    import polars as pl

    value = pl.col(column)
    if dtype.is_float():
        whole = (value == value.round()) & (value.abs() < LARGEST_WHOLE)
        text = pl.when(whole).then(value.cast(pl.Int64, strict=False).cast(pl.String)).otherwise(value.cast(pl.String))
        return pl.when(value.is_nan()).then(None).otherwise(text).alias(column)
    return value.cast(pl.String)


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if math.isnan(value):
            return None
        if value.is_integer() and abs(value) < LARGEST_WHOLE:
            return str(int(value))
    if isinstance(value, str):
        return str(value)
    import polars as pl  # the text of an odd float or a date is the one Polars gives a column of them

    return str(pl.Series([value]).cast(pl.String)[0])
