"""Writing a table to a file or a stream: the reverse of reading."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from mainspring.core.errors import InputError, listed, quote
from mainspring.core.files import write_atomic

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

SUFFIXES = (".parquet", ".csv", ".jsonl")


def known(suffix: str) -> str:
    """The format of a file's *suffix*. Raises InputError where tables cannot be written in it."""
    if suffix.lower() not in SUFFIXES:
        raise InputError(f"Tables can be written as {', '.join(SUFFIXES)}, not as {quote(suffix)}. Change the suffix.")
    return suffix.lower()


def encode(frame: pl.DataFrame, suffix: str) -> bytes:
    """The bytes of *frame* in the format of a file's *suffix*.

    Raises InputError for another one, and where CSV cannot hold a column (lists, structs).
    """
    form = known(suffix)
    buffer = BytesIO()
    if form == ".parquet":
        frame.write_parquet(buffer)
    elif form == ".jsonl":
        frame.write_ndjson(buffer)
    else:
        nested = [name for name, dtype in frame.schema.items() if dtype.is_nested()]
        if nested:
            raise InputError(
                f"CSV cannot hold {listed(nested)}: the values are lists or structs. Write .parquet or .jsonl."
            )
        frame.write_csv(buffer)
    return buffer.getvalue()


def write(frame: pl.DataFrame, path: Path) -> Path:
    """Write *frame* to *path*, whole or not at all, in the format of its suffix; folders on the way are made.

    Raises InputError for a suffix that is not known.
    """
    data = encode(frame, path.suffix)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, data)
    return path
