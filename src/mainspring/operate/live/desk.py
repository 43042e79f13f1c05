"""The desk on which the watch keeps the open incidents of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainspring.operate.incident import Desk

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mainspring.operate.fold import Case
    from mainspring.workspace import Workspace


def desk_of(workspace: Workspace, model: str, cases: Iterable[Case]) -> Desk:
    """The desk with those of the *cases* that nobody has closed meanwhile."""
    port = workspace.ledger.incidents
    open_now = {one.id for one in port.search(model=model, status="open", limit=10_000)}
    left = [one for one in cases if one.id in open_now]
    return Desk(port, model=model, clock=workspace.clock, cases=left)
