"""The rows of one window of the prediction log: counted segment by segment, and some of them kept.

Memory holds a few segments, the kept rows and the answers (a prediction, its scores), however large the window is.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mainspring.core.errors import NotFound, StoreError
from mainspring.monitor.baseline import PREDICTION, prediction_frame
from mainspring.monitor.baseline import SCORE as SCORED
from mainspring.monitor.service import ServiceCounts
from mainspring.monitor.signals import Counted, count_window
from mainspring.operate.rollout.canary import OWN
from mainspring.operate.rollout.canary import predictions as predictions_of
from mainspring.serve.log import segment as segments
from mainspring.serve.log import truth
from mainspring.serve.log.columns import FEATURE, SCORE, as_types
from mainspring.serve.log.read import ANSWERED, TOLERANCE, PredictionLog, blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from mainspring.contract import Contract
    from mainspring.core.predictions import Predictions
    from mainspring.ledger.ports import Segment
    from mainspring.monitor.baseline import Baseline
    from mainspring.operate.champion import Champion
    from mainspring.operate.live.windows import LiveWindow
    from mainspring.serve.log.shape import Shape
    from mainspring.workspace import Workspace

SAMPLE = 50_000
"""Of a larger window so many rows, evenly spread, are kept whole: for what needs a row's columns and its label."""
ANSWERS = 250_000
"""Of a larger window the performance is measured on so many rows, evenly spread."""
STRETCHES = 16
"""What is kept of a part lies in so many stretches."""
TOGETHER = 170_000
"""Segments are counted together up to so many rows: each count costs something however few rows there are."""
WORKERS = 3
"""So many parts are in work at once: two read while one is counted (counting side by side only hands a lock about)."""
_ALWAYS = ("time", "version", "role", "latency_ms", "status", "flags")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """A window's rows, shadows left out.

    ``rows`` of all requests that were answered with a prediction, ``versions``: how many each version answered,
    ``labelled``: of how many of ``version``'s the truth is known.
    ``counted``: those rows in the bins of the champion's reference. ``answers``: what ``version`` said (``time``,
    ``prediction``, scores), in the order of time; ``sample``: some of its rows with the features, as they are logged
    (:func:`features_of` gives them their own names). Both have ``label``, null where it is not known yet, if there may
    be any.
    """

    rows: int
    labelled: int
    versions: dict[int, int]
    service: ServiceCounts
    counted: Counted | None
    answers: pl.DataFrame
    sample: pl.DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """What is read of a window of ``total`` rows: columns with their types, and which of them are kept.

    ``labels`` is None where they are not asked for. Whatever the ledger knows stands here: the parts are read on other
    threads, while this one may be in a transaction.
    """

    window: LiveWindow
    champion: Champion
    known: Shape
    segments: tuple[Segment, ...]
    types: dict[str, pl.DataType]
    light: list[str]
    kept: list[str]
    total: int
    labels: truth.Labels | None

    def is_of(self, window: LiveWindow, champion: Champion, *, labels: bool) -> bool:
        """Whether it is what is asked for."""
        return (self.window, self.labels is not None) == (window, labels) and self.champion is champion


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """What is kept of some of a window's rows, as in :class:`Gathered`."""

    rows: int
    labelled: int
    versions: dict[int, int]
    service: ServiceCounts
    counted: Counted
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
        self._counting = Lock()
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="logged-rows")
        self._ahead: tuple[_Reading, _Parts] | None = None

    def ticks(self, segment: Segment) -> np.ndarray[Any, np.dtype[np.int64]]:
        """When the answered rows of *segment* came, in microseconds since 1970; about so, where it is damaged."""
        try:
            rows = segments.scan(self._store, segment.digest, ["time", "role"])
            found = rows.filter(pl.col("role").is_in(list(ANSWERED))).select("time").collect()["time"]
        except (StoreError, NotFound):
            # a window ends all the same, and whoever judges it says why that cannot be done
            first, last = pl.Series([segment.start, segment.end]).to_physical().to_list()
            return np.linspace(first, last, segment.rows).astype(np.int64)
        return found.to_physical().to_numpy()

    def begin(self, window: LiveWindow, champion: Champion, *, labels: bool) -> None:
        """Read the first parts of *window* while something else is done: whoever gathers the same goes on with them.

        What stands against it is not told here, for something else is done; :meth:`gather` meets it again.
        """
        with suppress(Exception):
            self._ahead = self._begun(window, champion, labels=labels)

    def gather(
        self, window: LiveWindow, champion: Champion, *, labels: bool, then: Callable[[], None] | None = None
    ) -> Gathered:
        """Read *window* once, counted in the bins of *champion*; *labels*: put them beside the answers.

        *then* is called when all of it is being read, to :meth:`begin` what comes next.
        """
        ahead, self._ahead = self._ahead, None
        if ahead is not None and not ahead[0].is_of(window, champion, labels=labels):
            ahead[1].leave()
            ahead = None
        reading, parts = ahead or self._begun(window, champion, labels=labels)
        try:
            return self._together(reading, parts.then(then))
        finally:
            parts.leave()

    def _begun(self, window: LiveWindow, champion: Champion, *, labels: bool) -> tuple[_Reading, _Parts]:
        reading = self._planned(window, champion, labels=labels)
        return reading, _Parts(self._pool, partial(self._part, reading), blocks(reading.segments, TOGETHER))

    def _planned(self, window: LiveWindow, champion: Champion, *, labels: bool) -> _Reading:
        shape = self.log.shape
        known = shape.columns
        parts = self.log.segments(window.start, window.end)
        scores = [name for name in known if name.startswith(SCORE)]
        features = [FEATURE + name for name in champion.reference.columns]
        wanted = [*_ALWAYS, *(["id"] if labels else []), "prediction", *scores, *features]
        light = ["time", "prediction", *scores, *(["label"] if labels else [])]
        there = truth.Labels(self.log, shape, window.start, window.end, tolerance=TOLERANCE) if labels else None
        return _Reading(
            window=window,
            champion=champion,
            known=shape,
            segments=parts,
            types={name: known[name] for name in wanted if name in known},
            light=light,
            kept=[*light, *(name for name in features if name in known)],
            total=max(sum(one.rows for one in parts), 1),
            labels=there,
        )

    def _together(self, reading: _Reading, begun: Iterable[_Part | None]) -> Gathered:
        service, counted, versions, rows, labelled = ServiceCounts(), None, dict[int, int](), 0, 0
        answers, sample = [], []
        for part in begun:
            if part is None:
                continue
            service += part.service
            rows += part.rows
            for version, count in part.versions.items():
                versions[version] = versions.get(version, 0) + count
            counted = part.counted if counted is None else counted + part.counted
            labelled += part.labelled
            answers.append(part.answers)
            sample.append(part.sample)
        return Gathered(
            rows=rows,
            labelled=labelled,
            versions=versions,
            service=service,
            counted=counted,
            answers=_stacked(answers, reading.light),
            sample=_stacked(sample, reading.kept),
        )

    def _part(self, reading: _Reading, some: Sequence[Segment]) -> _Part | None:
        """What :meth:`gather` keeps of some segments; None where none of their rows lies in the window."""
        part = self._read(some, reading.window, reading.types, reading.known)
        if not part.height:
            return None
        part = part if reading.labels is None else _labelled(part, reading.labels)
        said = _answered(part)
        mine = of_version(said, reading.champion.version)
        with self._counting:
            counted = self._count(said, mine, reading.champion)
        return _Part(
            rows=said.height,
            labelled=mine["label"].count() if "label" in reading.light else 0,
            versions=dict(_versions(said)),
            service=ServiceCounts.of(part),
            counted=counted,
            answers=thinned(mine.select(reading.light), reading.total, ANSWERS),
            sample=thinned(mine.select(reading.kept), reading.total, SAMPLE),
        )

    def answers(self, window: LiveWindow) -> pl.DataFrame:
        """What was answered in *window*, with ``label`` (null where not known yet), in the order of time."""
        known = self.log.shape.columns
        light = ["id", "time", "version", "status", "flags"]
        light += [name for name in known if name == "prediction" or name.startswith(SCORE)]
        if "prediction" not in known:
            return pl.DataFrame()
        found = self.log.labelled(window.start, window.end, light, unlabelled=True).collect(engine="streaming")
        return segments.in_order(_answered(found))

    def sample(self, window: LiveWindow, champion: Champion, *, limit: int = SAMPLE) -> pl.DataFrame:
        """At most so many rows of all that were answered in *window*, with their features, as they are logged."""
        shape = self.log.shape
        known = shape.columns
        wanted = [*_ALWAYS, *(FEATURE + name for name in champion.reference.columns)]
        wanted += [name for name in known if name in ("id", "prediction") or name.startswith(SCORE)]
        types = {name: known[name] for name in wanted if name in known}
        parts = self.log.segments(window.start, window.end)
        total = max(sum(one.rows for one in parts), 1)
        read = (self._read(some, window, types, shape) for some in blocks(parts, TOGETHER))
        found = [thinned(_answered(part), total, limit) for part in read if part.height]
        return _stacked(found, list(types))

    def features(self, window: LiveWindow, champion: Champion, *, limit: int) -> pl.DataFrame:
        """As :meth:`sample`, with the features under their own names."""
        return features_of(self.sample(window, champion, limit=limit), champion)

    def _read(
        self, some: Sequence[Segment], window: LiveWindow, types: dict[str, pl.DataType], known: Shape
    ) -> pl.DataFrame:
        # several files are read as one: asking for memory and giving it back costs as much as reading; so few rows are
        # read for a seventh less, and in less memory, by the engine that does not stream
        rows = self.log.scan_segments(some, list(types), known=known).collect()
        if any(one.start < window.start or one.end >= window.end for one in some):
            rows = rows.filter((pl.col("time") >= window.start) & (pl.col("time") < window.end))
        shadows = rows["role"] == "shadow"
        rows = rows.filter(~shadows) if shadows.any() else rows
        return segments.in_order(rows if dict(rows.schema) == types else as_types(rows, types))

    def _count(self, said: pl.DataFrame, mine: pl.DataFrame, champion: Champion) -> Counted:
        counted = count_window(
            champion.reference, self._contract, _only_features(said, champion), ignore=self._contract.personal
        )
        answers = clean(mine)
        if champion.baseline is None or not answers.height:
            return counted
        return replace(counted, said=champion.baseline.profile(said_in(answers, champion.baseline)))


