"""Incidents kept in memory, by the ledger's own port: for a rehearsal, which leaves no trace in the workspace."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mainspring.core.errors import InputError, NotFound, Refused
from mainspring.ledger.ports.incidents import (
    Incident,
    IncidentEvent,
    Incidents,
    IncidentStatus,
    Severity,
    Suspect,
    usual_severity,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mainspring.core.clock import Clock


class MemoryIncidents:
    """The incidents of one process, gone with it."""

    def __init__(self, clock: Clock, *, actor: str = "loop") -> None:
        """Take times that are not given from *clock*; changes are *actor*'s."""
        self._clock = clock
        self._actor = actor
        self._kept: dict[int, Incident] = {}

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
        """Open an incident; its first event is ``opened``."""
        moment = self._at(at)
        made = Incident(
            id=len(self._kept) + 1, model=model, kind=kind, status="open", summary=summary, opened=moment,
            updated=moment, owner=owner, suspects=tuple(suspects), details=dict(details or {}),
            severity=severity or usual_severity(kind),
        )  # fmt: skip
        self._kept[made.id] = made
        self.append(made.id, kind="opened", text=summary, at=moment)
        return self._kept[made.id]

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
        """Change what is known; what is None stays, *details* are merged."""
        found = self._open(id)
        if severity is None and kind is not None:
            severity = usual_severity(kind, at_least=found.severity)
        said = {"kind": kind, "summary": summary, "action": action, "owner": owner, "severity": severity}
        changes: dict[str, Any] = {key: value for key, value in said.items() if value is not None}
        if suspects is not None:
            changes["suspects"] = tuple(suspects)
        if details is not None:
            changes["details"] = {**found.details, **details}
        self._kept[id] = replace(found, updated=self._at(at), **changes)
        return replace(self._kept[id], events=())

    def append(
        self,
        id: int,  # noqa: A002
        *,
        kind: str,
        text: str,
        data: Mapping[str, Any] | None = None,
        at: datetime | None = None,
    ) -> IncidentEvent:
        """Add an event to the timeline. A closed incident takes notes too."""
        found = self.get(id)
        event = IncidentEvent(time=self._at(at), kind=kind, text=text, actor=self._actor, data=dict(data or {}))
        self._kept[id] = replace(found, events=(*found.events, event))
        return event

    def acknowledge(self, id: int, *, text: str = "", at: datetime | None = None) -> Incident:  # noqa: A002
        """Say that somebody looks after it."""
        found, moment = self._open(id), self._at(at)
        if found.acknowledged is None:
            self._kept[id] = replace(found, acknowledged=moment, updated=moment)
            self.append(id, kind="acknowledged", text=text, at=moment)
        return self._kept[id]

    def mute(
        self,
        id: int,  # noqa: A002
        until: datetime | None,
        *,
        text: str = "",
        at: datetime | None = None,
    ) -> Incident:
        """Tell nobody about it *until* then."""
        found, moment = self._open(id), self._at(at)
        if until is not None and until <= moment:
            raise InputError(f"Incident {id} can be muted until a time to come, not until {until:%Y-%m-%d %H:%M}.")
        told = {"until": None if until is None else until.isoformat()}
        self._kept[id] = replace(found, muted_until=until, updated=moment)
        self.append(id, kind="muted" if until else "unmuted", text=text, data=told, at=moment)
        return self._kept[id]

    def close(self, id: int, *, text: str = "", at: datetime | None = None) -> Incident:  # noqa: A002
        """Close it; its last event is ``closed``."""
        moment = self._at(at)
        self._kept[id] = replace(self._open(id), status="closed", closed=moment, updated=moment)
        self.append(id, kind="closed", text=text, at=moment)
        return self._kept[id]

    def get(self, id: int, *, after: int = 0) -> Incident:  # noqa: A002
        """The incident with its timeline."""
        if id not in self._kept:
            known = f"They go from 1 to {len(self._kept)}." if self._kept else "There is none yet."
            raise NotFound(f"No incident {id}. {known}")
        found = self._kept[id]
        return replace(found, events=found.events[after:]) if after else found

    def search(
        self,
        *,
        model: str | None = None,
        kind: str | None = None,
        status: IncidentStatus | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> tuple[Incident, ...]:
        """The incidents that match, newest first."""
        found = [
            replace(incident, events=())
            for incident in reversed(self._kept.values())
            if model in (None, incident.model) and kind in (None, incident.kind) and status in (None, incident.status)
        ]
        return tuple(found[offset : offset + limit])

    def _open(self, id: int) -> Incident:  # noqa: A002
        found = self.get(id)
        if found.status == "closed":
            raise Refused(f"Incident {id} was closed at {found.closed:%Y-%m-%d %H:%M}; open a new one.")
        return found

    def _at(self, at: datetime | None) -> datetime:
        return (at or self._clock.now()).astimezone(UTC)


if TYPE_CHECKING:
    from mainspring.core.clock import SystemClock

    _fits: Incidents = MemoryIncidents(SystemClock())
