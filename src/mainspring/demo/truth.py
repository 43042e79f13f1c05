"""Truth against detection: what was made to happen, beside the incidents that were opened and what was done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from mainspring.demo.loans import LABEL_DELAY

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from mainspring.demo.loans import Event
    from mainspring.ledger.ports.incidents import Incident

PATIENCE = timedelta(days=21)
"""What is found so long after an event's last labels came is not counted as found."""
HEADER = ("what happened", "from", "found", "suspected", "the loop", "right")


@dataclass(frozen=True, slots=True)
class Found:
    """An incident with the simulated moment at which the window ended that opened it."""

    incident: Incident
    moment: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """An event beside the incident that it led to.

    ``incident`` is None where it was not found. ``after``: from the event's start to the end of the window in which
    the incident was opened; ``earliest``: the least that was possible, because an event that shows in outcomes alone
    cannot be seen before these are known. ``rank``: the place of the first suspect that truly was changed, None where
    no column was to blame or none of them is suspected. ``answer``: what the loop did, ``right``: whether it named the
    cause and did what helps.
    """

    event: Event
    incident: Incident | None
    after: timedelta | None
    earliest: timedelta
    rank: int | None
    answer: str
    right: bool

    def row(self) -> list[str]:
        """The cells below :data:`HEADER`."""
        right = "yes" if self.right else "no"
        return [self.event.kind, self.event.start.isoformat(), self._found(), self._suspected(), self.answer, right]

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "kind": self.event.kind,
            "start": self.event.start.isoformat(),
            "end": self.event.end.isoformat(),
            "columns": list(self.event.columns),
            "hurts": self.event.hurts,
            "found": self.incident is not None,
            "days": None if self.after is None else self.after.total_seconds() / 86_400,
            "suspects": [] if self.incident is None else [one.name for one in self.incident.suspects],
            "rank": self.rank,
            "answer": self.answer,
            "right": self.right,
        }

    def _found(self) -> str:
        if self.after is None:
            return "no"
        days = max(self.after.days + bool(self.after.seconds), 1)
        late = f" (labels come after {self.earliest.days})" if self.earliest else ""
        return f"after {days} {'day' if days == 1 else 'days'}{late}"

    def _suspected(self) -> str:
        if self.incident is None:
            return "–"
        return ", ".join(one.name for one in self.incident.suspects) or "no column: the relation itself"


def compare(
    events: Sequence[Event], found: Sequence[Found], released: Sequence[datetime]
) -> tuple[tuple[Finding, ...], tuple[Found, ...]]:
    """A finding for each event, and the incidents that none of them explains.

    *released*: the simulated moments at which a retrained model went live.
    """
    left = sorted(found, key=lambda one: one.moment)
    findings = []
    for event in events:
        match = next((one for one in left if _fits(event, one)), None)
        if match is not None:
            left.remove(match)
        findings.append(_finding(event, match, released))
    return tuple(findings), tuple(left)


def _fits(event: Event, found: Found) -> bool:
    """Whether an incident may be about *event*: opened in its time, suspecting what it changed."""
    if not midnight(event.start) <= found.moment <= midnight(event.end) + LABEL_DELAY + PATIENCE:
        return False
    if not event.columns:
        return found.incident.kind == "performance" and not found.incident.suspects
    return _rank(event, found.incident) is not None


def _finding(event: Event, found: Found | None, released: Sequence[datetime]) -> Finding:
    begin, end = midnight(event.start), midnight(event.end) + LABEL_DELAY
    incident = None if found is None else found.incident
    rank = None if incident is None else _rank(event, incident)
    # a model that learned while the event lasted, or just after, when its labels came
    answer, right = _answer(event, incident, retrained=any(begin <= moment <= end for moment in released))
    return Finding(
        event=event,
        incident=incident,
        after=None if found is None else found.moment - begin,
        earliest=timedelta(0) if event.columns else LABEL_DELAY,
        rank=rank,
        answer=answer,
        right=right and (rank == 1 or not event.columns),
    )


def _answer(event: Event, incident: Incident | None, *, retrained: bool) -> tuple[str, bool]:
    """What the loop did about *event* in words, and whether that was right."""
    if incident is None:
        return "did not see it", False
    aside = any(one.kind == "action" and one.data.get("action") == "set aside" for one in incident.events)
    match event.kind:
        case "unit change":
            did = "set the column aside" if aside else "watched"
            return f"{did}, {'retrained on it' if retrained else 'learned nothing of it'}", aside and not retrained
        case "harmless shift":
            did = "retrained without need" if retrained else "watched: labels showed no harm"
            return did, not retrained
        case "new category":
            did = "learned it with the next retrain" if retrained else "reported it: labels showed no harm"
            return did, True
        case "concept change":
            return ("retrained" if retrained else "watched"), retrained


def _rank(event: Event, incident: Incident) -> int | None:
    names = [suspect.name for suspect in incident.suspects]
    return next((place for place, name in enumerate(names, 1) if name in event.columns), None)


def midnight(day: date) -> datetime:
    """The moment a day begins."""
    return datetime.combine(day, time())
