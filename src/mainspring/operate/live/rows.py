"""The rows of one window of the prediction log: counted segment by segment, and some of them kept.

Memory holds one segment, the kept rows and the answers (a prediction, its scores), however large the window is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from mainspring.monitor.service import ServiceCounts
from mainspring.monitor.signals import Counted, count_window
from mainspring.operate.rollout.canary import predictions as predictions_of
from mainspring.serve.log import segment as segments
from mainspring.serve.log.columns import FEATURE, SCORE, as_types
from mainspring.serve.log.read import ANSWERED, PredictionLog

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np

    from mainspring.contract import Contract
    from mainspring.core.predictions import Predictions
    from mainspring.ledger.ports import Segment
    from mainspring.operate.champion import Champion
    from mainspring.operate.live.windows import LiveWindow
    from mainspring.workspace import Workspace

SAMPLE = 50_000
"""Of a larger window so many rows, evenly spread, are kept whole: for what needs a row's columns and its label."""
ANSWERS = 1_000_000
"""Of a larger window the performance is measured on so many rows."""
FALLEN_BACK = "fallback"
"""The flag of an answer that is not the model's."""
_ALWAYS = ("time", "version", "role", "latency_ms", "status", "flags")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """A window's rows, shadows left out.

    ``rows`` of all requests that were answered with a prediction, ``versions``: how many each version answered.
    ``counted``: those rows in the bins of the champion's reference. ``answers``: what ``version`` said (``time``,
    ``prediction``, scores), in the order of time; ``sample``: some of its rows with the features, under their own
    names. Both have ``id`` where labels are to be joined.
    """

    rows: int
    versions: dict[int, int]
    service: ServiceCounts
    counted: Counted | None
    answers: pl.DataFrame
    sample: pl.DataFrame


