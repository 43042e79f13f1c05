"""Which events of which incidents are to be told, found in their timelines.

Nobody who opens or closes an incident has to think of it: the timelines are read, and the ledger remembers how far
(kind ``notify``, key the model: ``newest``, the highest number met, and for each open incident how many events were
read and how grave it was). What is told: that an incident was opened, became graver, became another one (more broke, or
harm came of it), was acted upon, was closed. What began, became graver or another while the incident was muted is told
once when the mute is over, if it is still open.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.ledger.ports.incidents import SEVERITIES, Incident, Severity
from mainspring.operate.notify.outbox import Delivery, identity, put_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from mainspring.contract import Notify
    from mainspring.ledger.ports.incidents import IncidentEvent
    from mainspring.workspace import Workspace

KIND = "notify"
PAGE = 50
_NEWS = ("opened", "raised", "changed")
"""What may not be lost by a mute."""


@dataclass(frozen=True, slots=True)
class Read:
    """How far an incident's timeline was read, and how grave it was then; None where it was not read before.

    ``owed``: the number and the kind of the event that is to be told when the mute is over.
    """

    events: int = 0
    severity: Severity | None = None
    owed: tuple[int, str] | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """How far all of a model's timelines were read."""

    newest: int
    open: dict[str, Read]


def collect(workspace: Workspace, model: str, notify: Notify) -> int:
    """Put what has happened since the last call into the outbox, in one transaction. How many deliveries that makes.

    The first time, only what is open is told.
    """
    ledger, now = workspace.ledger, workspace.clock.now()
    with ledger.together():
        state = ledger.states.get(KIND, model)
        mark = None if state is None else msgspec.convert(state.value, Mark)
        numbers = _numbers(workspace, model, mark)
        newest = max([0 if mark is None else mark.newest, *numbers])
        if mark is None:
            latest = ledger.incidents.search(model=model, limit=1)
            newest = max([newest, *(each.id for each in latest)])
        made, still = 0, {}
        for number in numbers:
            before = Read() if mark is None else mark.open.get(str(number), Read())
            incident = ledger.incidents.get(number, after=before.events)
            news, owed = _heard(incident, before, notify, now)
            for event, word, text in news:
                made += sum(
                    put_in(ledger.states, _delivery(incident, event, word, text, url, now)) for url in notify.urls
                )
            if incident.status == "open":
                still[str(number)] = Read(before.events + len(incident.events), incident.severity, owed)
        after = Mark(newest, still)
        if after != mark:
            ledger.states.put(KIND, model, msgspec.to_builtins(after), expected=state.revision if state else 0)
    return made


def _numbers(workspace: Workspace, model: str, mark: Mark | None) -> list[int]:
    """The incidents that may have news: those that were open, and those that were not there yet."""
    search = workspace.ledger.incidents.search
    if mark is None:
        return [
            each.id for each in _pages(lambda offset: search(model=model, status="open", limit=PAGE, offset=offset))
        ]
    found = {int(number) for number in mark.open}
    for each in _pages(lambda offset: search(model=model, limit=PAGE, offset=offset)):
        if each.id <= mark.newest:
            break
        found.add(each.id)
    return sorted(found)


def _pages(search: Any) -> Iterator[Incident]:
    offset = 0
    while page := search(offset):
        yield from page
        offset += len(page)


def _heard(
    incident: Incident, before: Read, notify: Notify, now: datetime
) -> tuple[list[tuple[int, str, str]], tuple[int, str] | None]:
    """The number, the kind and the text of every event that is to be told now; and what is owed until the mute ends."""
    news, owed = list(_told(incident, before)), before.owed
    if incident.muted_until is not None and incident.muted_until > now:
        grave = [(number, word) for number, word, _ in news if word in _NEWS]
        return [], owed or (grave[0] if grave else None)
    if owed is not None and incident.status == "open":
        number, word = owed
        said = f"It was muted, and is still open. {incident.summary}"
        news = [(number, word, said), *(each for each in news if each[1] not in ("raised", "changed"))]
    heard = SEVERITIES.index(incident.severity) >= SEVERITIES.index(notify.severity)
    return news if heard else [], None


def _told(incident: Incident, before: Read) -> Iterator[tuple[int, str, str]]:
    """The number, the kind and the text of every event that is news."""
    graver = before.severity is not None and SEVERITIES.index(incident.severity) > SEVERITIES.index(before.severity)
    if graver:
        yield before.events, "raised", f"It is {incident.severity} now. {incident.summary}"
    for number, event in enumerate(incident.events, before.events):
        word = _word(event)
        if word and not (graver and word == "changed"):  # what it has become was told with that
            yield number, word, event.text or incident.summary


def _word(event: IncidentEvent) -> str:
    if event.kind == "action":
        return "" if event.data.get("action") == "hold" else "acted"
    return event.kind if event.kind in ("opened", "changed", "closed") else ""


def _delivery(incident: Incident, number: int, word: str, text: str, url: str, now: datetime) -> Delivery:
    plain: dict[str, Any] = msgspec.to_builtins(replace(incident, events=()))
    del plain["events"]
    # who was told of an incident's beginning and its end can join the two by its number
    payload = {
        "type": f"incident.{word}",
        "timestamp": now.isoformat(),
        "data": {"incident": plain, "text": text},
    }
    return Delivery(
        id=identity(
            incident.model,
            incident.id,
            incident.opened.isoformat(),
            number,
            word,
            incident.severity if word == "raised" else "",
            url,
        ),
        model=incident.model,
        incident=incident.id,
        event=word,
        url=url,
        title=f"{incident.model}: {incident.kind} incident {incident.id} {word} ({incident.severity})",
        text=text,
        severity=incident.severity,
        created=now,
        next=now,
        payload=payload,
    )
