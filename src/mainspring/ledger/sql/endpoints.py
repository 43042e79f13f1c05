"""Traffic rules over SQL."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.core.errors import InputError, Refused
from mainspring.ledger.ports.endpoints import CHAMPION, Live, Traffic
from mainspring.ledger.sql.audit import append_entry
from mainspring.ledger.sql.codec import from_micros, to_json, to_micros
from mainspring.ledger.sql.models import require_versions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from mainspring.core.clock import Clock
    from mainspring.ledger.ports.endpoints import Endpoints
    from mainspring.ledger.sql.session import Session

_COLUMNS = "model, shadow, canary, percent, revision, time, actor, reason"
_SELECT = f"SELECT {_COLUMNS} FROM traffic WHERE model = ?"
_LATEST = f"{_SELECT} ORDER BY revision DESC LIMIT 1"
# both numbers only ever rise, each by a change of its own: so their sum rises with every change, also one back
_LIVE = f"""
    SELECT
        (SELECT version FROM aliases WHERE name = ? AND alias = '{CHAMPION}'),
        coalesce((SELECT max(id) FROM transitions WHERE name = ? AND alias = '{CHAMPION}'), 0) + coalesce(t.id, 0),
        {_COLUMNS}
    FROM (SELECT 1) LEFT JOIN (
        SELECT id, {_COLUMNS} FROM traffic WHERE model = ? ORDER BY revision DESC LIMIT 1
    ) t ON 1
"""


class SqlEndpoints:
    """See the port `mainspring.ledger.ports.endpoints.Endpoints`."""

    def __init__(self, session: Session, *, clock: Clock, actor: str) -> None:
        """Write as *actor* at the time of *clock*."""
        self._session = session
        self._clock = clock
        self._actor = actor

    def get(self, model: str) -> Traffic | None:
        """The rule in force."""
        return self._session.read(lambda connection: _latest(connection, model))

    def set(
        self,
        model: str,
        *,
        shadow: Sequence[int] = (),
        canary: int | None = None,
        percent: float = 0.0,
        reason: str = "",
        expected: int | None = None,
        at: datetime | None = None,
    ) -> Traffic:
        """Put a rule into force."""
        listeners = tuple(shadow)
        _check(listeners, canary, percent)
        moment = at or self._clock.now()

        def write(connection: Connection) -> Traffic:
            require_versions(connection, model, [*listeners, *([] if canary is None else [canary])])
            before = _latest(connection, model)
            found = before.revision if before else 0
            if expected not in {None, found}:
                raise Refused(
                    f"The traffic of {model} is at revision {found} by now, not {expected}: someone was faster. "
                    "Look again."
                )
            made = Traffic(
                model=model, shadow=listeners, canary=canary, percent=float(percent), revision=found + 1,
                updated=moment, actor=self._actor, reason=reason,
            )  # fmt: skip
            connection.exec_driver_sql(
                f"INSERT INTO traffic ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    model, to_json(listeners), canary, made.percent, made.revision, to_micros(moment), self._actor,
                    reason,
                ),
            )  # fmt: skip
            rule = {"shadow": listeners, "canary": canary, "percent": made.percent, "revision": made.revision}
            append_entry(
                connection, actor=self._actor, action="endpoint.traffic", subject=f"endpoints/{model}",
                detail={**rule, "reason": reason}, at=moment,
            )  # fmt: skip
            return made

        return self._session.write(write)

    def history(self, model: str) -> tuple[Traffic, ...]:
        """Every rule there was."""
        statement = f"{_SELECT} ORDER BY revision"
        return self._session.read(
            lambda connection: tuple(map(_traffic, connection.exec_driver_sql(statement, (model,))))
        )

    def live(self, model: str) -> Live:
        """What to serve now."""
        row = self._session.read(lambda connection: connection.exec_driver_sql(_LIVE, (model,) * 3).one())
        return Live(champion=row[0], traffic=None if row[2] is None else _traffic(row[2:]), revision=row[1])


def _check(shadow: tuple[int, ...], canary: int | None, percent: float) -> None:
    if not 0 <= percent <= 100 or math.isnan(percent):
        raise InputError(f"Expected a canary's share from 0 to 100 percent, got {percent}.")
    if canary is None and percent > 0:
        raise InputError(f"{percent} percent of the traffic go to no canary; name its version.")
    parts = [*shadow, *([] if canary is None else [canary])]
    twice = [each for each in parts if parts.count(each) > 1]
    if twice:
        raise InputError(f"Version {twice[0]} has two parts: a version is the canary or a shadow, once.")


def _latest(connection: Connection, model: str) -> Traffic | None:
    row = connection.exec_driver_sql(_LATEST, (model,)).first()
    return None if row is None else _traffic(row)


def _traffic(row: Sequence[Any]) -> Traffic:
    return Traffic(
        model=row[0], shadow=msgspec.json.decode(row[1], type=tuple[int, ...]), canary=row[2], percent=row[3],
        revision=row[4], updated=from_micros(row[5]), actor=row[6], reason=row[7],
    )  # fmt: skip


if TYPE_CHECKING:

    def _fits(endpoints: SqlEndpoints) -> Endpoints:
        return endpoints
