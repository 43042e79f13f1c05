"""Rows of a frame as the JSON that an endpoint takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainspring.core.errors import InputError, quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl


def sendable(frame: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """The *columns* that *frame* has, in types that JSON writes as an endpoint reads them.

    Spans of time become seconds, times of day seconds since midnight, decimals numbers. Raises InputError for a column
    of lists, structs or bytes.
    """
    import polars as pl

    expressions = []
    for name in columns:
        if name not in frame.columns:
            continue
        dtype, column = frame.schema[name], pl.col(name)
        if dtype.is_nested() or dtype in (pl.Binary, pl.Object):
            raise InputError(f"Column {quote(name)} holds {dtype}, which an endpoint cannot take.")
        if dtype == pl.Duration:
            column = column.dt.total_microseconds() / 1e6
        elif dtype == pl.Time:
            column = column.cast(pl.Int64) / 1e9
        elif dtype.is_decimal():
            column = column.cast(pl.Float64)
        expressions.append(column.alias(name))
    return frame.select(expressions)


def infinite(frame: pl.DataFrame) -> dict[str, pl.Series]:
    """The rows in which a column is infinite, which JSON would make missing."""
    masks = {
        name: frame[name].is_infinite().fill_null(value=False)
        for name, dtype in frame.schema.items()
        if dtype.is_float()
    }
    return {name: mask for name, mask in masks.items() if mask.any()}


def body(frame: pl.DataFrame) -> bytes:
    """``[...]``, for ``rows`` may be a column; NaN is null."""
    return frame.write_json().encode()