class LoggedRows:
    """Reads windows of the log of one model."""

    def __init__(self, workspace: Workspace, model: str, contract: Contract) -> None:
        """Read the log of *model*."""
        self.log = PredictionLog(workspace, model)
        self._store = workspace.store
        self._ledger = workspace.ledger
        self._contract = contract
        self._model = model

    def ticks(self, segment: Segment) -> np.ndarray[Any, np.dtype[np.int64]]:
        """When the answered rows of *segment* came, in microseconds since 1970."""
        rows = segments.scan(self._store, segment.digest, ["time", "role"])
        found = rows.filter(pl.col("role").is_in(list(ANSWERED))).select("time").collect()
        return found["time"].to_physical().to_numpy()

    def sums(self, window: LiveWindow) -> tuple[int, int]:
        """The rows of all segments of predictions and of labels that overlap *window*: they grow when rows come."""
        found = self._ledger.segments.search(model=self._model, since=window.start, until=window.end)
        logged = sum(one.rows for one in found if one.kind == "predictions")
        return logged, sum(one.rows for one in found if one.kind == "labels")

    def gather(self, window: LiveWindow, champion: Champion, *, ids: bool) -> Gathered:
        """Read *window* once. What the answers are counted in is *champion*'s; *ids*: keep them, for labels."""
        known = self.log.shape.columns
        scores = [name for name in known if name.startswith(SCORE)]
        features = [FEATURE + name for name in champion.reference.columns]
        light = [*(["id"] if ids else []), "time", *(["prediction"] if "prediction" in known else []), *scores]
        wanted = list(dict.fromkeys([*_ALWAYS, *light, *(name for name in features if name in known)]))
        types = {name: known[name] for name in wanted if name in known}
        parts = self.log.segments(window.start, window.end)
        total = max(sum(one.rows for one in parts), 1)
        service, counted, versions, rows = ServiceCounts(), None, dict[int, int](), 0
        answers, sample = [], []
        for part in self._parts(parts, window, types):
            service += ServiceCounts.of(part)
            said = _answered(part)
            rows += said.height
            for version, count in said["version"].value_counts().iter_rows():
                versions[version] = versions.get(version, 0) + count
            mine = said.filter(pl.col("version") == champion.version)
            found = self._count(said, mine, champion)
            counted = found if counted is None else counted + found
            answers.append(_thinned(mine.select(light), total, ANSWERS))
            sample.append(_thinned(mine, total, SAMPLE))
        return Gathered(
            rows=rows,
            versions=versions,
            service=service,
            counted=counted,
            answers=_stacked(answers, light),
            sample=features_of(_stacked(sample, wanted), champion),
        )

    def answers(self, window: LiveWindow, version: int) -> pl.DataFrame:
        """What *version* said in *window*, with ``label`` (null where not known yet), in the order of time."""
        known = self.log.shape.columns
        light = ["id", "time", "version", "status", "flags"]
        light += [name for name in known if name == "prediction" or name.startswith(SCORE)]
        if "prediction" not in known:
            return pl.DataFrame()
        found = self.log.labelled(window.start, window.end, light, unlabelled=True).collect(engine="streaming")
        mine = _answered(found).filter(pl.col("version") == version)
        if mine.height > ANSWERS:
            # labels are few and worth more than another row without one
            labelled = mine.filter(pl.col("label").is_not_null())
            rest = mine.filter(pl.col("label").is_null())
            mine = pl.concat([_thinned(part, part.height, ANSWERS // 2) for part in (labelled, rest)])
        return mine.sort("time", maintain_order=True)

    def sample(self, window: LiveWindow, champion: Champion, *, limit: int = SAMPLE) -> pl.DataFrame:
        """At most so many rows of all that were answered in *window*, with their features."""
        known = self.log.shape.columns
        wanted = [*_ALWAYS, *(FEATURE + name for name in champion.reference.columns)]
        wanted += [name for name in known if name in ("id", "prediction") or name.startswith(SCORE)]
        types = {name: known[name] for name in wanted if name in known}
        parts = self.log.segments(window.start, window.end)
        total = max(sum(one.rows for one in parts), 1)
        found = [_thinned(_answered(part), total, limit) for part in self._parts(parts, window, types)]
        return features_of(_stacked(found, list(types)), champion)

    def _parts(
        self, parts: Sequence[Segment], window: LiveWindow, types: dict[str, pl.DataType]
    ) -> Iterator[pl.DataFrame]:
        """The rows of *window* that were answers, segment by segment."""
        for one in parts:
            rows = segments.read(self._store, one, list(types))
            if one.start < window.start or one.end >= window.end:
                rows = rows.filter((pl.col("time") >= window.start) & (pl.col("time") < window.end))
            shadows = rows["role"] == "shadow"
            if shadows.any():
                rows = rows.filter(~shadows)
            if rows.height:
                yield as_types(rows, types)

    def _count(self, said: pl.DataFrame, mine: pl.DataFrame, champion: Champion) -> Counted:
        answers = clean(mine)
        return count_window(
            champion.reference,
            self._contract,
            features_of(said, champion).select(
                name for name in champion.reference.columns if FEATURE + name in said.columns
            ),
            predictions=predictions_of(answers) if champion.baseline is not None and answers.height else None,
            baseline=champion.baseline,
            ignore=self._contract.personal,
        )


def told(answers: pl.DataFrame) -> tuple[Predictions | None, pl.Series | None]:
    """The predictions in *answers* and their labels, as far as they are known (None: none is)."""
    if not answers.height:
        return None, None
    label = answers["label"] if "label" in answers.columns else None
    return predictions_of(answers), None if label is None or label.null_count() == len(label) else label


def clean(answers: pl.DataFrame) -> pl.DataFrame:
    """The *answers* whose scores are all there."""
    scores = [name for name in answers.columns if name.startswith(SCORE)]
    if not any(answers[name].null_count() for name in scores):
        return answers
    return answers.drop_nulls(scores)


def features_of(rows: pl.DataFrame, champion: Champion) -> pl.DataFrame:
    """Logged *rows* with features under their own names, in the types that *champion* learned from where they fit."""
    made = []
    for name in rows.columns:
        if not name.startswith(FEATURE):
            made.append(pl.col(name))
            continue
        own = name.removeprefix(FEATURE)
        column = champion.reference.columns.get(own)
        kind = "" if column is None or not column.profile.types else column.profile.types[0]
        made.append(_as_learned(rows[name], kind).alias(own))
    return rows.select(made)


def _as_learned(values: pl.Series, kind: str) -> pl.Expr:
    """A logged column in the type it was learned in. The log knows fewer types; a value is never changed."""
    here, column = values.dtype, pl.col(values.name)
    if str(here) == kind or not kind:
        return column
    wanted = getattr(pl, kind, None)
    if wanted in (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64, pl.Float32):
        whole = here.is_integer() or (here.is_float() and bool((values.floor() == values).all()))
        read = values.cast(wanted, strict=False) if whole or wanted == pl.Float32 or here == pl.String else None
        return column if read is None or read.null_count() > values.null_count() else column.cast(wanted, strict=False)
    if wanted == pl.Float64 and (here.is_numeric() or here == pl.String):
        return column.cast(pl.Float64, strict=False)
    if wanted in (pl.Categorical, pl.String, pl.Boolean) and here == pl.String:
        return column.cast(wanted) if wanted == pl.Categorical else column
    if kind.startswith("Datetime") and isinstance(here, pl.Datetime) and "time_zone=None" in kind:
        return column.dt.replace_time_zone(None)
    return column


def _answered(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows that the model itself answered."""
    if "prediction" not in rows.columns:
        return rows.clear()
    kept = rows
    if rows["prediction"].null_count():
        kept = kept.filter(pl.col("prediction").is_not_null())
    if kept["flags"].null_count() < kept.height:
        kept = kept.filter(~pl.col("flags").str.contains(FALLEN_BACK, literal=True).fill_null(value=False))
    return kept


def _thinned(rows: pl.DataFrame, total: int, limit: int) -> pl.DataFrame:
    step = -(-total // limit)
    return rows if step <= 1 else rows.gather_every(step)


def _stacked(parts: Sequence[pl.DataFrame], columns: Sequence[str]) -> pl.DataFrame:
    if not parts:
        return pl.DataFrame(schema=dict.fromkeys(columns, pl.Null))
    return pl.concat(parts).sort("time", maintain_order=True)
