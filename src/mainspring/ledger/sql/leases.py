"""Leases over SQL."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from mainspring.core.errors import InputError, Refused
from mainspring.ledger.ports.leases import Lease
from mainspring.ledger.sql.audit import append_entry
from mainspring.ledger.sql.codec import from_micros, to_micros

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from mainspring.core.clock import Clock
    from mainspring.ledger.ports.leases import Leases
    from mainspring.ledger.sql.session import Session

_MICRO = 1_000_000


class _Row(NamedTuple):
    """``seen``: the latest time met with this lease; ``span`` how long it was given for; ``beat`` counts renewals."""

    holder: str
    token: int
    expires: int
    seen: int
    span: int
    beat: int


class _Still(NamedTuple):
    """Since when, by a counter that nobody sets, this process has seen the lease unchanged."""

    token: int
    beat: int
    since: float


class SqlLeases:
    """See the port `mainspring.ledger.ports.leases.Leases`."""

    def __init__(
        self, session: Session, *, clock: Clock, actor: str, counter: Callable[[], float] = time.monotonic
    ) -> None:
        """Take times from *clock*, spans of waiting from *counter* (seconds)."""
        self._session = session
        self._clock = clock
        self._actor = actor
        self._counter = counter
        self._still: dict[str, _Still] = {}

    def acquire(self, name: str, holder: str, seconds: float) -> Lease | None:
        """Take the lease."""
        span = _span(name, seconds)

        def write(connection: Connection) -> Lease | None:
            row = _row(connection, name)
            now = self._now(row)
            if row is not None and row.expires > now and not self._stands_still(name, row):
                return None
            if row is not None and row.expires > 0:
                self._tell(connection, name, row, holder)
            token = 1 if row is None else row.token + 1
            connection.exec_driver_sql(
                "INSERT INTO leases (name, holder, token, expires, seen, span, beat) VALUES (?, ?, ?, ?, ?, ?, 0) "
                "ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, token = excluded.token, "
                "expires = excluded.expires, seen = excluded.seen, span = excluded.span, beat = 0",
                (name, holder, token, now + span, now, span),
            )
            return Lease(name=name, holder=holder, token=token, expires=from_micros(now + span))

        return self._session.write(write)

    def renew(self, lease: Lease, seconds: float) -> Lease | None:
        """Hold it longer."""
        span = _span(lease.name, seconds)

        def write(connection: Connection) -> Lease | None:
            row = _row(connection, lease.name)
            if row is None or row.token != lease.token or row.expires == 0:
                return None
            now = self._now(row)
            connection.exec_driver_sql(
                "UPDATE leases SET expires = ?, seen = ?, span = ?, beat = beat + 1 WHERE name = ?",
                (now + span, now, span, lease.name),
            )
            return Lease(name=lease.name, holder=row.holder, token=row.token, expires=from_micros(now + span))

        return self._session.write(write)

    def release(self, lease: Lease) -> None:
        """Give it back."""

        def write(connection: Connection) -> None:
            row = _row(connection, lease.name)
            if row is not None and row.token == lease.token:
                # the token stays, for the next one's must be higher
                connection.exec_driver_sql(
                    "UPDATE leases SET expires = 0, seen = ? WHERE name = ?", (self._now(row), lease.name)
                )

        self._session.write(write)

    def current(self, name: str) -> Lease | None:
        """Who holds it."""
        row = self._session.read(lambda connection: _row(connection, name))
        if row is None or row.expires <= self._now(row):
            return None
        return Lease(name=name, holder=row.holder, token=row.token, expires=from_micros(row.expires))

    def _now(self, row: _Row | None) -> int:
        """The time in microseconds, which never goes back behind what was met with this lease."""
        now = to_micros(self._clock.now())
        return now if row is None else max(now, row.seen)

    def _stands_still(self, name: str, row: _Row) -> bool:
        """Whether this process has watched the lease for as long as it was given, and nobody renewed it."""
        seen = self._still.get(name)
        if seen is None or (seen.token, seen.beat) != (row.token, row.beat):
            self._still[name] = _Still(row.token, row.beat, self._counter())
            return False
        return (self._counter() - seen.since) * _MICRO >= row.span

    def _tell(self, connection: Connection, name: str, row: _Row, holder: str) -> None:
        """A holder that did not give its lease back died or hung, which is worth an entry; the usual rounds are not."""
        detail = {"from": row.holder, "to": holder, "token": row.token + 1}
        append_entry(
            connection, actor=self._actor, action="lease.take", subject=f"leases/{name}", detail=detail,
            at=self._clock.now(),
        )  # fmt: skip


def check_fence(connection: Connection, fence: tuple[str, int]) -> None:
    """Raise Refused where the lease's token is not that of *fence* any more; within the transaction it guards."""
    name, token = fence
    row = _row(connection, name)
    if row is None or row.token < token:
        raise Refused(f"The lease {name} was never given with token {token}; acquire it first.")
    if row.token > token:
        raise Refused(
            f"The lease {name} went to {row.holder} (token {row.token}; this is token {token}): nothing was written. "
            "Stop this work; the new holder goes on with it."
        )


def _span(name: str, seconds: float) -> int:
    if not 0 < seconds < timedelta.max.total_seconds() / 1000:
        raise InputError(f"Expected a positive number of seconds for the lease {name}, got {seconds}.")
    return round(seconds * _MICRO)


def _row(connection: Connection, name: str) -> _Row | None:
    row = connection.exec_driver_sql(
        "SELECT holder, token, expires, seen, span, beat FROM leases WHERE name = ?", (name,)
    ).first()
    return None if row is None else _Row(*row)


if TYPE_CHECKING:

    def _fits(leases: SqlLeases) -> Leases:
        return leases
