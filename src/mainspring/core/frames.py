"""Frames are Polars inside; pandas, Arrow and other frames are accepted at the edge."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from mainspring.core.errors import InputError

if TYPE_CHECKING:
    import polars as pl


def as_frame(value: Any) -> pl.DataFrame:
    """Return *value* as a Polars frame: Polars, pandas, Arrow, any frame narwhals knows, or a dict of columns.

    Raises InputError where the value is not a table.

    >>> as_frame({"a": [1, 2]}).shape
    (2, 1)
    """
    import polars as pl

    if isinstance(value, pl.DataFrame):
        return value
    if isinstance(value, pl.LazyFrame):
        return value.collect()
    if isinstance(value, dict):
        return pl.DataFrame(value)
    if hasattr(value, "__arrow_c_stream__") and not _is_pandas(value):
        return pl.DataFrame(value)
    import narwhals as nw

    frame = nw.from_native(value, pass_through=True)
    if isinstance(frame, nw.LazyFrame):
        frame = frame.collect()
    if isinstance(frame, nw.DataFrame):
        return frame.to_polars()
    raise InputError(
        f"Expected a table (Polars, pandas, Arrow or a dict of columns), got {type(value).__name__}. "
        "Convert it with polars.DataFrame(…) first."
    )


def _is_pandas(value: object) -> bool:
    pandas = sys.modules.get("pandas")  # a frame cannot exist unless pandas is loaded
    return pandas is not None and isinstance(value, pandas.DataFrame)