class _Parts:
    """What *work* makes of each block of segments, in their order; a few of them are in work at once, from now on."""

    def __init__(
        self,
        pool: ThreadPoolExecutor,
        work: Callable[[Sequence[Segment]], _Part | None],
        given: Iterator[Sequence[Segment]],
    ) -> None:
        self._pool, self._work, self._given = pool, work, given
        self._coming = deque(pool.submit(work, some) for some in islice(given, WORKERS))

    def then(self, last: Callable[[], None] | None) -> Iterator[_Part | None]:
        """All that is made, one after the other; *last* is called when nothing more is given."""
        for some in self._given:
            self._coming.append(self._pool.submit(self._work, some))
            yield self._coming.popleft().result()
        if last is not None:
            last()
        while self._coming:
            yield self._coming.popleft().result()

    def leave(self) -> None:
        """Begin nothing more."""
        for one in self._coming:
            one.cancel()


def _labelled(rows: pl.DataFrame, labels: truth.Labels) -> pl.DataFrame:
    """The *rows* with their ``label``."""
    beside = labels.beside(rows.select("id"), *truth.span(rows["time"]), columns=["label"])["label"]
    # cut as the other columns are, or else the next look at several of them would copy them all
    begin, cut = 0, []
    for length in rows["id"].chunk_lengths():
        cut.append(beside.slice(begin, length))
        begin += length
    return rows.with_columns(pl.concat(cut, rechunk=False).alias("label"))


