"""Documents of long work over SQL.

A document's row is put in anew each time: its number, never used again, is the revision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mainspring.core.errors import Refused
from mainspring.ledger.ports.states import State
from mainspring.ledger.sql.codec import from_json, from_micros, to_json, to_micros
from mainspring.ledger.sql.leases import check_fence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from mainspring.core.clock import Clock
    from mainspring.ledger.ports.states import States
    from mainspring.ledger.sql.session import Session

_SELECT = "SELECT kind, key, revision, value, updated FROM states WHERE kind = ?"


class SqlStates:
    """See the port `mainspring.ledger.ports.states.States`."""

    def __init__(self, session: Session, *, clock: Clock) -> None:
        """Write at the time of *clock*."""
        self._session = session
        self._clock = clock

    def get(self, kind: str, key: str) -> State | None:
        """The document."""
        return self._session.read(lambda connection: _get(connection, kind, key))

    def put(
        self, kind: str, key: str, value: Any, *, expected: int | None = None, fence: tuple[str, int] | None = None
    ) -> State:
        """Write the document whole."""
        text = to_json(value)

        def write(connection: Connection) -> State:
            _take_out(connection, kind, key, expected, fence)
            now = to_micros(self._clock.now())
            revision = connection.exec_driver_sql(
                "INSERT INTO states (kind, key, value, updated) VALUES (?, ?, ?, ?) RETURNING revision",
                (kind, key, text, now),
            ).scalar_one()
            return _state((kind, key, revision, text, now))

        return self._session.write(write)

    def search(
        self,
        kind: str,
        prefix: str = "",
        *,
        since: str | None = None,
        until: str | None = None,
        limit: int | None = None,
    ) -> tuple[State, ...]:
        """The documents whose keys begin with *prefix* and lie between the two."""
        # one lower and one upper bound, for the index is walked between those
        low, high = max(prefix, since or ""), [] if until is None else [until]
        tests = "AND key >= ? AND substr(key, 1, ?) = ?" + " AND key < ?" * len(high)
        statement = f"{_SELECT} {tests} ORDER BY key LIMIT ?"
        values = (kind, low, len(prefix), prefix, *high, -1 if limit is None else limit)
        return self._session.read(lambda connection: tuple(map(_state, connection.exec_driver_sql(statement, values))))

    def delete(self, kind: str, key: str, *, expected: int | None = None, fence: tuple[str, int] | None = None) -> bool:
        """Remove the document."""
        return self._session.write(lambda connection: _take_out(connection, kind, key, expected, fence))


def _take_out(connection: Connection, kind: str, key: str, expected: int | None, fence: tuple[str, int] | None) -> bool:
    """Delete the row if the fence stands and the revision is the expected one; whether it was there."""
    if fence is not None:
        check_fence(connection, fence)
    if expected is not None:
        found = _get(connection, kind, key)
        revision = found.revision if found else 0
        if revision != expected:
            raise Refused(
                f"The {kind} {key} is at revision {revision} by now, not {expected}: someone was faster. Look again."
            )
    return connection.exec_driver_sql("DELETE FROM states WHERE kind = ? AND key = ?", (kind, key)).rowcount > 0


def _get(connection: Connection, kind: str, key: str) -> State | None:
    row = connection.exec_driver_sql(f"{_SELECT} AND key = ?", (kind, key)).first()
    return None if row is None else _state(row)


def _state(row: Sequence[Any]) -> State:
    return State(kind=row[0], key=row[1], revision=row[2], value=from_json(row[3]), updated=from_micros(row[4]))


if TYPE_CHECKING:

    def _fits(states: SqlStates) -> States:
        return states
