"""Writing a table to a file or a stream: the reverse of reading."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from mainspring.core.errors import InputError, quote
from mainspring.core.files import write_atomic

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

SUFFIXES = (".parquet", ".csv", ".jsonl")


def encode(frame: pl.DataFrame, suffix: str) -> bytes:
    """The bytes of *frame* in the format of a file's *suffix*. Raises InputError for another one."""
    buffer = BytesIO()
    if suffix == ".parquet":
        frame.write_parquet(buffer)
    elif suffix == ".csv":
        frame.write_csv(buffer)
    elif suffix == ".jsonl":
        frame.write_ndjson(buffer)
    else:
        raise InputError(f"Tables can be written as {', '.join(SUFFIXES)}, not as {quote(suffix)}. Change the suffix.")
    return buffer.getvalue()


def write(frame: pl.DataFrame, path: Path) -> Path:
    """Write *frame* to *path*, whole or not at all, in the format of its suffix; folders on the way are made.

    Raises InputError for a suffix that is not known.
    """
    data = encode(frame, path.suffix.lower())
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, data)
    return path
