"""The digest of a table's content: equal values in equal order, equal digest, whatever library version made them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blake3 import blake3

if TYPE_CHECKING:
    import polars as pl


def is_opaque(dtype: pl.DataType) -> bool:
    """Whether Polars can neither order nor compare the values of this type, nor write them as text."""
    import polars as pl

    return dtype.is_nested() or dtype in (pl.Object, pl.Binary)


def frame_digest(frame: pl.DataFrame) -> str:
    """The BLAKE3 digest of names, types and values of *frame*, 64 hexadecimal digits.

    Text enters as lengths and UTF-8 bytes, everything else as its physical numbers, nulls as a mask; chunking and
    dictionary encoding leave no trace.
    """
    hasher = blake3()
    hasher.update(f"{frame.width} columns, {frame.height} rows\n".encode())
    for series in frame.iter_columns():
        _add(hasher, series)
    return str(hasher.hexdigest())


def _add(hasher: blake3, series: pl.Series) -> None:
    import numpy as np
    import polars as pl

    hasher.update(f"{series.name!r} {series.dtype}\n".encode())
    missing = series.is_null()
    if missing.any():
        hasher.update(np.packbits(missing.to_numpy()).tobytes())
    if series.dtype in (pl.Categorical, pl.Enum):
        series = series.cast(pl.String)
    if series.dtype == pl.Null:
        return
    if is_opaque(series.dtype) or series.dtype == pl.Decimal:
        series = pl.Series(series.name, [str(value) for value in series.to_list()])
    if series.dtype == pl.String:
        filled = series.fill_null("")
        hasher.update(filled.str.len_bytes().to_numpy().tobytes())
        hasher.update("".join(filled.to_list()).encode())
        return
    physical = series.to_physical()
    if physical.dtype == pl.Boolean:
        hasher.update(np.packbits(physical.fill_null(value=False).to_numpy()).tobytes())
        return
    hasher.update(np.ascontiguousarray(physical.fill_null(0).to_numpy()).tobytes())