def said_in(answers: pl.DataFrame, baseline: Baseline) -> pl.DataFrame:
    """What the model said, as :func:`mainspring.monitor.baseline.prediction_frame` has it, from logged columns.

    Classes stay in the type they were logged in; `mainspring.monitor.baseline.Baseline.profile` counts their texts.
    """
    positive = baseline.positive or max((name.removeprefix(SCORE) for name in _scores(answers)), default="")
    if baseline.task != "binary" or SCORE + positive not in answers.columns or answers["prediction"].dtype.is_float():
        return prediction_frame(predictions_of(answers), positive=baseline.positive)
    # the usual case goes without a way through arrays
    return pl.DataFrame([answers["prediction"].alias(PREDICTION), answers[SCORE + positive].alias(SCORED)])


def _scores(rows: pl.DataFrame) -> list[str]:
    return [name for name in rows.columns if name.startswith(SCORE)]


def told(answers: pl.DataFrame) -> tuple[Predictions | None, pl.Series | None]:
    """The predictions in *answers* and their labels, as far as they are known (None: none is)."""
    if not answers.height:
        return None, None
    label = answers["label"] if "label" in answers.columns else None
    return predictions_of(answers), None if label is None or label.null_count() == len(label) else label


def clean(answers: pl.DataFrame) -> pl.DataFrame:
    """The *answers* whose scores are all there."""
    scores = _scores(answers)
    return answers.drop_nulls(scores) if any(answers[name].null_count() for name in scores) else answers


