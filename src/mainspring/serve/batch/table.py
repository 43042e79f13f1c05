"""One file as a table that is read piece by piece."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from blake3 import blake3

from mainspring.core.errors import InputError, Refused, listed
from mainspring.data.read import PIPE, read_with_report
from mainspring.data.written import Written, missing_as_null

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl
    import pyarrow.parquet as pq

    from mainspring.data.read import ReadReport

_BLOCK = 1 << 22
_BUFFER = 1 << 20


class Table(Protocol):
    """A table of a known number of rows. ``name`` is told; ``size`` is the file's bytes, ``digest`` what they are."""

    name: str
    size: int
    digest: str

    @property
    def rows(self) -> int:
        """How many rows there are."""

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""

    @property
    def row_bytes(self) -> float:
        """What a row takes in memory, about."""

    @property
    def is_open(self) -> bool:
        """Whether rows and columns are told without reading the rows."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was guessed in reading it."""

    def read(self, offset: int, rows: int) -> pl.DataFrame:
        """*rows* rows from *offset* on. Raises Refused where the file has changed since its digest was taken."""

    def asked(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Rows that were read as the model is asked about them."""

    def close(self) -> None:
        """Let go of what is held; it is opened again where it is needed again."""


class ParquetTable:
    """A Parquet file, of which one piece is held at a time, however large its row groups are.

    Pieces read in order are read once; another order costs the rows before them in their row group.
    """

    def __init__(self, path: Path, name: str) -> None:
        """Take the digest of the file at *path*."""
        self.name = name
        self._path = path
        self._stamp = _stamp(path)
        self.size = path.stat().st_size
        self.digest = _digest(path)
        self._batches: Iterator[Any] = iter(())
        self._left: pl.DataFrame | None = None
        self._place = -1

    @property
    def rows(self) -> int:
        """How many rows the footer tells."""
        return int(self._file.metadata.num_rows)

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(self._file.schema_arrow.names)

    @property
    def row_bytes(self) -> float:
        """What a row takes before it is compressed; a dictionary's values are counted once."""
        metadata = self._file.metadata
        groups = (metadata.row_group(place) for place in range(metadata.num_row_groups))
        return float(sum(group.total_byte_size for group in groups)) / max(1, self.rows)

    @property
    def is_open(self) -> bool:
        """The footer tells it all."""
        return True

    @property
    def notes(self) -> tuple[str, ...]:
        """Nothing is guessed."""
        return ()

    def read(self, offset: int, rows: int) -> pl.DataFrame:
        """*rows* rows from *offset* on."""
        import polars as pl
        import pyarrow as pa

        _unchanged(self._path, self._stamp, self.name)
        if offset != self._place:
            self._seek(offset, rows)
        parts = [] if self._left is None else [self._left]
        have = sum(part.height for part in parts)
        try:
            while have < rows:
                parts.append(cast("pl.DataFrame", pl.from_arrow(next(self._batches))))
                have += parts[-1].height
        except StopIteration:
            _unchanged(self._path, self._stamp, self.name)
            raise InputError(f"{self.name} ends after {offset + have:,} rows, before the end that it tells.") from None
        except (pa.ArrowException, OSError) as error:
            # a file that is overwritten while it is read looks damaged
            _unchanged(self._path, self._stamp, self.name)
            raise _damaged(self.name, error) from None
        frame = pl.concat(parts, how="vertical_relaxed") if len(parts) > 1 else parts[0]
        self._left = frame.slice(rows) if have > rows else None
        self._place = offset + rows
        return frame.head(rows)

    def asked(self, frame: pl.DataFrame) -> pl.DataFrame:
        """As they are: the file has types and nulls of its own."""
        return frame

    def close(self) -> None:
        """Close the file."""
        if "_file" in self.__dict__:
            self._file.close()
            del self._file
        self._batches, self._left, self._place = iter(()), None, -1

    @cached_property
    def _file(self) -> pq.ParquetFile:
        import pyarrow as pa
        from pyarrow import parquet

        try:
            # without the buffer a whole column of a row group would be held
            return parquet.ParquetFile(self._path, buffer_size=_BUFFER, pre_buffer=False)
        except (pa.ArrowException, OSError) as error:
            raise _damaged(self.name, error) from None

    def _seek(self, offset: int, rows: int) -> None:
        """Go to the row group that holds the row *offset*, and pass over those before it there."""
        metadata = self._file.metadata
        group, before = 0, 0
        while group < metadata.num_row_groups and before + metadata.row_group(group).num_rows <= offset:
            before += metadata.row_group(group).num_rows
            group += 1
        self._batches = self._file.iter_batches(rows, row_groups=list(range(group, metadata.num_row_groups)))
        self._left, self._place = None, before
        if offset > before:
            self._place = offset
            self._pass(offset - before)

    def _pass(self, rows: int) -> None:
        import polars as pl

        while rows > 0 and (batch := next(self._batches, None)) is not None:
            if batch.num_rows > rows:
                self._left = cast("pl.DataFrame", pl.from_arrow(batch.slice(rows)))
            rows -= batch.num_rows


class WholeTable:
    """A file that can only be read whole: a text, an Arrow file, or what comes through a pipe."""

    def __init__(self, source: Path | str, name: str, written: Written | None = None) -> None:
        """Take the digest of *source*: a path, or ``-``, of which every byte is then held.

        *written*: the columns that keep their characters, if any.
        """
        self.name = name
        self._written = written
        self._source: Any = source
        if str(source) == PIPE:
            import sys

            self._raw: bytes | None = sys.stdin.buffer.read()
            self._stamp: tuple[int, ...] = ()
            self.size, self.digest = len(self._raw), str(blake3(self._raw).hexdigest())
        else:
            self._raw, self._stamp = None, _stamp(Path(source))
            self.size, self.digest = Path(source).stat().st_size, _digest(Path(source))

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self._read[0].height

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return self._read[0].columns

    @property
    def row_bytes(self) -> float:
        """What a row takes in memory."""
        return self._read[0].estimated_size() / max(1, self.rows)

    @property
    def is_open(self) -> bool:
        """Only once it is read."""
        return "_read" in self.__dict__

    @property
    def notes(self) -> tuple[str, ...]:
        """What was guessed in reading it."""
        return self._read[1].notes

    def read(self, offset: int, rows: int) -> pl.DataFrame:
        """*rows* rows from *offset* on."""
        if self._raw is None:
            _unchanged(Path(self._source), self._stamp, self.name)
        return self._read[0].slice(offset, rows)

    def asked(self, frame: pl.DataFrame) -> pl.DataFrame:
        """With the spellings of "missing" as missing values in the texts that the model reads."""
        return asked_of(frame, self._read[1], self._written)

    def close(self) -> None:
        """Let the table go."""
        self.__dict__.pop("_read", None)

    @cached_property
    def _read(self) -> tuple[pl.DataFrame, ReadReport]:
        kept = self._written or frozenset[str]()
        if self._raw is not None:
            return read_with_report(_Piped(self._raw, self.name), written=kept)
        found = read_with_report(self._source, written=kept)
        _unchanged(Path(self._source), self._stamp, self.name)
        return found


class _Piped:
    """Bytes that have come through a pipe, as an open file with a name."""

    def __init__(self, raw: bytes, name: str) -> None:
        self._raw = raw
        self.name = name

    def read(self) -> bytes:
        return self._raw


def asked_of(frame: pl.DataFrame, report: ReadReport, written: Written | None) -> pl.DataFrame:
    """Rows read as *report* says, as a model is asked about them: only a CSV spells out what is missing."""
    return missing_as_null(frame, written.learned) if written is not None and report.format == "csv" else frame


def open_table(path: Path | str, name: str, written: Written | None = None) -> Table:
    """The table in the file at *path*, or of the pipe ``-``, under a *name* to tell.

    The columns that are *written* keep their characters, where the file is a text.
    Raises InputError for a Parquet file that is damaged or has no rows; other files are read when they are needed.
    """
    if str(path) == PIPE or not _is_parquet(Path(path)):
        return WholeTable(path, name, written)
    table = ParquetTable(Path(path), name)
    if table.rows == 0:
        raise InputError(f"{name} has columns ({listed(table.columns)}) but no rows.")
    return table


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def _digest(path: Path) -> str:
    """As `mainspring.core.digest.digest_file`, but a file larger than memory does not fill it with its pages."""
    hasher = blake3(max_threads=blake3.AUTO)
    block = bytearray(_BLOCK)
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(block):
            hasher.update(memoryview(block)[:count])
    return str(hasher.hexdigest())


def _stamp(path: Path) -> tuple[int, ...]:
    found = os.stat(path)  # noqa: PTH116  # asked before each piece
    return found.st_size, found.st_mtime_ns, found.st_ino


def _unchanged(path: Path, stamp: tuple[int, ...], name: str) -> None:
    try:
        same = _stamp(path) == stamp
    except OSError:
        same = False
    if not same:
        raise Refused(
            f"{name} has changed while it was scored, so the parts would not be of one table. Call again once it is at "
            "rest; --force then starts anew."
        )


def _damaged(name: str, error: Exception) -> InputError:
    return InputError(f"{name} is a damaged Parquet file: {(str(error).strip().splitlines() or [''])[0]}")
