"""Incidents: alerts of one cause, with suspects, actions and a timeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol, TypeAlias

from mainspring.ledger.operation import Permission, operation

IncidentStatus: TypeAlias = Literal["open", "closed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A column (or slice, or release) that may be the cause; the score ranks it, the text says what was seen."""

    name: str
    score: float
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentEvent:
    """One entry of the timeline. ``kind``: opened, signal, action, note, closed …; ``data``: plain JSON values."""

    time: datetime
    kind: str
    text: str
    actor: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One incident. ``kind``: data quality, drift, performance, service. ``events`` is filled by `get` only."""

    id: int
    model: str
    kind: str
    status: IncidentStatus
    summary: str
    opened: datetime
    updated: datetime
    closed: datetime | None = None
    action: str = ""
    owner: str = ""
    suspects: tuple[Suspect, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    events: tuple[IncidentEvent, ...] = ()


class Incidents(Protocol):
    """The incidents of a workspace. Times default to the ledger's clock. Every change is in the audit trail.

    Methods raise NotFound for a number that is not there, Refused for a change to a closed incident.
    """

    @operation(needs=Permission.WRITE)
    def open(
        self,
        *,
        model: str,
        kind: str,
        summary: str,
        suspects: Sequence[Suspect] = (),
        details: Mapping[str, Any] | None = None,
        owner: str = "",
        at: datetime | None = None,
    ) -> Incident:
        """Open an incident; its first event is ``opened``."""
        ...

    @operation(needs=Permission.WRITE)
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
        at: datetime | None = None,
    ) -> Incident:
        """Change what is known; what is None stays, *details* are merged."""
        ...

    @operation(needs=Permission.WRITE)
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
        ...

    @operation(needs=Permission.WRITE)
    def close(self, id: int, *, text: str = "", at: datetime | None = None) -> Incident:  # noqa: A002
        """Close it; its last event is ``closed``."""
        ...

    @operation(needs=Permission.READ)
    def get(self, id: int) -> Incident:  # noqa: A002
        """The incident with its timeline."""
        ...

    @operation(needs=Permission.READ)
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
        ...
