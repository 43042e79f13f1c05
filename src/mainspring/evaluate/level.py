"""A column as a few named levels, so that rows can be sliced and grouped by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from mainspring.evaluate.outcome import texts

if TYPE_CHECKING:
    from collections.abc import Sequence

BINS = 4
"""A column of numbers is cut at its quartiles."""
AS_THEY_ARE = 12
"""A column of numbers with at most so many different values is not cut."""
MISSING = "(missing)"
"""The level of a null."""


def levels(column: pl.Series, *, missing: bool = False) -> pl.Series:
    """The level of each row as a text: the value itself, or for many numbers or dates the quarter it falls into.

    Quarters hold about equally many of the rows given, ends included, and are named by their ends (``17 to 28``). A
    null is null, or with *missing* the level ``(missing)``.

    >>> levels(pl.Series("age", range(17, 57)))[0]
    '17 to 26'
    """
    named = _quarters(column) if _is_cut(column) else texts(column)
    return named.fill_null(MISSING) if missing else named


def matches(column: pl.Series, value: str) -> pl.Series:
    """A mask of the rows whose value reads as *value*; case does not count for booleans. A null never matches."""
    wanted = value.lower() if column.dtype == pl.Boolean else value
    number = _number(wanted)
    if column.dtype.is_numeric() and number is not None:
        return (column == number).fill_null(value=False)
    return (texts(column) == wanted).fill_null(value=False)


def _is_cut(column: pl.Series) -> bool:
    if not (column.dtype.is_numeric() or column.dtype.is_temporal()):
        return False
    return column.drop_nulls().n_unique() > AS_THEY_ARE


def _quarters(column: pl.Series) -> pl.Series:
    """Cut at the quartiles; equal values stay together."""
    usable = column
    if column.dtype.is_float():
        usable = column.set(~column.is_finite().fill_null(value=False), None)
    whole = usable.dtype.is_integer() or bool(
        usable.dtype.is_float() and (usable.drop_nulls() == usable.drop_nulls().floor()).all()
    )
    numbers = usable.cast(pl.Int64).cast(pl.Float64) if usable.dtype.is_temporal() else usable.cast(pl.Float64)
    values = numbers.drop_nulls().to_numpy()
    edges = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1], method="lower"))
    place = np.searchsorted(edges, values, side="left")
    originals = usable.drop_nulls()
    names: dict[int, str] = {}
    for bin_ in np.unique(place):
        inside = originals.filter(pl.Series(place == bin_))
        low, high = inside.min(), inside.max()
        names[int(bin_)] = _ends(low, high, whole=whole)
    named = pl.Series(place).replace_strict(list(names), list(names.values()), return_dtype=pl.String)
    rows = usable.is_not_null().arg_true()
    return pl.Series([None], dtype=pl.String).new_from_index(0, len(column)).scatter(rows, named).alias(column.name)


def _ends(low: object, high: object, *, whole: bool) -> str:
    if isinstance(low, (int, float)) and isinstance(high, (int, float)):
        first, last = (f"{int(v)}" if whole and abs(v) < 1e15 else f"{v:.4g}" for v in (low, high))
    else:
        first, last = str(low), str(high)
    return first if first == last else f"{first} to {last}"


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def counted(names: Sequence[str], rows: Sequence[int], *, limit: int = 5) -> str:
    """Levels with their sizes in one phrase.

    >>> counted(["x", "y"], [3, 1])
    'x (3 rows), y (1 row)'
    """
    shown = [f"{n} ({r:,} row{'' if r == 1 else 's'})" for n, r in zip(names[:limit], rows[:limit], strict=True)]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
