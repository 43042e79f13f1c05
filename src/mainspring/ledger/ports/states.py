"""States: what long work remembers, so that it goes on where it was after a crash."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from mainspring.ledger.operation import Permission, operation


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A document of plain JSON values. ``revision`` is above every earlier one, deleted ones included."""

    kind: str
    key: str
    revision: int
    value: Any
    updated: datetime


class States(Protocol):
    """The documents of a workspace, by kind and key.

    A *fence* is the name and the token of a lease: Refused once somebody acquired that lease after this token, looked
    up in the transaction of the change. In a block of `Ledger.together` it guards whatever else is written there.
    """

    @operation(needs=Permission.READ)
    def get(self, kind: str, key: str) -> State | None:
        """The document, or None."""
        ...

    @operation(needs=Permission.WRITE)
    def put(
        self, kind: str, key: str, value: Any, *, expected: int | None = None, fence: tuple[str, int] | None = None
    ) -> State:
        """Write the document whole.

        Raises Refused where its revision is not the *expected* one any more (0: there is none; None: whatever there
        is), or where the *fence* has fallen.
        """
        ...

    @operation(needs=Permission.READ)
    def search(
        self,
        kind: str,
        prefix: str = "",
        *,
        since: str | None = None,
        until: str | None = None,
        limit: int | None = None,
    ) -> tuple[State, ...]:
        """The documents whose keys begin with *prefix*, with *since* ≤ key < *until*, by key.

        Keys are compared whole, as text by its code points: moments that are all written in one way are in order.
        """
        ...

    @operation(needs=Permission.WRITE)
    def delete(self, kind: str, key: str, *, expected: int | None = None, fence: tuple[str, int] | None = None) -> bool:
        """Remove the document; whether it was there. Raises Refused as `put` does."""
        ...
