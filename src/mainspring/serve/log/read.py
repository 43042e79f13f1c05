"""Reading the prediction log: lazily, in bounded memory, and only the segments of the time that is asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING

from mainspring.serve.log import segment, shape
from mainspring.serve.log.columns import TIME, as_types, dtype
from mainspring.serve.log.record import UNREAD

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    import polars as pl

    from mainspring.ledger.ports import Segment
    from mainspring.serve.log.record import Role
    from mainspring.serve.log.shape import Shape
    from mainspring.store import Store
    from mainspring.workspace import Workspace

ANSWERED: tuple[Role, ...] = ("champion", "canary")
"""The roles whose predictions were answers; a shadow's were not."""
ASKED: tuple[Role, ...] = (*ANSWERED, UNREAD)
"""The roles of all that was asked by somebody, also of what was turned away unread."""
BLOCK = 500_000
"""So many rows are joined with their labels at once."""
SLACK = timedelta(minutes=1)
"""An id is made at the time of its prediction, give or take this much."""
FOREIGN = datetime(1970, 1, 1, tzinfo=UTC)
"""The time under which labels lie whose id does not say when it was made."""
TOLERANCE = timedelta(days=30)
"""A label by entity and time belongs to no prediction that is older than this."""

_places: dict[tuple[str, str], tuple[Path, tuple[int, int, int] | None]] = {}
_guard = Lock()


class PredictionLog:
    """The log of one model in a workspace. What is in spools still is not seen; see `mainspring.serve.log.compact`."""

    def __init__(self, workspace: Workspace, model: str) -> None:
        """Read the log of *model*. One that has none reads as empty."""
        self._store = workspace.store
        self._ledger = workspace.ledger
        self.model = model
        self.by_id_alone: set[str] = set()
        """Segments in which every label names its prediction, as far as that is known."""

    @property
    def shape(self) -> Shape:
        """The columns of the log, and what its predictions are."""
        return shape.of(self._ledger, self.model)

    def segments(self, since: datetime | None = None, until: datetime | None = None) -> tuple[Segment, ...]:
        """The segments that may hold rows of *since* ≤ time < *until*, in the order of their beginnings."""
        found = self._ledger.segments.search(model=self.model, kind="predictions", since=since, until=until)
        return tuple(sorted(found, key=lambda each: (each.start, each.id)))

    def scan(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        columns: Sequence[str] | None = None,
        *,
        roles: Collection[Role] | None = None,
    ) -> pl.LazyFrame:
        """The logged rows of *since* ≤ time < *until*, as a lazy frame that streams: ``collect(engine="streaming")``.

        The columns are ``id``, ``time`` (UTC), ``version``, ``role``, ``entity``, ``prediction``, ``score.<class>``,
        ``x.<feature>``, ``latency_ms``, ``status``, ``flags`` and ``request``, or those of *columns*; features that a
        version did not have are null. Within a segment rows are in the order of time, and segments are in the order of
        their beginnings: where they overlap, so do their rows. Each file is verified once in a process.

        Raises StoreError for one that is damaged.
        """
        known = self.shape
        return _wanted(
            _scan(self._store, self.segments(since, until), known.columns, mixed=known.mixed),
            since,
            until,
            columns,
            roles,
        )

    def scan_segments(
        self,
        segments: Sequence[Segment],
        columns: Sequence[str],
        *,
        roles: Collection[Role] | None = None,
        known: Shape | None = None,
    ) -> pl.LazyFrame:
        """The rows of these segments; *known*: the log's shape, where the ledger need not be asked for it again."""
        known = known or self.shape
        return _wanted(_scan(self._store, segments, known.columns, mixed=known.mixed), None, None, columns, roles)

    def count(self, since: datetime | None = None, until: datetime | None = None) -> int:
        """How many rows there are, shadows and refused requests included. Reads only files that lie across an end."""
        inside, across = 0, []
        for each in self.segments(since, until):
            if (since is None or each.start >= since) and (until is None or each.end < until):
                inside += each.rows
            else:
                across.append(each)
        if across:
            import polars as pl

            known = self.shape
            rows = _scan(self._store, across, known.columns, mixed=known.mixed)
            inside += _wanted(rows, since, until, ["time"], None).select(pl.len()).collect(engine="streaming").item()
        return inside

    def labels(self, since: datetime | None = None, until: datetime | None = None) -> pl.LazyFrame:
        """Every label about *since* ≤ time < *until* that was taken, with those it corrected.

        ``id``, ``entity``, ``time``, ``label`` (text), ``received``, ``source``, ``about``: when the prediction was, as
        far as the label says.
        """
        return within(self.scan_labels(self.label_segments(since, until)), since, until, "about")

    def label_segments(self, since: datetime | None = None, until: datetime | None = None) -> tuple[Segment, ...]:
        """The segments that may hold labels about *since* ≤ time < *until*, in the order of their beginnings."""
        found = self._ledger.segments.search(model=self.model, kind="labels", since=since, until=until)
        return tuple(sorted(found, key=lambda each: each.start))

    def scan_labels(self, segments: Sequence[Segment]) -> pl.LazyFrame:
        """The labels in these segments, with those that they corrected; see :meth:`labels`."""
        return _scan(self._store, segments, label_columns(), mixed=False)

    def labelled(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        columns: Sequence[str] | None = None,
        *,
        roles: Collection[Role] = ANSWERED,
        tolerance: timedelta = TOLERANCE,
        unlabelled: bool = False,
    ) -> pl.LazyFrame:
        """The predictions of *since* ≤ time < *until* whose truth is known, with ``label`` and ``received``.

        The label has the type of ``prediction``. Of several labels of one prediction the one that came last counts. A
        label by entity and time belongs to the latest answered prediction of that entity at or before its time, none
        that is older than *tolerance*. With *unlabelled* predictions without a label are there too, with null.

        Streams in bounded memory for labels by id; labels by entity are held in memory.
        """
        from polars.io.plugins import register_io_source

        known = self.shape
        kind = dtype(known.label or "text")
        wanted = dict(known.columns) if columns is None else {name: known.columns[name] for name in columns}
        schema = {**wanted, "label": kind, "received": TIME}

        def source(
            with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
        ) -> Iterator[pl.DataFrame]:
            del batch_size
            left = n_rows
            for block in self._labelled_blocks(known, since, until, wanted, roles, tolerance, unlabelled=unlabelled):
                found = as_types(block, schema)
                found = found if predicate is None else found.filter(predicate)
                found = found if with_columns is None else found.select(with_columns)
                if left is not None:
                    found = found.head(left)
                    left -= found.height
                yield found
                if left == 0:
                    return

        return register_io_source(source, schema=schema)

    def _labelled_blocks(
        self,
        known: Shape,
        since: datetime | None,
        until: datetime | None,
        wanted: Mapping[str, pl.DataType],
        roles: Collection[Role],
        tolerance: timedelta,
        *,
        unlabelled: bool,
    ) -> Iterator[pl.DataFrame]:
        import polars as pl

        from mainspring.serve.log import truth

        labels = truth.Labels(self, known, since, until, tolerance=tolerance)
        for some in blocks(self.segments(since, until)):
            rows = _scan(self._store, some, known.columns, mixed=known.mixed)
            columns = list(dict.fromkeys(["id", *wanted]))
            found = _wanted(rows, since, until, columns, roles).collect(engine="streaming")
            if found.is_empty():
                continue
            first, last = min(each.start for each in some), max(each.end for each in some)
            beside = labels.beside(found, first, last)
            yield beside if unlabelled else beside.filter(pl.col("received").is_not_null())


