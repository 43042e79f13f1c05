"""Incidents: alerts of one cause, with suspects, actions and a timeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol, TypeAlias

from mainspring.ledger.operation import Permission, operation

IncidentStatus: TypeAlias = Literal["open", "closed"]
Severity: TypeAlias = Literal["info", "warning", "critical"]

SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")
"""From the lightest to the gravest."""
_USUAL: Mapping[str, Severity] = {"drift": "info", "service": "critical"}


def usual_severity(kind: str, *, at_least: Severity = "info") -> Severity:
    """How grave an incident of this *kind* is where nobody says, and never lighter than *at_least*.

    Data that moved is worth knowing, a worse model or broken data worth a look, an endpoint that fails worth a call.

    >>> usual_severity("performance"), usual_severity("drift"), usual_severity("drift", at_least="critical")
    ('warning', 'info', 'critical')
    """
    return max(_USUAL.get(kind, "warning"), at_least, key=SEVERITIES.index)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A column (or slice, or release) that may be the cause; the score ranks it, the text says what was seen."""

    name: str
    score: float
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentEvent:
    """One entry of the timeline.

    ``kind``: opened, signal, changed, action, note, acknowledged, muted, closed …; ``data``: plain JSON values.
    """

    time: datetime
    kind: str
    text: str
    actor: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One incident. ``kind``: data quality, drift, performance, service.

    ``events``: the timeline, which `Incidents.search` and `Incidents.update` leave empty, for it may be long.

    ``acknowledged``: when somebody first said that they look after it; who, is in the events. Until ``muted_until``
    nobody is to be told about it.
    """

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
    severity: Severity = "warning"
    acknowledged: datetime | None = None
    muted_until: datetime | None = None


def standing(incidents: Incidents, model: str, cause: str) -> Incident | None:
    """The open incident of *cause*: who opens one for what lasts, and ends it, names the cause in ``details``."""
    every = incidents.search(model=model, kind="service", status="open", limit=10_000)
    return next((one for one in every if one.details.get("cause") == cause), None)


def report(
    incidents: Incidents, model: str, cause: str, *, text: str, summary: str, details: Mapping[str, Any], at: datetime
) -> tuple[Incident, ...]:
    """Say *text* in the open incident of *cause*, for as long as that lasts; else open one, and give it.

    To be called in a block of `Ledger.together`.
    """
    found = standing(incidents, model, cause)
    if found is not None:
        incidents.append(found.id, kind="signal", text=text, at=at)
        return ()
    known = {"cause": cause, **details}
    return (incidents.open(model=model, kind="service", summary=summary, details=known, at=at),)


def end(incidents: Incidents, model: str, cause: str, *, text: str, at: datetime) -> None:
    """Close the open incident of *cause*, if there is one."""
    found = standing(incidents, model, cause)
    if found is not None:
        incidents.close(found.id, text=text, at=at)


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
        severity: Severity | None = None,
        at: datetime | None = None,
    ) -> Incident:
        """Open an incident; its first event is ``opened``. The *severity* is by default the kind's usual one."""
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
        severity: Severity | None = None,
        at: datetime | None = None,
    ) -> Incident:
        """Change what is known; what is None stays, *details* are merged.

        Another kind makes it at least as grave as usual for that kind, unless *severity* says otherwise.
        """
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
    def acknowledge(self, id: int, *, text: str = "", at: datetime | None = None) -> Incident:  # noqa: A002
        """Say that the ledger's actor looks after it: an event ``acknowledged``. Once it is, nothing changes."""
        ...

    @operation(needs=Permission.WRITE)
    def mute(
        self,
        id: int,  # noqa: A002
        until: datetime | None,
        *,
        text: str = "",
        at: datetime | None = None,
    ) -> Incident:
        """Tell nobody about it *until* then, or from now on again (None): an event ``muted`` or ``unmuted``.

        Raises InputError for a time that is over already.
        """
        ...

    @operation(needs=Permission.WRITE)
    def close(self, id: int, *, text: str = "", at: datetime | None = None) -> Incident:  # noqa: A002
        """Close it; its last event is ``closed``."""
        ...

    @operation(needs=Permission.READ)
    def get(self, id: int, *, after: int = 0) -> Incident:  # noqa: A002
        """The incident with its timeline, without the first events where *after* so many were read before."""
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
