"""A log that is damaged in part: what cannot be judged is said, and passed over."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mainspring.core.errors import NotFound, StoreError
from mainspring.ledger.ports.incidents import end, report, standing
from mainspring.operate.live import document
from mainspring.operate.live.document import Judged
from mainspring.serve.log import segment
from mainspring.serve.log.read import PredictionLog

if TYPE_CHECKING:
    from mainspring.ledger.ports import Incident
    from mainspring.operate.live.document import Memory
    from mainspring.operate.live.watch import Found
    from mainspring.operate.live.windows import LiveWindow
    from mainspring.workspace import Workspace

UNREAD = "log not judged"


def is_damaged(workspace: Workspace, model: str, window: LiveWindow) -> bool:
    """Whether rows of *window* cannot be read, though the store is there: it has the versions of the model."""
    store = workspace.store
    if not any(store.has(one.digest) for one in workspace.ledger.models.versions(model)):
        return False
    try:
        for one in PredictionLog(workspace, model).segments(window.start, window.end):
            segment.read(store, one, ["time"])
    except (StoreError, NotFound):
        return True
    return False


def passed_over(workspace: Workspace, model: str, memory: Memory, window: LiveWindow, why: str, found: Found) -> Memory:
    """Write down that *window* cannot be judged, and go on after it. Raises Refused where somebody else wrote."""
    if memory.next is not None and memory.next > window.start:
        return memory  # somebody else has been here meanwhile
    states = workspace.ledger.states
    judged = Judged(
        start=window.start, end=window.end, index=memory.index, version=0, rows=0, judged=workspace.clock.now(),
        unread=why, alerts=(f"it cannot be judged: {why}",),
    )  # fmt: skip
    with workspace.ledger.together():
        opened = unread(workspace, model, window.words, why)
        document.keep(states, model, judged)
        memory = document.remember(states, model, replace(memory, next=window.end))
    found.judged.append(judged)
    found.opened += opened
    return memory


def unread(workspace: Workspace, model: str, where: str, why: str) -> tuple[Incident, ...]:
    """Say that what is called *where* cannot be judged, by one incident for as long as that lasts; it, where it is new.

    To be called in a block of `Ledger.together`.
    """
    port, now = workspace.ledger.incidents, workspace.clock.now()
    summary = f"The log of {model} cannot be judged: {why}"
    return report(port, model, UNREAD, text=f"{where}: {why}", summary=summary, details={"window": where}, at=now)


def readable(workspace: Workspace, model: str) -> None:
    """Say that the log can be judged again."""
    port = workspace.ledger.incidents
    if standing(port, model, UNREAD) is None:
        return
    with workspace.ledger.together():  # somebody else may have said so meanwhile
        end(port, model, UNREAD, text="the log is judged again", at=workspace.clock.now())
