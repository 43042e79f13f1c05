"""A segment: some rows of the log, or of its labels, as one Parquet file in the store."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from mainspring.ledger.ports import Segment

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from mainspring.ledger.ports.segments import SegmentKind
    from mainspring.store import Store

ROWS = 125_000
"""No segment has more rows, so that whoever reads one whole knows what memory that takes."""
ROW_GROUP = 65_536
TIME_OF: dict[SegmentKind, str] = {"predictions": "time", "labels": "about"}
"""The column that says when a row was, by which segments are found."""


def write(store: Store, rows: pl.DataFrame, *, model: str, kind: SegmentKind, source: str, sequence: int) -> Segment:
    """Store the *rows* (at least one), in the order of their time, and describe them. The ledger is not told yet."""
    time = TIME_OF[kind]
    ordered = in_order(rows, time)
    file = io.BytesIO()
    ordered.write_parquet(file, compression="zstd", compression_level=1, row_group_size=ROW_GROUP)
    data = file.getbuffer()
    return Segment(
        model=model,
        kind=kind,
        source=source,
        sequence=sequence,
        rows=rows.height,
        start=ordered[time][0],
        end=ordered[time][-1],
        digest=store.put(data, whole=True),
        bytes=len(data),
    )


def read(store: Store, segment: Segment, columns: list[str] | None = None) -> pl.DataFrame:
    """The rows of *segment*, verified; only those of *columns* that it has. Raises StoreError for damage."""
    return scan(store, segment.digest, columns).collect()


def scan(store: Store, digest: str, columns: list[str] | None = None) -> pl.LazyFrame:
    """The same, lazily where the file lies on a local disk."""
    import polars as pl

    path = store.lies_at(digest)
    found = pl.scan_parquet(path if path is not None else io.BytesIO(store.get(digest)), glob=False)
    if columns is None:
        return found
    present = set(found.collect_schema().names())
    return found.select([name for name in columns if name in present])


def pieces(rows: pl.DataFrame, *, by_hour: bool) -> Iterator[pl.DataFrame]:
    """The *rows* cut into what fits into one segment each; *by_hour* none crosses a full hour of its ``time``."""
    parts = [rows]
    hour = rows["time"].dt.truncate("1h") if by_hour and rows.height else None
    if hour is not None and hour.min() != hour.max():
        hours = rows.with_columns(hour.alias("__hour"))
        parts = hours.partition_by("__hour", include_key=False)
    for whole in parts:
        part = in_order(whole) if by_hour else whole
        for start in range(0, part.height, ROWS):
            yield part.slice(start, ROWS)


def in_order(rows: pl.DataFrame, time: str = "time") -> pl.DataFrame:
    """The *rows* in the order of their *time*; the very same where they are."""
    return rows if rows[time].is_sorted() else rows.sort(time, maintain_order=True)
