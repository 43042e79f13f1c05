"""Keeping the log in few, large segments, and no longer than it is wanted."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from mainspring.core.duration import LONGEST
from mainspring.core.errors import InputError
from mainspring.serve.log import columns, segment

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mainspring.ledger.ports import Segment
    from mainspring.workspace import Workspace

SMALL = segment.ROWS // 5
"""Segments of fewer rows are merged."""
MANY = 16
"""So many small segments of one hour are merged at once; fewer when the hour is over."""
QUIET = timedelta(minutes=10)
"""So long after its end an hour is over: most that is late has come by then."""
RECENT = timedelta(hours=6)
"""Only so far back is looked for small segments, unless everything is asked for."""
GRACE = timedelta(hours=1)
"""So long the bytes of a segment that was replaced or has expired stay for whoever is reading them."""

KEEP = "log-keep"
GARBAGE = "log-garbage"


def keep(workspace: Workspace, model: str, span: timedelta | None) -> None:
    """Keep the log and the labels of *model* for this *span* of time from now on; None: for ever.

    Raises InputError for one longer than `LONGEST`.
    """
    if span is not None and span > LONGEST:
        raise InputError(f"A log is kept for {LONGEST.days}d (100 years) at most, or forever; got {span.days}d.")
    if span is None:
        workspace.ledger.states.delete(KEEP, model)
    else:
        workspace.ledger.states.put(KEEP, model, {"seconds": span.total_seconds()})


def kept(workspace: Workspace, model: str) -> timedelta | None:
    """How long the log of *model* is kept; None: for ever."""
    state = workspace.ledger.states.get(KEEP, model)
    if state is None or state.value["seconds"] > LONGEST.total_seconds():  # saved before there was a longest
        return None
    return timedelta(seconds=state.value["seconds"])


def small_ones(workspace: Workspace, model: str, *, everything: bool = False) -> int:
    """Merge small segments that belong together: predictions of one hour, labels of any. How many were replaced."""
    now = workspace.clock.now()
    ports = workspace.ledger.segments
    since = None if everything else now - RECENT
    count = 0
    by_hour: dict[datetime, list[Segment]] = defaultdict(list)
    for each in ports.search(model=model, kind="predictions", since=since):
        if each.rows < SMALL:
            by_hour[_hour(each.start)].append(each)
    for hour, found in by_hour.items():
        over = now >= hour + timedelta(hours=1) + QUIET
        if len(found) >= (2 if over or everything else MANY):
            count += _merge_all(workspace, found)
    labels = [each for each in ports.search(model=model, kind="labels") if each.rows < SMALL]
    if len(labels) >= (2 if everything else MANY):
        count += _merge_all(workspace, sorted(labels, key=lambda each: each.start))
    return count


def expired(workspace: Workspace, model: str) -> int:
    """Let go of the segments all of whose rows are older than the log is kept. How many rows of predictions went."""
    span = kept(workspace, model)
    if span is None:
        return 0
    limit = workspace.clock.now() - span
    found = [each for each in workspace.ledger.segments.search(model=model, until=limit) if each.end < limit]
    if found:
        with workspace.ledger.together():
            workspace.ledger.segments.delete([each.id for each in found])
            discard(workspace, model, [each.digest for each in found])
    return sum(each.rows for each in found if each.kind == "predictions")


def discard(workspace: Workspace, model: str, digests: Iterable[str]) -> None:
    """Remember that nothing refers to these bytes any more; `clear` removes them when the grace is over."""
    states = workspace.ledger.states
    state = states.get(GARBAGE, model)
    now = workspace.clock.now().timestamp()
    items = [] if state is None else list(state.value)
    states.put(GARBAGE, model, [*items, *([digest, now] for digest in digests)])


def clear(workspace: Workspace, model: str, *, grace: timedelta = GRACE) -> int:
    """Remove the bytes whose grace is over. How many objects went."""
    states = workspace.ledger.states
    state = states.get(GARBAGE, model)
    if state is None:
        return 0
    limit = (workspace.clock.now() - grace).timestamp()
    old = [digest for digest, since in state.value if since <= limit]
    if old:
        for digest in old:
            workspace.store.delete(digest)
        rest = [item for item in state.value if item[0] not in set(old)]
        states.put(GARBAGE, model, rest, expected=state.revision)
    return len(old)


def _merge_all(workspace: Workspace, found: Sequence[Segment]) -> int:
    """Merge *found* into as few segments as may be; how many were replaced."""
    count = 0
    together: list[Segment] = []
    for each in found:
        if sum(one.rows for one in together) + each.rows > segment.ROWS:
            count += _merge(workspace, together)
            together = []
        together.append(each)
    return count + _merge(workspace, together)


def _merge(workspace: Workspace, old: Sequence[Segment]) -> int:
    if len(old) < 2:
        return 0
    model, kind = old[0].model, old[0].kind
    rows = columns.stacked(segment.read(workspace.store, each) for each in old)
    made = segment.write(
        workspace.store, rows, model=model, kind=kind, source="merge", sequence=max(each.id for each in old)
    )
    with workspace.ledger.together():
        workspace.ledger.segments.replace([each.id for each in old], made)
        discard(workspace, model, [each.digest for each in old])
    return len(old)


def _hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
