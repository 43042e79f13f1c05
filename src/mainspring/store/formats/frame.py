"""Tables as Parquet, cut where the content says so, so that the tenth version costs what changed.

Parquet's content-defined chunking keeps the pages around a change as they were; the store's own chunks then coincide.
Rows keep their order: a table in another order is another value and shares nothing.
"""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

from mainspring.core.errors import PipelineError
from mainspring.store.formats import plain
from mainspring.store.formats.plain import no_leaf
from mainspring.store.formats.registry import record_class

if TYPE_CHECKING:
    from collections.abc import Mapping

_PART = "table.parquet"
_LABELS = "labels.json"

PAGES = {"min_chunk_size": 16 * 1024, "max_chunk_size": 64 * 1024, "norm_level": 0}
"""Bytes of a column's values in one page: small, so that a change costs little."""
ROW_GROUP = 1024 * 1024
"""Rows in one row group."""


def to_parquet(table: Any) -> bytes:
    """The Arrow *table* as Parquet. Equal tables give equal bytes, however they were chunked in memory.

    Without dictionaries: theirs are in the order of first appearance, so that one early change would rewrite every page
    after it (of a table of 780,000 x 32, ten versions with 1 % changed each cost 284 MB with them and 199 MB without).
    Whole numbers and texts are stored as differences and lengths instead, which is as small and keeps pages apart.
    """
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(
        table.combine_chunks(),
        sink,
        compression="zstd",
        compression_level=1,
        row_group_size=ROW_GROUP,
        use_content_defined_chunking=PAGES,
        use_dictionary=False,
        column_encoding=_encodings(table.schema),
    )
    return sink.getvalue()


def _encodings(schema: Any) -> dict[str, str]:
    import pyarrow.types as kinds

    found: dict[str, str] = {}
    for field in schema:
        if kinds.is_integer(field.type) or kinds.is_temporal(field.type):
            found[field.name] = "DELTA_BINARY_PACKED"
        elif kinds.is_string(field.type) or kinds.is_large_string(field.type):
            found[field.name] = "DELTA_LENGTH_BYTE_ARRAY"
    return found


class PolarsFrame:
    """A Polars frame."""

    def dump(self, value: Any) -> Mapping[str, bytes]:
        """One Parquet file. Raises PipelineError for a column of Python objects."""
        import polars as pl

        objects = [name for name, kind in value.schema.items() if pl.Object in _nested(kind)]
        if objects:
            raise PipelineError(
                f"The column {objects[0]!r} of a table holds Python objects, which cannot be stored: "
                "cast it to a type of its own."
            )
        if value.width == 0 or any({pl.Int128, pl.UInt128} & set(_nested(kind)) for kind in value.schema.values()):
            sink = io.BytesIO()  # Arrow has no such type, and no rows without columns; Polars writes both, but uncut
            value.write_parquet(sink)
            return {_PART: sink.getvalue()}
        return {_PART: to_parquet(value.rechunk().to_arrow())}

    def load(self, parts: Mapping[str, bytes]) -> Any:
        """The frame."""
        import polars as pl

        return pl.read_parquet(parts[_PART])

    def describe(self, value: Any) -> dict[str, Any]:
        """Rows, columns and their types."""
        return {"rows": value.height, "columns": {name: str(kind) for name, kind in value.schema.items()}}


def _nested(kind: Any) -> list[Any]:
    """The Polars type and every type inside it, by their classes."""
    inner = [field.dtype for field in getattr(kind, "fields", ())]
    inner += [kind.inner] if getattr(kind, "inner", None) is not None else []
    return [kind.base_type(), *(each for one in inner for each in _nested(one))]


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
    """A pandas frame or series with its index. Labels of columns may be numbers, dates or tuples, and may repeat."""

    def dump(self, value: Any) -> Mapping[str, bytes]:
        """One Parquet file and the labels. Raises PipelineError naming a column of mixed Python objects."""
        import pandas as pd
        import pyarrow as pa

        frame = value.to_frame() if isinstance(value, pd.Series) else value
        labels = [value.name] if isinstance(value, pd.Series) else list(frame.columns)
        named = frame.set_axis([str(number) for number in range(len(labels))], axis="columns")
        try:
            table = pa.Table.from_pandas(named, preserve_index=None)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise PipelineError(_mixed(frame, labels, error)) from None
        form = {"series": value.ndim == 1, "names": list(frame.columns.names), "labels": labels}
        try:
            encoded = plain.encode(form, lambda _: None)
        except plain.NotStorable as error:
            raise PipelineError(
                f"A pandas column is labelled with a {type(error.value).__name__}, which cannot be stored: use text."
            ) from None
        return {_PART: to_parquet(table), _LABELS: json.dumps(encoded, separators=(",", ":")).encode()}

    def load(self, parts: Mapping[str, bytes]) -> Any:
        """The frame or series."""
        import pandas as pd
        import pyarrow.parquet as pq

        frame = pq.read_table(io.BytesIO(parts[_PART])).to_pandas()
        form = plain.decode(json.loads(parts[_LABELS]), no_leaf, record_class)
        if form["series"]:
            return frame.iloc[:, 0].rename(form["labels"][0])
        several = len(form["names"]) > 1
        frame.columns = (
            pd.MultiIndex.from_tuples(form["labels"], names=form["names"])
            if several
            else pd.Index(form["labels"], name=form["names"][0], tupleize_cols=False)
        )
        return frame

    def describe(self, value: Any) -> dict[str, Any]:
        """Rows, columns and their types."""
        frame = value.to_frame() if value.ndim == 1 else value
        return {"rows": len(frame), "columns": {str(name): str(kind) for name, kind in frame.dtypes.items()}}


def _mixed(frame: Any, labels: list[Any], error: Exception) -> str:
    """The message for a column that Arrow cannot take; the error names it by its number."""
    number = str(error).rpartition("column ")[2].split(" ")[0]
    column = repr(labels[int(number)]) if number.isdigit() and int(number) < len(labels) else "one"
    return (
        f"The column {column} of a pandas frame mixes Python objects, which cannot be stored: "
        "make it one type, for instance with .astype(str)."
    )


POLARS = PolarsFrame()
SERIES = PolarsSeries()
ARROW = ArrowTable()
PANDAS = PandasFrame()
