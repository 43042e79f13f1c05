"""Incidents over SQL."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.core.errors import InputError, NotFound, Refused
from mainspring.ledger.ports.incidents import Incident, IncidentEvent, Suspect, usual_severity
from mainspring.ledger.sql.audit import append_entry
from mainspring.ledger.sql.codec import from_json, from_micros, maybe_from_micros, to_json, to_micros

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from mainspring.core.clock import Clock
    from mainspring.ledger.ports.incidents import Incidents, IncidentStatus, Severity
    from mainspring.ledger.sql.session import Session

_SELECT = (
    "SELECT id, model, kind, status, summary, opened, updated, closed, action, owner, suspects, details, severity, "
    "acknowledged, muted_until FROM incidents"
)


class SqlIncidents:
    """See the port `mainspring.ledger.ports.incidents.Incidents`."""

    def __init__(self, session: Session, *, clock: Clock, actor: str) -> None:
        """Write as *actor* at the time of *clock*."""
        self._session = session
        self._clock = clock
        self._actor = actor

    def open(
        self,
        *,
        model: str,
        kind: str,
        summary: str,
        suspects: Sequence[Suspect] = (),
        details: Mapping[str, Any] | None = None,
        owner: str = "",
        severity: Severity | None = None,
        at: datetime | None = None,
    ) -> Incident:
        """Open an incident."""
        moment = at or self._clock.now()
        now = to_micros(moment)
        grave = severity or usual_severity(kind)

        def insert(connection: Connection) -> Incident:
            number = connection.exec_driver_sql(
                "INSERT INTO incidents (model, kind, status, summary, opened, updated, action, owner, suspects, "
                "details, severity) VALUES (?, ?, 'open', ?, ?, ?, '', ?, ?, ?, ?) RETURNING id",
                (model, kind, summary, now, now, owner, to_json(suspects), to_json(details or {}), grave),
            ).scalar_one()
            self._event(connection, number, "opened", summary, {}, moment)
            told = {"model": model, "kind": kind, "summary": summary, "severity": grave}
            self._audit(connection, "incident.open", number, told, moment)
            return _get(connection, number)

        return self._session.write(insert)

    def update(
        self,
        id: int,  # noqa: A002
        *,
        kind: str | None = None,
        summary: str | None = None,
        suspects: Sequence[Suspect] | None = None,
        action: str | None = None,
        owner: str | None = None,
        details: Mapping[str, Any] | None = None,
        severity: Severity | None = None,
        at: datetime | None = None,
    ) -> Incident:
        """Change what is known."""
        moment = at or self._clock.now()
        said = {"kind": kind, "summary": summary, "action": action, "owner": owner, "severity": severity}

        def write(connection: Connection) -> Incident:
            before = _get_open(connection, id)
            changed: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
            if kind is not None:
                changed.setdefault("severity", usual_severity(kind, at_least=before.severity))
            row = {**changed, "updated": to_micros(moment)}
            if suspects is not None:
                row["suspects"] = to_json(suspects)
            if details is not None:
                row["details"] = to_json({**before.details, **details})
            _set(connection, id, row)
            self._audit(connection, "incident.update", id, changed, moment)
            return _head(connection, id)

        return self._session.write(write)

    def append(
        self,
        id: int,  # noqa: A002
        *,
        kind: str,
        text: str,
        data: Mapping[str, Any] | None = None,
        at: datetime | None = None,
    ) -> IncidentEvent:
        """Add an event to the timeline."""
        moment = at or self._clock.now()

        def insert(connection: Connection) -> IncidentEvent:
            _head(connection, id)
            event = self._event(connection, id, kind, text, data or {}, moment)
            _set(connection, id, {"updated": to_micros(moment)})
            self._audit(connection, "incident.append", id, {"kind": kind, "text": text}, moment)
            return event

        return self._session.write(insert)

    def acknowledge(self, id: int, *, text: str = "", at: datetime | None = None) -> Incident:  # noqa: A002
        """Say that the ledger's actor looks after it."""
        moment = at or self._clock.now()

        def update(connection: Connection) -> Incident:
            if _get_open(connection, id).acknowledged is None:
                now = to_micros(moment)
                _set(connection, id, {"acknowledged": now, "updated": now})
                self._event(connection, id, "acknowledged", text, {}, moment)
                self._audit(connection, "incident.acknowledge", id, {"text": text}, moment)
            return _get(connection, id)

        return self._session.write(update)

    def mute(
        self,
        id: int,  # noqa: A002
        until: datetime | None,
        *,
        text: str = "",
        at: datetime | None = None,
    ) -> Incident:
        """Tell nobody about it *until* then."""
        moment = at or self._clock.now()

        def update(connection: Connection) -> Incident:
            _get_open(connection, id)
            if until is not None and until <= moment:
                raise InputError(f"Incident {id} can be muted until a time to come, not until {until:%Y-%m-%d %H:%M}.")
            ends = None if until is None else to_micros(until)
            told = {"until": None if until is None else until.isoformat()}
            _set(connection, id, {"muted_until": ends, "updated": to_micros(moment)})
            self._event(connection, id, "muted" if until else "unmuted", text, told, moment)
            self._audit(connection, "incident.mute", id, {**told, "text": text}, moment)
            return _get(connection, id)

        return self._session.write(update)

    def close(self, id: int, *, text: str = "", at: datetime | None = None) -> Incident:  # noqa: A002
        """Close it."""
        moment = at or self._clock.now()

        def update(connection: Connection) -> Incident:
            _get_open(connection, id)
            now = to_micros(moment)
            _set(connection, id, {"status": "closed", "closed": now, "updated": now})
            self._event(connection, id, "closed", text, {}, moment)
            self._audit(connection, "incident.close", id, {"text": text}, moment)
            return _get(connection, id)

        return self._session.write(update)

    def get(self, id: int, *, after: int = 0) -> Incident:  # noqa: A002
        """The incident with its timeline."""
        return self._session.read(lambda connection: _get(connection, id, after))

    def search(
        self,
        *,
        model: str | None = None,
        kind: str | None = None,
        status: IncidentStatus | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> tuple[Incident, ...]:
        """The incidents that match."""
        wanted = {"model": model, "kind": kind, "status": status}
        given = {name: value for name, value in wanted.items() if value is not None}
        where = " AND ".join(f"{name} = ?" for name in given) or "1"
        statement = f"{_SELECT} WHERE {where} ORDER BY id DESC LIMIT ? OFFSET ?"
        return self._session.read(
            lambda connection: tuple(
                _incident(row) for row in connection.exec_driver_sql(statement, (*given.values(), limit, offset))
            )
        )

    def _event(
        self, connection: Connection, number: int, kind: str, text: str, data: Mapping[str, Any], at: datetime
    ) -> IncidentEvent:
        connection.exec_driver_sql(
            "INSERT INTO incident_events (incident, time, kind, text, actor, data) VALUES (?, ?, ?, ?, ?, ?)",
            (number, to_micros(at), kind, text, self._actor, to_json(data)),
        )
        return IncidentEvent(time=at, kind=kind, text=text, actor=self._actor, data=dict(data))

    def _audit(self, connection: Connection, action: str, number: int, detail: Mapping[str, Any], at: datetime) -> None:
        append_entry(connection, actor=self._actor, action=action, subject=f"incidents/{number}", detail=detail, at=at)


def _set(connection: Connection, number: int, row: Mapping[str, Any]) -> None:
    columns = ", ".join(f"{name} = ?" for name in row)
    connection.exec_driver_sql(f"UPDATE incidents SET {columns} WHERE id = ?", (*row.values(), number))


def _get(connection: Connection, number: int, after: int = 0) -> Incident:
    events = connection.exec_driver_sql(
        "SELECT time, kind, text, actor, data FROM incident_events WHERE incident = ? ORDER BY id LIMIT -1 OFFSET ?",
        (number, after),
    )
    return replace(
        _head(connection, number),
        events=tuple(
            IncidentEvent(time=from_micros(each[0]), kind=each[1], text=each[2], actor=each[3], data=from_json(each[4]))
            for each in events
        ),
    )


def _head(connection: Connection, number: int) -> Incident:
    """The incident without its timeline."""
    row = connection.exec_driver_sql(f"{_SELECT} WHERE id = ?", (number,)).first()
    if row is None:
        last = connection.exec_driver_sql("SELECT max(id) FROM incidents").scalar()
        known = f"They go from 1 to {last}." if last else "There is none yet."
        raise NotFound(f"No incident {number}. {known}")
    return _incident(row)


def _get_open(connection: Connection, number: int) -> Incident:
    found = _head(connection, number)
    if found.status == "closed":
        raise Refused(f"Incident {number} was closed at {found.closed:%Y-%m-%d %H:%M}; open a new one.")
    return found


def _incident(row: Sequence[Any]) -> Incident:
    return Incident(
        id=row[0], model=row[1], kind=row[2], status=row[3], summary=row[4], opened=from_micros(row[5]),
        updated=from_micros(row[6]), closed=maybe_from_micros(row[7]), action=row[8], owner=row[9],
        suspects=msgspec.json.decode(row[10], type=tuple[Suspect, ...]), details=from_json(row[11]),
        severity=row[12], acknowledged=maybe_from_micros(row[13]), muted_until=maybe_from_micros(row[14]),
    )  # fmt: skip


if TYPE_CHECKING:

    def _fits(incidents: SqlIncidents) -> Incidents:
        return incidents
