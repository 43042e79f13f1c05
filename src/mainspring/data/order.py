"""The column that orders rows: whether the named one can, and which one does where nobody says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainspring.core.errors import InputError, quote, suggestion
from mainspring.data.kind import tokens

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

    from mainspring.data.summary import ColumnProfile

_CLOCK_WORDS = frozenset({"t", "ts", "time", "timestamp", "date", "datetime", "step", "tick", "epoch", "period"})
LEAST_MOMENTS = 10
CLOCK_VALUES = 50
"""A column of fewer values does not tell the time but a few periods."""
CLOCK_RISES = 0.99
"""Spearman's correlation with the time from which on a column is taken for a clock."""


def check_time(frame: pl.DataFrame, name: str, columns: Mapping[str, ColumnProfile]) -> str:
    """Say how the column *name* orders the rows. Raises InputError where it cannot."""
    if name not in frame.columns:
        near = suggestion(name, frame.columns, kind="column")
        raise InputError(f"The time column {quote(name)} is not in the table. {near}")
    series, column = frame[name], columns[name]
    if column.empty:
        raise InputError(f"The time column {quote(name)} has no value in any row.")
    if column.nulls:
        raise InputError(
            f"The time column {quote(name)} is missing in {column.nulls:,} of {frame.height:,} rows: they have no "
            "place in the order. Drop or fill them, or name another column."
        )
    if column.distinct == 1:
        raise InputError(f"The time column {quote(name)} is the same in every row and orders nothing.")
    written = None if series.dtype.is_numeric() or series.dtype.is_temporal() else _written(series)
    if written is not None and not written.startswith("%Y-%m-%d"):
        raise InputError(
            f"The time column {quote(name)} holds dates as text in the form {written}. Expected dates, "
            "numbers or ISO 8601 text such as 2026-01-31. Clean the table first, or store it as CSV, where the form is "
            "found out."
        )
    if _is_ordered(series, column):
        return "its rows come in that order"
    return "its rows do not come in that order, and are sorted by it before anything is cut or replayed"


def guess_time(frame: pl.DataFrame, columns: Sequence[ColumnProfile], *, but: Sequence[str]) -> tuple[str, str] | None:
    """The column that most likely orders the rows, and why; None where none stands out.

    A date without gaps comes first, one that rises from row to row before one that does not; else a number that rises
    and is called a time. Columns in *but* are passed over.
    """
    usable = [c for c in columns if c.name not in but and c.nulls == 0 and c.distinct >= LEAST_MOMENTS]
    dates = [c for c in usable if c.type in ("date", "datetime") and why_not(frame[c.name]) is None]
    for column in (*(c for c in dates if _is_ordered(frame[c.name], c)), *dates):
        order = "rises from row to row" if _is_ordered(frame[column.name], column) else "is the first without gaps"
        return column.name, f"it holds {column.type}s and {order}"
    for column in usable:
        dtype = frame.schema[column.name]
        if (
            dtype.is_numeric()
            and _CLOCK_WORDS.intersection(tokens(column.name))
            and _is_ordered(frame[column.name], column)
        ):
            return column.name, "its name means time and its numbers rise from row to row"
    return None


def clocks(frame: pl.DataFrame, columns: Sequence[ColumnProfile], *, time: str) -> frozenset[str]:
    """The columns of numbers that rise with *time*, hardly ever falling: they tell the time once more.

    A step or two over the years (a version, a year) is no clock. *frame* is typed; it need not be sorted.
    """
    import polars as pl

    found = set()
    for column in columns:
        numeric = column.type in ("integer", "number") and column.name != time
        if not numeric or column.distinct < CLOCK_VALUES or column.nulls or column.infinite:
            continue
        ranks = frame.select(pl.col(time, column.name).rank())
        if (ranks.select(pl.corr(time, column.name)).item() or 0.0) >= CLOCK_RISES:
            found.add(column.name)
    return frozenset(found)


def why_not(series: pl.Series) -> str | None:
    """Why a column of dates written as text cannot order the rows; None where it can, or holds no text."""
    if series.dtype.is_numeric() or series.dtype.is_temporal():
        return None
    try:
        written = _written(series)
    except InputError as error:
        return str(error)
    return None if written.startswith("%Y-%m-%d") else f"its dates are text in the form {written}"


def _written(series: pl.Series) -> str:
    import polars as pl

    from mainspring.data.time_text import one_format

    if series.dtype not in (pl.String, pl.Categorical, pl.Enum):
        raise InputError(
            f"The time column {quote(series.name)} holds {series.dtype}. Expected dates, or numbers that rise."
        )
    return one_format(series).format


def _is_ordered(series: pl.Series, column: ColumnProfile) -> bool:
    return column.span.ordered if column.span is not None else bool(series.is_sorted())
