"""Tables as Parquet, cut where the content says so, so that the tenth version costs what changed.

Parquet's content-defined chunking keeps the pages around a change as they were; the store's own chunks then coincide.
Rows keep their order: a table in another order is another value and shares nothing.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_PART = "table.parquet"

PAGES = {"min_chunk_size": 16 * 1024, "max_chunk_size": 256 * 1024, "norm_level": 0}
"""Bytes of a column's values in one page: small, so that a change costs little; measured in the store's tests."""
ROW_GROUP = 1024 * 1024
"""Rows in one row group."""


def to_parquet(table: Any) -> bytes:
    """The Arrow *table* as Parquet. Equal tables give equal bytes, however they were chunked in memory."""
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(
        table.combine_chunks(),
        sink,
        compression="zstd",
        compression_level=1,
        row_group_size=ROW_GROUP,
        use_content_defined_chunking=PAGES,
        write_statistics=True,
        store_schema=True,
    )
    return sink.getvalue()


class PolarsFrame:
    """A Polars frame."""

    def dump(self, value: Any) -> Mapping[str, bytes]:
        """One Parquet file."""
        return {_PART: to_parquet(value.rechunk().to_arrow())}

    def load(self, parts: Mapping[str, bytes]) -> Any:
        """The frame."""
        import polars as pl

        return pl.read_parquet(parts[_PART])

    def describe(self, value: Any) -> dict[str, Any]:
        """Rows, columns and their types."""
        return {"rows": value.height, "columns": {name: str(kind) for name, kind in value.schema.items()}}


class PolarsSeries:
    """A Polars series: a frame of one column."""

    def dump(self, value: Any) -> Mapping[str, bytes]:
        """One Parquet file."""
        return POLARS.dump(value.to_frame())

    def load(self, parts: Mapping[str, bytes]) -> Any:
        """The series."""
        return POLARS.load(parts).to_series()

    def describe(self, value: Any) -> dict[str, Any]:
        """Rows and type."""
        return {"rows": len(value), "dtype": str(value.dtype)}


class ArrowTable:
    """An Arrow table; a record batch comes back as a table."""

    def dump(self, value: Any) -> Mapping[str, bytes]:
        """One Parquet file."""
        import pyarrow as pa

        return {_PART: to_parquet(pa.Table.from_batches([value]) if isinstance(value, pa.RecordBatch) else value)}

    def load(self, parts: Mapping[str, bytes]) -> Any:
        """The table."""
        import pyarrow.parquet as pq

        return pq.read_table(io.BytesIO(parts[_PART]))

    def describe(self, value: Any) -> dict[str, Any]:
        """Rows, columns and their types."""
        return {"rows": value.num_rows, "columns": {field.name: str(field.type) for field in value.schema}}


class PandasFrame:
    """A pandas frame or series with its index."""

    def dump(self, value: Any) -> Mapping[str, bytes]:
        """One Parquet file, and a mark for a series."""
        import pandas as pd
        import pyarrow as pa

        if isinstance(value, pd.Series):
            name = value.name if isinstance(value.name, str) else ""
            parts = self.dump(value.to_frame(name=name))
            return {**parts, "series": b"named" if value.name is not None else b""}
        return {_PART: to_parquet(pa.Table.from_pandas(value, preserve_index=None))}

    def load(self, parts: Mapping[str, bytes]) -> Any:
        """The frame or series."""
        import pyarrow.parquet as pq

        frame = pq.read_table(io.BytesIO(parts[_PART])).to_pandas()
        if "series" not in parts:
            return frame
        series = frame.iloc[:, 0]
        return series if parts["series"] else series.rename(None)

    def describe(self, value: Any) -> dict[str, Any]:
        """Rows, columns and their types."""
        frame = value.to_frame() if value.ndim == 1 else value
        return {"rows": len(frame), "columns": {str(name): str(kind) for name, kind in frame.dtypes.items()}}


POLARS = PolarsFrame()
SERIES = PolarsSeries()
ARROW = ArrowTable()
PANDAS = PandasFrame()
