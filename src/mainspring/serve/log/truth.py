"""Which label belongs to which prediction, and which of several counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import polars as pl

from mainspring.serve.log import read
from mainspring.serve.log.columns import TIME, dtype

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from mainspring.ledger.ports import Segment
    from mainspring.serve.log.read import PredictionLog
    from mainspring.serve.log.schema import Kind

BLOCK = 2_000_000
"""So many predictions are searched for labelled entities at once."""
_FOUND = {"id": pl.String(), "label": pl.String(), "received": TIME}


def latest(log: PredictionLog, first: datetime, last: datetime, by_entity: pl.DataFrame, *, kind: Kind) -> pl.DataFrame:
    """The labels of the predictions of *first* to *last*: ``id``, ``label`` (as *kind*), ``received``; one for each id.

    *by_entity* holds those that were found by entity.
    """
    columns = list(_FOUND)
    own = log.labels(first - read.SLACK, last + read.SLACK)
    foreign = log.labels(read.FOREIGN, read.FOREIGN + read.SLACK)
    by_id = [
        rows.filter(pl.col("id").is_not_null()).select(columns).collect(engine="streaming") for rows in (own, foreign)
    ]
    every = pl.concat([*by_id, by_entity]).sort("received", maintain_order=True)
    return every.unique("id", keep="last").with_columns(typed(pl.col("label"), kind))


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
    labels = log.labels(since, end).filter(pl.col("id").is_null()).collect(engine="streaming")
    if labels.is_empty():
        return pl.DataFrame(schema=_FOUND)
    latest_first = labels.sort("received", maintain_order=True).unique(["entity", "time"], keep="last")
    return matched(log, latest_first, tolerance=tolerance).select(list(_FOUND))


def matched(log: PredictionLog, labels: pl.DataFrame, *, tolerance: timedelta) -> pl.DataFrame:
    """The *labels* (``entity``, ``time``, …) with the ``id`` of the prediction each belongs to; others are left out.

    That is the entity's latest answered prediction at or before the label's time, none older than *tolerance*. The log
    is read from its end backwards in blocks that do not overlap in time, so the first found is the right one.
    """
    open_ones = labels.drop("id", strict=False)
    found = []
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
    return pl.concat(found) if found else labels.clear().with_columns(pl.lit(None, pl.String).alias("id"))


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
