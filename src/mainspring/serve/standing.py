"""Which prediction each label belongs to, which labels are about the same one, and why one belongs to none."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl

from mainspring.core.errors import StoreError
from mainspring.serve.log import truth
from mainspring.serve.log.read import ANSWERED, FOREIGN, SLACK

if TYPE_CHECKING:
    from mainspring.serve.log.read import PredictionLog

KEY = ["id", "entity", "time"]
"""What says whom a label is about."""
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmatched:
    """Of some labels: how many belong to no answered prediction that is in the log, and why.

    ``unknown`` are about predictions that are not in the log; of these ``early`` and ``stale`` are by entities that
    are: from before its predictions, or longer after them than a label may be. ``unanswered`` are about requests that
    are in the log and got no answer to be judged: refused, failed, or asked of a shadow.
    """

    unknown: int = 0
    unanswered: int = 0
    early: int = 0
    stale: int = 0


def placed(log: PredictionLog, labels: pl.DataFrame, *, tolerance: timedelta) -> pl.DataFrame:
    """The *labels* in their order with ``its``: of one by entity the id of the prediction it belongs to, or null."""
    rows = labels.with_row_index("place")
    by_entity = rows.filter(pl.col("id").is_null())
    if by_entity.is_empty():
        return labels.with_columns(pl.lit(None, pl.String).alias("its"))
    found = truth.matched(log, by_entity.select("place", "entity", "time"), tolerance=tolerance)
    its = found.select("place", pl.col("id").alias("its"))
    return rows.join(its, on="place", how="left", maintain_order="left").drop("place")


def same_key(labels: pl.DataFrame) -> pl.DataFrame:
    """Labels that are `placed`, in which `KEY` is the same where they are about the same prediction."""
    lone = pl.col("its").is_null()
    return labels.with_columns(
        pl.coalesce("its", "id").alias("id"),
        *(pl.when(lone).then(pl.col(name)).alias(name) for name in ("entity", "time")),
    )


def said_before(log: PredictionLog, labels: pl.DataFrame) -> pl.DataFrame:
    """The labels in *log* that say the same as one of *labels* whom they are about, in the order in which they came."""
    first, last = truth.span(labels["about"])
    return _semi(log.labels(first, last + _INSTANT), labels, KEY).sort("received")


def about_the_same(log: PredictionLog, labels: pl.DataFrame, *, tolerance: timedelta) -> pl.DataFrame:
    """The labels in *log* about the same as one of *labels*, which are `placed`: with the `same_key`, as they came."""
    own = said_before(log, labels)
    try:
        every = pl.concat([own, *_others(log, labels, tolerance=tolerance)]).unique([*KEY, "received"])
        every = every.sort("received", pl.col("id").is_null())  # as they count
        return same_key(placed(log, every, tolerance=tolerance))
    except StoreError:  # a damaged file of another time is no reason to take no label; those in it are not compared
        return same_key(placed(log, own, tolerance=tolerance))


def _others(log: PredictionLog, labels: pl.DataFrame, *, tolerance: timedelta) -> list[pl.DataFrame]:
    """The labels in *log* that may say otherwise whom they are about, and be about the same."""
    near = labels.filter(pl.col("about") > FOREIGN)
    if near.is_empty():
        return []
    first, last = truth.span(near["about"])
    ids = near.select(pl.col("its").alias("id")).drop_nulls()
    by_id = [_semi(log.labels(first - tolerance - SLACK, last + SLACK), ids, ["id"])] if ids.height else []
    return [*by_id, *_by_entity(log, near, log.labels(first - tolerance, last + tolerance))]


def _by_entity(log: PredictionLog, labels: pl.DataFrame, old: pl.LazyFrame) -> list[pl.DataFrame]:
    """Of the *old* labels those by entity that may be about the same predictions as *labels*, which are `placed`."""
    old = old.filter(pl.col("entity").is_not_null())
    # where every label names its prediction the files say so by themselves: nothing of them is read
    if old.select("entity").head(1).collect(engine="streaming").is_empty():
        return []
    entities = [labels.filter(pl.col("its").is_not_null()).select("entity")]
    named = labels.filter(pl.col("id").is_not_null())
    if named.height:
        first, last = truth.span(named["about"])
        rows = log.scan(first - SLACK, last + SLACK, ["id", "entity"])
        its = rows.join(named.lazy().select("id"), on="id", how="semi").select("entity")
        entities.append(its.drop_nulls().collect(engine="streaming"))
    return [_semi(old, pl.concat(entities).unique(), ["entity"])]


def _semi(old: pl.LazyFrame, labels: pl.DataFrame, on: list[str]) -> pl.DataFrame:
    found = old.select(*KEY, "label", "received").join(labels.lazy().select(on), on=on, how="semi", nulls_equal=True)
    return found.collect(engine="streaming")


def unmatched(log: PredictionLog, labels: pl.DataFrame, *, explain: bool = False) -> Unmatched:
    """How many of the *labels*, which are `placed`, belong to no answer that is in the log.

    With *explain* also why not, which may read the times of the whole log.
    """
    lone = labels.filter(pl.col("id").is_null() & pl.col("its").is_null())
    named = labels.filter(pl.col("id").is_not_null())
    there, answered = _rows_of(log, named) if named.height else (0, 0)
    early, stale = _misplaced(log, lone) if explain and lone.height else (0, 0)
    unknown = lone.height + named.height - there
    return Unmatched(unknown=unknown, unanswered=there - answered, early=early, stale=stale)


def _rows_of(log: PredictionLog, named: pl.DataFrame) -> tuple[int, int]:
    """How many of these ids are in the log, and how many of those were answered."""
    first, last = truth.span(named["about"])
    columns = ["id", "role", "prediction"]
    rows = log.scan(first - SLACK, last + SLACK, columns) if first > FOREIGN else log.scan(columns=columns)
    answered = pl.col("role").is_in(list(ANSWERED)) & pl.col("prediction").is_not_null()
    found = rows.join(named.lazy().select("id"), on="id", how="semi").group_by("id").agg(answered.any())
    counts = found.select(pl.len(), pl.col("role").sum().alias("answered")).collect(engine="streaming")
    there, judged = counts.row(0)
    return int(there), int(judged)


def _misplaced(log: PredictionLog, lone: pl.DataFrame) -> tuple[int, int]:
    """Of labels by entity that belong to nothing: how many lie before a prediction of it, and after all of them."""
    rows = log.scan(columns=["entity", "time", "prediction"], roles=ANSWERED)
    answers = rows.filter(pl.col("prediction").is_not_null())
    known = answers.join(lone.lazy().select("entity"), on="entity", how="semi").group_by("entity")
    latest = known.agg(pl.col("time").max().alias("latest")).collect(engine="streaming")
    beside = lone.join(latest, on="entity", how="inner")
    early = beside.filter(pl.col("latest") > pl.col("time")).height
    return early, beside.height - early
