"""Segments of the prediction log over SQL. One that is gone keeps its row for a day, so that nobody adds it again."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, get_args

from mainspring.core.errors import InputError, Refused, listed, quote
from mainspring.ledger.ports.segments import Segment, SegmentKind
from mainspring.ledger.sql.audit import append_entry
from mainspring.ledger.sql.codec import from_micros, to_micros

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from mainspring.core.clock import Clock
    from mainspring.ledger.ports.segments import Segments
    from mainspring.ledger.sql.session import Session

_SELECT = "SELECT id, model, kind, source, sequence, rows, first_row, last_row, digest, bytes, gone FROM segments"
_GONE = 10
"""The place in a row of the time when the segment was replaced or deleted."""
_KNOWN = timedelta(days=1)
"""So long the name of a segment that is gone is known. Who adds segments remembers itself how far it was, and each
adds many a day: kept for ever, their rows would outgrow all else that there is."""


class SqlSegments:
    """See the port `mainspring.ledger.ports.segments.Segments`."""

    def __init__(self, session: Session, *, clock: Clock, actor: str) -> None:
        """Write as *actor* at the time of *clock*."""
        self._session = session
        self._clock = clock
        self._actor = actor

    def add(self, *segments: Segment) -> tuple[Segment, ...]:
        """Add them all."""
        for each in segments:
            _check(each)
        return self._session.write(lambda connection: tuple(_add(connection, each) for each in segments))

    def search(
        self,
        *,
        model: str | None = None,
        kind: SegmentKind | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        after: int = 0,
        limit: int | None = None,
    ) -> tuple[Segment, ...]:
        """The segments that may hold such rows."""
        wanted: dict[str, Any] = {
            "model = ?": model,
            "kind = ?": kind,
            "last_row >= ?": None if since is None else to_micros(since),
            "first_row < ?": None if until is None else to_micros(until),
        }
        given = {test: value for test, value in wanted.items() if value is not None}
        tests = " AND ".join(("gone IS NULL", "id > ?", *given))
        statement = f"{_SELECT} WHERE {tests} ORDER BY id LIMIT ?"
        values = (after, *given.values(), -1 if limit is None else limit)
        return self._session.read(
            lambda connection: tuple(map(_segment, connection.exec_driver_sql(statement, values)))
        )

    def replace(self, ids: Sequence[int], segment: Segment) -> Segment:
        """Let one segment stand for several."""
        wanted = sorted(set(ids))
        if not wanted:
            raise InputError("Expected the ids of segments to replace, got none.")
        _check(segment)

        def write(connection: Connection) -> Segment:
            found = _several(connection, wanted)
            present = [row for row in found if row[_GONE] is None]
            made = _by_name(connection, segment)
            if made is not None and not present:
                return _same(made, segment)
            if len(present) < len(wanted):
                missing = sorted(set(wanted) - {row[0] for row in present})
                raise Refused(f"Gone already: segments {listed(map(str, missing))}. Someone was faster; look again.")
            strange = {(row[1], row[2]) for row in present} - {(segment.model, segment.kind)}
            if strange:
                raise InputError(
                    f"A segment of {segment.model}'s {segment.kind} cannot stand for "
                    f"{listed(f'{model}’s {kind}' for model, kind in sorted(strange))}."
                )
            if made is not None:
                raise InputError(f"{_called(segment)} is there already; give the segment another sequence.")
            now = self._clock.now()
            _bury(connection, wanted, now)
            put = _add(connection, segment)
            self._audit(connection, "segments.replace", segment.model, {"ids": wanted, "by": put.id}, now)
            return put

        return self._session.write(write)

    def delete(self, ids: Sequence[int]) -> tuple[str, ...]:
        """Forget these segments."""
        wanted = sorted(set(ids))

        def write(connection: Connection) -> tuple[str, ...]:
            present = [row for row in _several(connection, wanted) if row[_GONE] is None]
            now = self._clock.now()
            _bury(connection, [row[0] for row in present], now)
            for model in sorted({row[1] for row in present}):
                its = [row for row in present if row[1] == model]
                told = {"ids": [row[0] for row in its], "rows": sum(row[5] for row in its)}
                self._audit(connection, "segments.delete", model, told, now)
            return tuple(
                digest
                for digest in dict.fromkeys(str(row[8]) for row in present)
                if connection.exec_driver_sql(
                    "SELECT 1 FROM segments WHERE digest = ? AND gone IS NULL LIMIT 1", (digest,)
                ).first()
                is None
            )

        return self._session.write(write)

    def _audit(self, connection: Connection, action: str, model: str, detail: dict[str, Any], at: datetime) -> None:
        append_entry(connection, actor=self._actor, action=action, subject=f"segments/{model}", detail=detail, at=at)


def _check(segment: Segment) -> None:
    kinds = get_args(SegmentKind)
    if segment.kind not in kinds:
        raise InputError(f"Expected a segment of {' or '.join(kinds)}, got {quote(segment.kind)}.")
    if segment.rows < 1 or segment.bytes < 0:
        raise InputError(f"{_called(segment)} has {segment.rows} rows in {segment.bytes} bytes; leave out empty ones.")
    if segment.end < segment.start:
        raise InputError(f"{_called(segment)} ends at {segment.end}, before it starts at {segment.start}.")


def _add(connection: Connection, segment: Segment) -> Segment:
    found = _by_name(connection, segment)
    if found is not None:
        return _same(found, segment)
    connection.exec_driver_sql(
        "INSERT INTO segments (model, kind, source, sequence, rows, first_row, last_row, digest, bytes) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            segment.model, segment.kind, segment.source, segment.sequence, segment.rows, to_micros(segment.start),
            to_micros(segment.end), segment.digest, segment.bytes,
        ),
    )  # fmt: skip
    added = _by_name(connection, segment)
    assert added is not None  # noqa: S101  # it has just been put in, in this transaction
    return _segment(added)


def _by_name(connection: Connection, segment: Segment) -> Sequence[Any] | None:
    return connection.exec_driver_sql(
        f"{_SELECT} WHERE model = ? AND kind = ? AND source = ? AND sequence = ?",
        (segment.model, segment.kind, segment.source, segment.sequence),
    ).first()


def _same(row: Sequence[Any], segment: Segment) -> Segment:
    """The segment of this name, which must be about the same rows; its bytes may have been written otherwise."""
    found = _segment(row)
    if (found.rows, row[6], row[7]) != (segment.rows, to_micros(segment.start), to_micros(segment.end)):
        raise InputError(
            f"{_called(segment)} was added with {found.rows:,} rows from {found.start} to {found.end}, and comes again "
            f"with {segment.rows:,} from {segment.start} to {segment.end}. Give each file a sequence of its own."
        )
    return found


def _called(segment: Segment) -> str:
    return f"The segment {segment.source}/{segment.sequence} of {segment.model}'s {segment.kind}"


def _several(connection: Connection, ids: Iterable[int]) -> list[Sequence[Any]]:
    rows = (connection.exec_driver_sql(f"{_SELECT} WHERE id = ?", (each,)).first() for each in ids)
    return [row for row in rows if row is not None]


def _bury(connection: Connection, ids: Sequence[int], at: datetime) -> None:
    now = to_micros(at)
    for each in ids:
        connection.exec_driver_sql("UPDATE segments SET gone = ? WHERE id = ?", (now, each))
    # the last one stays: its id must not be given to another
    connection.exec_driver_sql(
        "DELETE FROM segments WHERE gone < ? AND id < (SELECT max(id) FROM segments)", (to_micros(at - _KNOWN),)
    )


def _segment(row: Sequence[Any]) -> Segment:
    return Segment(
        id=row[0], model=row[1], kind=row[2], source=row[3], sequence=row[4], rows=row[5], start=from_micros(row[6]),
        end=from_micros(row[7]), digest=row[8], bytes=row[9],
    )  # fmt: skip


if TYPE_CHECKING:

    def _fits(segments: SqlSegments) -> Segments:
        return segments
