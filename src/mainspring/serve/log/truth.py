"""Which label belongs to which prediction, and which of several counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import polars as pl

from mainspring.serve.log import read
from mainspring.serve.log.columns import TIME, dtype

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from mainspring.ledger.ports import Segment
    from mainspring.serve.log.read import PredictionLog
    from mainspring.serve.log.schema import Kind
    from mainspring.serve.log.shape import Shape

BLOCK = 2_000_000
"""So many predictions are searched for labelled entities at once."""
MANY = 200_000
"""From so many labels on only those about the time in question are taken out of their segments."""
_FOUND = {"id": pl.String(), "label": pl.String(), "received": TIME}


class Labels:
    """The labels of a stretch of time, for whoever reads its predictions part by part: the ledger is asked once."""

    def __init__(
        self, log: PredictionLog, known: Shape, since: datetime | None, until: datetime | None, *, tolerance: timedelta
    ) -> None:
        """The labels of the predictions of *since* ≤ time < *until* in *log*, whose shape is *known*."""
        own = log.label_segments(
            None if since is None else since - read.SLACK, None if until is None else until + read.SLACK
        )
        foreign = log.label_segments(read.FOREIGN, read.FOREIGN + read.SLACK)
        self._log = log
        self._segments = tuple({each.id: each for each in (*own, *foreign)}.values())
        self._columns = pl.col("id"), typed(pl.col("label"), known.label or "text").alias("label"), pl.col("received")
        self._by_entity = by_entity(log, since, until, tolerance=tolerance).select(self._columns)

    def beside(
        self, rows: pl.DataFrame, first: datetime, last: datetime, columns: Sequence[str] = ("label", "received")
    ) -> pl.DataFrame:
        """The *rows* (with ``id``, of *first* to *last*) in their order with *columns* of their labels, null for none.

        Of several labels of one prediction the one that came last counts.
        """
        known = self._about(first, last)
        found = rows.join(known.select("id", *columns), on="id", how="left", maintain_order="left")
        if found.height > rows.height:  # seldom: sorting them out beforehand would cost more than to join again
            latest = known.sort("received", maintain_order=True).unique("id", keep="last")
            found = rows.join(latest.select("id", *columns), on="id", how="left", maintain_order="left")
        return found

    def _about(self, first: datetime, last: datetime) -> pl.DataFrame:
        """What may be a label of a prediction of that time: ``id``, ``label``, ``received``."""
        foreign = read.FOREIGN + read.SLACK
        near = [
            each
            for each in self._segments
            if (each.start <= last + read.SLACK and each.end >= first - read.SLACK) or each.start < foreign
        ]
        if not near:
            return self._by_entity
        rows = self._log.scan_labels(near)
        if sum(each.rows for each in near) > MANY:
            # segments of labels that came with much delay, or from elsewhere, reach over long times
            about = pl.col("about")
            rows = rows.filter(about.is_between(first - read.SLACK, last + read.SLACK) | (about < foreign))
            by_id = rows.select(self._columns).collect(engine="streaming")
        else:
            by_id = rows.select(self._columns).collect()
        by_id = by_id.drop_nulls("id") if by_id["id"].null_count() else by_id
        return pl.concat([by_id, self._by_entity])


def typed(label: pl.Expr, kind: Kind) -> pl.Expr:
    """The text of a label as a value of this *kind*; null where it is none."""
    if kind == "boolean":
        return pl.when(label.is_in(["true", "false"])).then(label == "true")
    return label if dtype(kind) == pl.String else label.cast(dtype(kind), strict=False)


def by_entity(
    log: PredictionLog, since: datetime | None, until: datetime | None, *, tolerance: timedelta
) -> pl.DataFrame:
    """The labels by entity and time of the predictions of *since* ≤ time < *until*: ``id``, ``label``, ``received``."""
    end = None if until is None else until + tolerance
    segments = [each for each in log.label_segments(since, end) if each.digest not in log.by_id_alone]
    labels = log.scan_labels(segments).filter(pl.col("id").is_null()).collect(engine="streaming")
    if labels.is_empty():
        log.by_id_alone.update(each.digest for each in segments)
        return pl.DataFrame(schema=_FOUND)
    labels = read.within(labels.lazy(), since, end, "about").collect()
    latest_first = labels.sort("received", maintain_order=True).unique(["entity", "time"], keep="last")
    return matched(log, latest_first, tolerance=tolerance).select(list(_FOUND))


def matched(log: PredictionLog, labels: pl.DataFrame, *, tolerance: timedelta) -> pl.DataFrame:
    """The *labels* (``entity``, ``time``, …) with the ``id`` of the prediction each belongs to; others are left out.

    That is the entity's latest answered prediction at or before the label's time, none older than *tolerance*. The log
    is read from its end backwards in blocks that do not overlap in time, so the first found is the right one.
    """
    open_ones = labels.drop("id", strict=False)
    found = [open_ones.clear().with_columns(pl.lit(None, pl.String).alias("id"))]
    if open_ones.is_empty():
        return found[0]
    first, last = span(open_ones["time"])
    columns = ["id", "entity", "time", "prediction"]
    for hours in reversed(_hours(log, first - tolerance, last + read.SLACK)):
        if open_ones.is_empty():
            break
        answers = log.scan_segments(hours, columns, roles=read.ANSWERED).filter(pl.col("prediction").is_not_null())
        rows = answers.drop("prediction")
        entities = open_ones.select("entity").unique()
        candidates = rows.join(entities.lazy(), on="entity", how="semi").collect(engine="streaming").sort("time")
        joined = open_ones.sort("time").join_asof(
            candidates, on="time", by="entity", strategy="backward", tolerance=tolerance, check_sortedness=False
        )
        found.append(joined.filter(pl.col("id").is_not_null()))
        open_ones = joined.filter(pl.col("id").is_null()).drop("id")
    return pl.concat(found)


def span(times: pl.Series) -> tuple[datetime, datetime]:
    """The first and the last of *times*, of which there is one at least."""
    return cast("datetime", times.min()), cast("datetime", times.max())


def _hours(log: PredictionLog, since: datetime, until: datetime) -> list[list[Segment]]:
    """The segments of that time in blocks of whole hours: none leaves its hour, so no two blocks overlap in time."""
    whole: list[list[Segment]] = []
    for each in log.segments(since, until):
        hour = each.start.replace(minute=0, second=0, microsecond=0)
        if whole and (whole[-1][-1].start >= hour or sum(one.rows for one in whole[-1]) + each.rows <= BLOCK):
            whole[-1].append(each)
        else:
            whole.append([each])
    return whole
