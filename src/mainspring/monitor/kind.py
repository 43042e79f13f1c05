"""What a column is to the monitor, and reading its values as such."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

ENDLESS = 1e150
"""Numbers beyond this count as infinite: no measured quantity lies there, and their squares are no numbers."""

Kind: TypeAlias = Literal["number", "time", "level", "empty", "opaque"]
"""``level``: categories, texts and truth values. ``empty``: null throughout. ``opaque``: lists, structures,
bytes."""


@dataclass(frozen=True, slots=True)
class Content:
    """The values of one stretch of a column, sorted out.

    ``values``: the finite numbers (n,), or the levels as a series without nulls, or None. ``nulls`` counts NaN as
    well; ``mistyped`` what cannot be read as the expected kind. ``low`` and ``high`` are the ends of the numbers.
    """

    rows: int
    values: Any
    nulls: int = 0
    infinite: int = 0
    mistyped: int = 0
    low: float = 0.0
    high: float = 0.0


def kind_of(dtype: pl.DataType) -> Kind:
    """The kind of a Polars type.

    >>> import polars as pl
    >>> kind_of(pl.Int8()), kind_of(pl.Boolean()), kind_of(pl.Date()), kind_of(pl.List(pl.Int8))
    ('number', 'level', 'time', 'opaque')
    """
    import polars as pl

    if dtype.is_numeric():
        return "number"
    if dtype.is_temporal():
        return "time"
    if dtype in (pl.String, pl.Categorical, pl.Enum, pl.Boolean):
        return "level"
    return "empty" if dtype == pl.Null else "opaque"


def read_as(kind: Kind, values: pl.Series) -> Content:
    """Sort *values* out as a column of *kind*, whatever type they came in."""
    rows, nulls = len(values), values.null_count()
    if nulls == rows:
        return Content(rows, np.zeros(0) if kind in ("number", "time") else None, nulls=nulls)
    known = values.drop_nulls() if nulls else values
    if kind in ("empty", "opaque"):
        return Content(rows, None, nulls=nulls)
    if kind == "level":
        return _levels(rows, nulls, known)
    readable = _as_numbers(known) if kind == "number" else _as_moments(known)
    mistyped = readable.null_count()
    if mistyped:
        readable = readable.drop_nulls()
    return _finite(rows, nulls, mistyped, readable.to_numpy())


def _levels(rows: int, nulls: int, known: pl.Series) -> Content:
    if kind_of(known.dtype) == "opaque":
        return Content(rows, None, nulls=nulls, mistyped=len(known))
    return Content(rows, known, nulls=nulls)


def _finite(rows: int, nulls: int, mistyped: int, numbers: NDArray[Any]) -> Content:
    """Leave out NaN (as null) and infinities; looks twice only where an end of the numbers is no number."""
    infinite = 0
    low, high = _ends(numbers)
    if not (low >= -ENDLESS and high <= ENDLESS):  # also where an end is NaN
        missing = np.isnan(numbers)
        endless = np.abs(numbers.astype(np.float64)) > ENDLESS
        nulls, infinite = nulls + int(np.count_nonzero(missing)), int(np.count_nonzero(endless))
        numbers = numbers[~(missing | endless)]
        low, high = _ends(numbers)
    return Content(rows, numbers, nulls=nulls, infinite=infinite, mistyped=mistyped, low=low, high=high)


def _ends(numbers: NDArray[Any]) -> tuple[float, float]:
    return (float(numbers.min()), float(numbers.max())) if len(numbers) else (0.0, 0.0)


def _as_numbers(known: pl.Series) -> pl.Series:
    import polars as pl

    dtype = known.dtype
    if dtype.is_integer() or dtype.is_float():
        return known.cast(pl.Float64) if dtype in (pl.Int128, pl.UInt128, pl.Float16) else known
    if dtype == pl.Boolean or dtype.is_decimal():
        return known.cast(pl.Float64)
    if dtype == pl.String:
        return known.str.strip_chars().cast(pl.Float64, strict=False)
    if dtype in (pl.Categorical, pl.Enum):
        return known.cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False)
    return pl.Series(known.name, [None] * len(known), dtype=pl.Float64)


def _as_moments(known: pl.Series) -> pl.Series:
    """Microseconds: since 1970 for a date, since midnight for a time of day, in all for a duration."""
    import polars as pl

    dtype = known.dtype
    if dtype == pl.Date or isinstance(dtype, pl.Datetime):
        return known.cast(pl.Datetime("us", getattr(dtype, "time_zone", None))).to_physical()
    if isinstance(dtype, pl.Duration):
        return known.cast(pl.Duration("us")).to_physical()
    if dtype == pl.Time:
        return known.to_physical() // 1_000
    if dtype == pl.String:
        return known.str.to_datetime(time_unit="us", strict=False, exact=True).dt.replace_time_zone(None).to_physical()
    return pl.Series(known.name, [None] * len(known), dtype=pl.Int64)
