"""A watch that stands in the future: a clock was ahead when it wrote down how far the log is judged, and was set back.

Left alone, it would judge nothing until that time has come, and say nothing of it. So it is taken back to what nobody
has judged yet, and an incident says so. What was judged ahead stays as it was found: when its time comes, only what
came to it since is judged, as late rows are. Windows that seemed empty ahead of their time are forgotten.

Whether the clock was ahead or is behind now cannot be told for sure. Where nothing at all is known of the present,
neither a judged window nor a new row, the clock of now is not believed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mainspring.ledger.ports.incidents import end, report
from mainspring.operate.live import document
from mainspring.operate.live.document import Ahead
from mainspring.operate.live.service import SPAN, span_of
from mainspring.operate.live.windows import floor

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from mainspring.contract import Contract
    from mainspring.ledger.ports import Incident
    from mainspring.operate.live.document import Memory, Place
    from mainspring.operate.live.news import Touched
    from mainspring.operate.live.service import ServiceWatch
    from mainspring.operate.live.windows import LiveWindow
    from mainspring.workspace import Workspace

AHEAD = "clock was ahead"


def mended(
    contract: Contract, workspace: Workspace, service: ServiceWatch, memory: Memory
) -> tuple[Memory, tuple[Incident, ...], str]:
    """Take the watch back where it stands in the future. Gives the memory then, the incident opened, and words on it.

    Raises Refused where somebody else wrote since *memory* was read.
    """
    states, model, now = workspace.ledger.states, contract.project.name, workspace.clock.now()
    window, short = contract.monitor.window, span_of(contract)
    known = document.served(states, model)
    far = _beyond(memory.next, now, SPAN if isinstance(window, int) else window)
    near = _beyond(known.next, now, short)
    until = max((one for one in (far, near) if one is not None), default=None)
    if until is None:
        return _over(workspace, model, memory), (), ""
    since = _unjudged(workspace, model, memory, now)
    if since is None:
        return memory, (), ""
    begin = since if isinstance(window, int) else floor(since, window)
    after = known
    if near is not None:  # a short window that was looked at in part is not looked at twice
        after = service.taken_back(known, since if floor(since, short) == since else floor(since, short) + short)
    with workspace.ledger.together():
        said = f"the log was judged up to {_words(until)}, but it is {_words(now)}: a clock was ahead, or is behind now"
        opened = _said(workspace, model, until, f"{said}. Judging goes on from {_words(since)}")
        if far is not None:
            memory = _taken_back(workspace, model, memory, begin)
        seen = memory.seen if memory.ahead is None else memory.ahead.seen
        latest = until if memory.ahead is None else max(until, memory.ahead.until)
        memory = document.remember(states, model, replace(memory, ahead=Ahead(until=latest, seen=seen)))
        if near is not None:
            document.serve(states, model, after)
    return memory, opened, said


def come(workspace: Workspace, model: str, memory: Memory, window: LiveWindow) -> Touched | None:
    """A *window* that was judged ahead of its time, where rows or labels have come since; None where nothing has."""
    from mainspring.operate.live.news import Touched, fresh

    judged = document.judged(workspace.ledger.states, model, window)
    if judged is None or memory.ahead is None:
        return None
    before, search = replace(memory, seen=memory.ahead.seen), workspace.ledger.segments.search
    rows = search(model=model, kind="predictions", since=window.start, until=window.end, after=before.seen)
    # which windows labels are about is not told here: where none is about this one, it stays as it was found
    labels = search(model=model, kind="labels", after=before.seen)
    found = Touched(judged, rows=bool(fresh(rows, before)), labels=len(fresh(labels, before)))
    return found if found.rows or found.labels else None


def _beyond(position: datetime | None, now: datetime, span: timedelta) -> datetime | None:
    """*position* where it is further in the future than any watch with a right clock leaves it."""
    return position if position is not None and position > now + span else None


def _unjudged(workspace: Workspace, model: str, memory: Memory, now: datetime) -> datetime | None:
    """From when on nothing was judged, as the clock now goes; None where nothing tells that it goes right."""
    from mainspring.operate.live.news import fresh

    judged = [place.end for place in memory.recent if place.end <= now]
    news = fresh(
        workspace.ledger.segments.search(model=model, kind="predictions", until=now, after=memory.seen), memory
    )
    if not judged and not news:
        return None
    return max(min((one.start for one in news), default=now), *judged)


def _taken_back(workspace: Workspace, model: str, memory: Memory, begin: datetime) -> Memory:
    """The *memory* of a watch that goes on from *begin*. Part of a transaction."""
    states = workspace.ledger.states
    for place in memory.recent:
        if place.start < begin < place.end:  # one by rows: what comes now is not late to it
            judged = document.judged(states, model, place.window)
            if judged is not None:
                document.keep(states, model, replace(judged, end=begin))
    for judged in document.between(states, model, begin, memory.next or begin):
        if not judged.rows:
            document.forget(states, model, judged)
    recent = tuple(_cut(place, begin) for place in memory.recent if place.start < begin)
    return replace(memory, next=begin, silent=0, recent=recent, tidied=None)


def _cut(place: Place, end: datetime) -> Place:
    return replace(place, end=min(place.end, end))


def _said(workspace: Workspace, model: str, until: datetime, text: str) -> tuple[Incident, ...]:
    """Say it by one incident for as long as what was judged ahead lies ahead; it, where it is new."""
    port, now = workspace.ledger.incidents, workspace.clock.now()
    summary = f"{model}: {text}. Rows that were logged by a wrong clock keep their times"
    return report(port, model, AHEAD, text=text, summary=summary, details={"until": until.isoformat()}, at=now)


def _over(workspace: Workspace, model: str, memory: Memory) -> Memory:
    """The *memory* without what was judged ahead, where its time has come and gone."""
    if memory.ahead is None or memory.next is None or memory.next < memory.ahead.until:
        return memory
    port, text = workspace.ledger.incidents, "what was judged ahead of its time is past"
    with workspace.ledger.together():
        end(port, model, AHEAD, text=text, at=workspace.clock.now())
        return document.remember(workspace.ledger.states, model, replace(memory, ahead=None))


def _words(moment: datetime) -> str:
    from datetime import UTC

    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
