"""Which judged windows new segments of the log may have changed: late rows and labels that came.

A segment into which others were merged is no news, as far as these were looked at. Of labels it is told exactly which
predictions they are about, however late they come: by the time in the prediction's id, and where it has none, or only
an entity is named, by the log itself.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl

from mainspring.core.errors import NotFound, StoreError
from mainspring.operate.live import document
from mainspring.serve.log import segment as segments
from mainspring.serve.log import truth
from mainspring.serve.log.columns import TIME
from mainspring.serve.log.read import FOREIGN, SLACK, TOLERANCE, PredictionLog

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mainspring.ledger.ports import Segment
    from mainspring.operate.live.document import Judged, Memory
    from mainspring.workspace import Workspace

MERGED = "merge"
"""The source of segments into which others were merged; the sequence is the highest id of these."""


@dataclass(frozen=True, slots=True)
class Touched:
    """A judged window: whether there may be late ``rows`` of it, and how many ``labels`` came."""

    judged: Judged
    rows: bool
    labels: int


def fresh(found: Sequence[Segment], memory: Memory) -> tuple[Segment, ...]:
    """Of the segments *found* those with rows that were not looked at."""
    return tuple(one for one in found if one.source != MERGED or one.sequence > memory.seen)


def touched(workspace: Workspace, memory: Memory, news: Sequence[Segment], model: str) -> Iterator[Touched]:
    """The judged windows in which rows or labels of the segments *news* lie, in order."""
    spans = merged((one.start, one.end) for one in news if one.kind == "predictions")
    about = _about(workspace, model, [one for one in news if one.kind == "labels"])
    ends = [*(moment for span in (spans[:1], spans[-1:]) for one in span for moment in one)]
    ends += [about[0], about[-1]] if len(about) else []
    if not ends:
        return
    starts = [start for start, _ in spans]
    first = min(ends) - timedelta(seconds=memory.longest)
    for judged in document.between(workspace.ledger.states, model, first, max(ends)):
        if memory.next is not None and judged.end > memory.next:
            continue  # it was judged ahead of its time, and is come to when that is there
        # of spans that do not overlap only the last one that begins in time can reach into the window
        place = bisect_left(starts, judged.end) - 1
        rows = place >= 0 and spans[place][1] >= judged.start
        labels = int(about.search_sorted(judged.end)) - int(about.search_sorted(judged.start))
        if rows or labels:
            yield Touched(judged, rows, labels)


def merged(spans: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """The same time in as few *spans* as may be, in order."""
    found: list[tuple[datetime, datetime]] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((start, end))
    return found


def _about(workspace: Workspace, model: str, labels: Sequence[Segment]) -> pl.Series:
    """When the predictions were that these segments have labels of, in order."""
    log = PredictionLog(workspace, model)
    found = [pl.Series("time", [], dtype=TIME)]
    for one in labels:
        try:
            rows = segments.read(workspace.store, one, ["id", "entity", "time", "label", "received", "about"])
        except (StoreError, NotFound):
            continue  # the windows that it belongs to say so themselves
        by_id = rows.filter(pl.col("id").is_not_null())
        own = pl.col("about") > FOREIGN + SLACK
        found.append(by_id.filter(own)["about"].alias("time"))
        found.append(_times(log, by_id.filter(~own).select("id")))
        by_entity = rows.filter(pl.col("id").is_null())
        if by_entity.height:
            known = truth.matched(log, by_entity, tolerance=TOLERANCE)
            first, last = truth.span(by_entity["time"])
            found.append(_times(log, known.select("id"), first - TOLERANCE, last))
    return pl.concat(found).sort()


def _times(
    log: PredictionLog, ids: pl.DataFrame, since: datetime | None = None, until: datetime | None = None
) -> pl.Series:
    """When the predictions of these *ids* were, as far as they are in the log."""
    if not ids.height:
        return pl.Series("time", [], dtype=TIME)
    end = None if until is None else until + SLACK
    return (
        log.scan(since, end, ["id", "time"]).join(ids.lazy(), on="id", how="semi").collect(engine="streaming")["time"]
    )