def features_of(rows: pl.DataFrame, champion: Champion) -> pl.DataFrame:
    """Logged *rows* with features under their own names, in the types that *champion* learned from where they fit.

    A column of the log that is called like a feature, such as ``version``, is left out.
    """
    made = []
    for values in rows.iter_columns():
        if not values.name.startswith(FEATURE):
            if FEATURE + values.name not in rows.columns:
                made.append(values)
            continue
        own = values.name.removeprefix(FEATURE)
        column = champion.reference.columns.get(own)
        kind = "" if column is None or not column.profile.types else column.profile.types[0]
        made.append(_as_learned(values, kind).alias(own))
    return pl.DataFrame(made)


def _only_features(rows: pl.DataFrame, champion: Champion) -> pl.DataFrame:
    names = [FEATURE + name for name in champion.reference.columns if FEATURE + name in rows.columns]
    return features_of(pl.DataFrame([rows[name] for name in names]), champion)


def _as_learned(values: pl.Series, kind: str) -> pl.Series:
    """A logged column in the type it was learned in. The log knows fewer types; a value is never changed."""
    here = values.dtype
    if str(here) == kind or not kind:
        return values
    wanted = getattr(pl, kind, None)
    if wanted in (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64, pl.Float32):
        whole = here.is_integer() or (here.is_float() and bool((values.floor() == values).all()))
        if not whole and wanted != pl.Float32 and here != pl.String:
            return values
        read = values.cast(wanted, strict=False)
        return values if read.null_count() > values.null_count() else read
    if wanted == pl.Float64 and (here.is_numeric() or here == pl.String):
        return values.cast(pl.Float64, strict=False)
    if wanted == pl.Categorical and here == pl.String:
        return values.cast(pl.Categorical)
    if kind.startswith("Datetime") and isinstance(here, pl.Datetime) and "time_zone=None" in kind:
        return values.dt.replace_time_zone(None)
    return values


def _answered(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows that the model itself answered."""
    if "prediction" not in rows.columns:
        return rows.clear()
    kept = rows
    if rows["prediction"].null_count():
        kept = kept.filter(pl.col("prediction").is_not_null())
    if kept["flags"].null_count() < kept.height:
        kept = kept.filter(OWN)
    return kept


def thinned(rows: pl.DataFrame, total: int, limit: int) -> pl.DataFrame:
    """Of *rows*, a part of *total* ones, so many that about *limit* of all are kept: short stretches, evenly spread."""
    share = min(limit / max(total, 1), 1.0)
    if share == 1.0:
        return rows
    # stretches are copied much faster than single rows are gathered
    stretch = -(-rows.height // STRETCHES)
    taken = round(stretch * share)
    return pl.concat([rows.slice(begin, taken) for begin in range(0, max(rows.height, 1), max(stretch, 1))]).rechunk()


def _stacked(parts: Sequence[pl.DataFrame], columns: Sequence[str]) -> pl.DataFrame:
    if not parts:
        return pl.DataFrame(schema=dict.fromkeys(columns, pl.Null))
    return segments.in_order(pl.concat(parts))


def _versions(rows: pl.DataFrame) -> list[tuple[int, int]]:
    """How many rows each version answered."""
    if rows.height and rows["version"].min() == rows["version"].max():
        return [(rows["version"][0], rows.height)]
    return rows["version"].value_counts().rows()


def of_version(rows: pl.DataFrame, version: int) -> pl.DataFrame:
    """The rows that *version* answered; the very same where it answered all."""
    if rows.height and rows["version"].min() == rows["version"].max() == version:
        return rows
    return rows.filter(pl.col("version") == version)
