"""The audit trail over SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mainspring.core.digest import digest_text
from mainspring.ledger.ports.audit import AuditEntry, Tampering
from mainspring.ledger.sql.codec import from_json, from_micros, to_json, to_micros

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from mainspring.core.clock import Clock
    from mainspring.ledger.ports.audit import Audit
    from mainspring.ledger.sql.session import Session

_SELECT = "SELECT number, time, actor, action, subject, detail, previous, digest FROM audit"


class SqlAudit:
    """See the port `mainspring.ledger.ports.audit.Audit`."""

    def __init__(self, session: Session, *, clock: Clock, actor: str) -> None:
        """Write as *actor* at the time of *clock*."""
        self._session = session
        self._clock = clock
        self._actor = actor

    def append(self, action: str, subject: str, *, detail: Mapping[str, Any] | None = None) -> AuditEntry:
        """Add an entry."""
        return self._session.write(
            lambda connection: append_entry(
                connection, actor=self._actor, action=action, subject=subject, detail=detail or {}, at=self._clock.now()
            )
        )

    def entries(
        self, *, subject: str | None = None, after: int = 0, limit: int | None = None
    ) -> tuple[AuditEntry, ...]:
        """The entries from number *after* + 1 on."""
        statement = f"{_SELECT} WHERE number > ? AND (? IS NULL OR subject = ?) ORDER BY number LIMIT ?"
        values = (after, subject, subject, -1 if limit is None else limit)
        return self._session.read(lambda connection: tuple(map(_entry, connection.exec_driver_sql(statement, values))))

    def head(self) -> AuditEntry | None:
        """The last entry."""

        def fetch(connection: Connection) -> AuditEntry | None:
            row = connection.exec_driver_sql(f"{_SELECT} ORDER BY number DESC LIMIT 1").first()
            return None if row is None else _entry(row)

        return self._session.read(fetch)

    def verify(self, *, head: str | None = None) -> Tampering | None:
        """Check every entry."""

        def check(connection: Connection) -> Tampering | None:
            previous, number, met = "", 0, head is None
            for row in connection.exec_driver_sql(f"{_SELECT} ORDER BY number"):
                number += 1
                if row[0] != number:
                    return Tampering(number=number, reason=f"entry {number} is missing; the next one is {row[0]}")
                if row[6] != previous:
                    return Tampering(number=number, reason=f"entry {number} does not follow the entry before it")
                if _digest(row[0], row[1], row[2], row[3], row[4], row[5], row[6]) != row[7]:
                    return Tampering(number=number, reason=f"entry {number} was changed after it was written")
                previous = row[7]
                met = met or previous == head
            if not met:
                return Tampering(number=number, reason="the trail does not hold the given head: its end was cut off")
            return None

        return self._session.read(check)


def append_entry(
    connection: Connection, *, actor: str, action: str, subject: str, detail: Mapping[str, Any], at: datetime
) -> AuditEntry:
    """Add an entry within the transaction that makes the change."""
    last = connection.exec_driver_sql("SELECT number, digest FROM audit ORDER BY number DESC LIMIT 1").first()
    number, previous = (1, "") if last is None else (last[0] + 1, last[1])
    text, moment = to_json(detail), to_micros(at)
    digest = _digest(number, moment, actor, action, subject, text, previous)
    connection.exec_driver_sql(
        "INSERT INTO audit (number, time, actor, action, subject, detail, previous, digest) VALUES "
        "(?, ?, ?, ?, ?, ?, ?, ?)",
        (number, moment, actor, action, subject, text, previous, digest),
    )
    return _entry((number, moment, actor, action, subject, text, previous, digest))


def _digest(number: int, time: int, actor: str, action: str, subject: str, detail: str, previous: str) -> str:
    # JSON keeps the fields apart: no two different entries have the same text
    return digest_text(to_json([number, time, actor, action, subject, detail, previous]))


def _entry(row: Sequence[Any]) -> AuditEntry:
    return AuditEntry(
        number=row[0], time=from_micros(row[1]), actor=row[2], action=row[3], subject=row[4], detail=from_json(row[5]),
        previous=row[6], digest=row[7],
    )  # fmt: skip


if TYPE_CHECKING:

    def _fits(audit: SqlAudit) -> Audit:
        return audit
