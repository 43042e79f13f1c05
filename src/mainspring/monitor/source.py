"""Where a profile's values come from: a frame in memory, or a Parquet file read column by column in batches."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import current_thread, main_thread
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from mainspring.core.errors import InputError, quote
from mainspring.core.frames import as_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import polars as pl
    import pyarrow.parquet as pq

BATCH = 131_072
"""Rows that are decoded at a time. Two columns are in work at once, so that memory does not grow with the file."""
HELD = 4_000_000
"""A column of at most so many rows is kept while its bins are fitted; a longer one is read twice."""
_WORKERS = 2
_SMALL = 100_000
"""Fewer texts are counted before a second thread has started."""
_HASHED = range(4_096, 500_001)
"""Fewer texts are counted without their hashes, and so are more: the hashes of all columns are in memory at once."""
_ANSWER = TypeVar("_ANSWER")


class Source(Protocol):
    """A table whose columns can be read one at a time, as often as needed."""

    @property
    def rows(self) -> int:
        """The number of rows."""

    @property
    def types(self) -> dict[str, pl.DataType]:
        """The columns in order, with their types."""

    def parts(self, column: str) -> Iterator[pl.Series]:
        """The column in stretches, in row order."""

    def together(self, column: str) -> Iterator[Sequence[pl.Series]]:
        """The same, as many stretches at a time as lie in memory anyway."""

    def hashes(self, seeds: Mapping[str, int]) -> dict[str, pl.Series]:
        """The hashes of columns of text under these seeds, of those without nulls that lie in memory."""

    def frame(self) -> pl.DataFrame:
        """The whole table in memory."""

    def each(self, work: Callable[[str], _ANSWER], columns: Sequence[str]) -> list[_ANSWER]:
        """Do *work* for each of *columns*, on as many threads as pay for this source."""


class FrameSource:
    """A frame in memory."""

    def __init__(self, frame: pl.DataFrame) -> None:
        """Read from *frame*."""
        self._frame = frame
        self._types = dict(frame.schema)

    @property
    def rows(self) -> int:
        """The number of rows."""
        return self._frame.height

    @property
    def types(self) -> dict[str, pl.DataType]:
        """The columns in order, with their types."""
        return self._types

    def parts(self, column: str) -> Iterator[pl.Series]:
        """The column, chunk by chunk as it lies in memory."""
        values = self._frame.get_column(column)
        yield from values.get_chunks() if values.n_chunks() > 1 else (values,)

    def together(self, column: str) -> Iterator[Sequence[pl.Series]]:
        """All chunks of the column: what is done once for all of them need not be done for each."""
        yield list(self.parts(column))

    def hashes(self, seeds: Mapping[str, int]) -> dict[str, pl.Series]:
        """All in one call, for each call costs as much as the hashes of a small column."""
        import polars as pl

        asked = [name for name in seeds if self._types[name] == pl.String and not self._frame[name].null_count()]
        if not asked or self._frame.height not in _HASHED:
            return {}
        return self._frame.select(pl.col(name).hash(seeds[name]) for name in asked).to_dict()

    def frame(self) -> pl.DataFrame:
        """The frame itself."""
        return self._frame

    def each(self, work: Callable[[str], _ANSWER], columns: Sequence[str]) -> list[_ANSWER]:
        """Texts are counted on a second thread while numbers are counted here.

        Two threads of numbers get in each other's way: NumPy's many short calls hand the interpreter's lock to and fro.
        Whoever calls from a thread of his own counts several frames at once already.
        """
        import polars as pl

        if current_thread() is not main_thread():
            return [work(name) for name in columns]
        texts = [name for name in columns if self._types[name] in (pl.String, pl.Categorical, pl.Enum)]
        if not texts or len(texts) == len(columns) or self._frame.height * len(texts) < _SMALL:
            return [work(name) for name in columns]
        with ThreadPoolExecutor(1) as aside:
            waiting = {name: aside.submit(work, name) for name in texts}
            done = {name: work(name) for name in columns if name not in waiting}
            return [waiting[name].result() if name in waiting else done[name] for name in columns]


class ParquetSource:
    """A Parquet file. Memory is bounded by a few batches of two columns, whatever the size of its row groups."""

    def __init__(self, path: Path) -> None:
        """Read the footer of *path*. Raises InputError where it is not a readable Parquet file."""
        import polars as pl
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._path = path
        try:
            with pq.ParquetFile(path) as file:
                self._footer = file.metadata
                schema = file.schema_arrow
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{path} cannot be read as Parquet: {quote(str(error))}.") from error
        self._types = dict(pl.DataFrame(schema.empty_table()).schema)
        self._texts = [name for name, dtype in self._types.items() if dtype == pl.String]

    @property
    def rows(self) -> int:
        """The number of rows."""
        return int(self._footer.num_rows)

    @property
    def types(self) -> dict[str, pl.DataType]:
        """The columns in order, with their types."""
        return self._types

    def parts(self, column: str) -> Iterator[pl.Series]:
        """The column, batch by batch."""
        import polars as pl

        with self._open(column) as file:
            for batch in file.iter_batches(BATCH, columns=[column], use_threads=False):
                yield pl.Series(column, batch.column(0))

    def together(self, column: str) -> Iterator[Sequence[pl.Series]]:
        """One batch at a time."""
        for part in self.parts(column):
            yield (part,)

    def hashes(self, seeds: Mapping[str, int]) -> dict[str, pl.Series]:
        """None: the columns are not in memory."""
        del seeds
        return {}

    def frame(self) -> pl.DataFrame:
        """The whole file in memory."""
        import polars as pl

        return pl.read_parquet(self._path)

    def each(self, work: Callable[[str], _ANSWER], columns: Sequence[str]) -> list[_ANSWER]:
        """Two columns at a time."""
        with ThreadPoolExecutor(min(_WORKERS, os.cpu_count() or 1)) as pool:
            return list(pool.map(work, columns))

    def _open(self, column: str) -> pq.ParquetFile:
        import pyarrow.parquet as pq

        dictionary = [column] if column in self._texts else None
        return pq.ParquetFile(self._path, metadata=self._footer, read_dictionary=dictionary, pre_buffer=False)


def source_of(table: Any) -> Source:
    """A source for *table*: a Parquet path is streamed, any other path is read whole, a frame is taken as it is.

    Raises InputError or NotFound as :func:`mainspring.data.read` does.
    """
    if isinstance(table, str | Path):
        path = Path(table)
        if path.is_file() and _is_parquet(path):
            return ParquetSource(path)
        from mainspring.data.read import read

        return FrameSource(read(table))
    return FrameSource(as_frame(table))


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"
