"""Writing the rows that a check put aside, so that they can be mended and brought back."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from mainspring.core.errors import InputError
from mainspring.core.files import write_atomic

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

SUFFIXES = (".parquet", ".csv", ".jsonl")


def write(rows: pl.DataFrame, path: Path) -> Path:
    """Write *rows* to *path*, whole or not at all, in the format of its suffix; folders on the way are made.

    Raises InputError for another suffix.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"Bad rows can be written as {', '.join(SUFFIXES)}, not as {path.name}. Change the suffix.")
    buffer = BytesIO()
    if suffix == ".parquet":
        rows.write_parquet(buffer)
    elif suffix == ".csv":
        rows.write_csv(buffer)
    else:
        rows.write_ndjson(buffer)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, buffer.getvalue())
    return path
