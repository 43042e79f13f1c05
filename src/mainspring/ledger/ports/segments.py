"""Segments: the files of the prediction log and of its labels, which lie in the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, TypeAlias

from mainspring.ledger.operation import Permission, operation

SegmentKind: TypeAlias = Literal["predictions", "labels"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One file of the log of ``model``, ``digest`` in the store, of ``bytes`` bytes.

    ``start`` and ``end`` are the times of its first and its last row, both of them in it. ``source`` says who wrote
    the rows (a worker, an import) and ``sequence`` which of that source's files this is: together with model and kind
    they name the segment, so that telling of it twice counts once. ``id`` is given by the ledger and rises.
    """

    id: int = 0
    model: str
    kind: SegmentKind
    source: str
    sequence: int
    rows: int
    start: datetime
    end: datetime
    digest: str
    bytes: int


class Segments(Protocol):
    """What the prediction log of a workspace consists of. The digests of its segments are live for the store."""

    @operation(needs=Permission.WRITE)
    def add(self, *segments: Segment) -> tuple[Segment, ...]:
        """Add them all in one transaction; their ids are not looked at. Gives them, in order, with the ids they have.

        One that was added before, by name, stays as it was, for at least a day also where it has been replaced or
        deleted since: rows that were taken in once are not taken in again. Raises InputError for one of that name with
        other rows or times, for then rows would be lost, and for one that ends before it starts or has no rows.
        """
        ...

    @operation(needs=Permission.READ)
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
        """The segments that may hold rows of *since* ≤ time < *until*, with ids above *after*; the lowest ids first."""
        ...

    @operation(needs=Permission.WRITE)
    def replace(self, ids: Sequence[int], segment: Segment) -> Segment:
        """Let one segment stand for those of *ids*, in one transaction; the second time changes nothing.

        Raises Refused where one of them is there no more, InputError where they are of several models or kinds.
        """
        ...

    @operation(needs=Permission.ADMIN)
    def delete(self, ids: Sequence[int]) -> tuple[str, ...]:
        """Forget these segments, and whatever of *ids* is there no more. Gives the digests no segment refers to now."""
        ...