def label_columns() -> dict[str, pl.DataType]:
    """The columns of the segments of labels."""
    import polars as pl

    text = pl.String()
    return {
        "id": text, "entity": text, "time": TIME, "label": text, "received": TIME, "source": text, "about": TIME,
    }  # fmt: skip


def blocks(segments: Sequence[Segment], rows: int = BLOCK) -> Iterator[list[Segment]]:
    """The *segments* in their order, taken together up to so many *rows*."""
    together: list[Segment] = []
    for each in segments:
        if together and sum(one.rows for one in together) + each.rows > rows:
            yield together
            together = []
        together.append(each)
    if together:
        yield together


def within(rows: pl.LazyFrame, since: datetime | None, until: datetime | None, time: str) -> pl.LazyFrame:
    """Those of *rows* with *since* ≤ *time* < *until*."""
    import polars as pl

    tests = [pl.col(time) >= since] if since else []
    tests += [pl.col(time) < until] if until else []
    return rows.filter(*tests) if tests else rows


def _wanted(
    rows: pl.LazyFrame,
    since: datetime | None,
    until: datetime | None,
    columns: Sequence[str] | None,
    roles: Collection[Role] | None,
) -> pl.LazyFrame:
    import polars as pl

    rows = within(rows, since, until, "time")
    rows = rows if roles is None else rows.filter(pl.col("role").is_in(list(roles)))
    return rows if columns is None else rows.select(columns)


def _scan(store: Store, segments: Sequence[Segment], types: Mapping[str, pl.DataType], *, mixed: bool) -> pl.LazyFrame:
    """The rows of all *segments* in exactly these columns."""
    import polars as pl

    if not segments:
        return pl.LazyFrame(schema=dict(types))
    places = [_place(store, each) for each in segments]
    paths = [place for place in places if place is not None]
    if not mixed and len(paths) == len(places):
        return pl.scan_parquet(
            paths, schema=dict(types), missing_columns="insert", extra_columns="ignore", glob=False,
            hive_partitioning=False,
        )  # fmt: skip
    parts = []
    for place, each in zip(places, segments, strict=True):
        part = segment.scan(store, each.digest) if place is None else pl.scan_parquet(place, glob=False)
        parts.append(_cast(part, types))
    return pl.concat(parts, how="vertical")


def _cast(rows: pl.LazyFrame, types: Mapping[str, pl.DataType]) -> pl.LazyFrame:
    import polars as pl

    present = rows.collect_schema()
    return rows.select(
        pl.col(name).cast(kind, strict=False) if name in present else pl.lit(None, kind).alias(name)
        for name, kind in types.items()
    )


def _place(store: Store, each: Segment) -> Path | None:
    """Where the file of a segment lies; it is verified, unless this process has done so since it was written."""
    key = (store.url, each.digest)
    with _guard:
        known = _places.get(key)
    if known is not None and _stamp(known[0]) == known[1]:
        return known[0]
    path = store.lies_at(each.digest)
    if path is not None:
        with _guard:
            _places[key] = (path, _stamp(path))
    return path


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
