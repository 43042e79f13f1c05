"""Judging one window of the prediction log, and writing down what was found: the rehearsal's judging on logged rows."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from mainspring.contract.metric import METRICS
from mainspring.core.errors import NotFound, StoreError
from mainspring.core.estimate import Estimate
from mainspring.evaluate.requirements import verdicts
from mainspring.monitor.profile import Reference
from mainspring.monitor.service import KEPT, service_signals
from mainspring.monitor.service_point import ServicePoint
from mainspring.monitor.signals import MOSTLY_LABELLED, Counted, Judgement, Signal, judge_counted
from mainspring.monitor.stream import LossStream
from mainspring.operate import budget
from mainspring.operate.contest import surely_fails
from mainspring.operate.diagnosis import Evidence, unit_change
from mainspring.operate.fault import COMPARED, Tracker
from mainspring.operate.fold import OUTPUTS, QUIET
from mainspring.operate.history import Stretch
from mainspring.operate.incident import Desk
from mainspring.operate.live import document
from mainspring.operate.live.champions import Champions, headline
from mainspring.operate.live.document import ASKING, RECENT, Asking, Judged, Memory, Place
from mainspring.operate.live.rows import ANSWERS, SAMPLE, Gathered, LoggedRows, clean, said_in, thinned, told
from mainspring.operate.trigger import moved, triggers
from mainspring.serve.log.read import FOREIGN, SLACK, TOLERANCE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mainspring.contract import Contract, Verdict
    from mainspring.core.predictions import Predictions
    from mainspring.ledger.ports import Incident, Segment
    from mainspring.operate.champion import Champion
    from mainspring.operate.live.champions import Known
    from mainspring.operate.live.watch import Found
    from mainspring.operate.live.windows import LiveWindow
    from mainspring.workspace import Workspace

BEFORE = 4
"""A window is explained beside so many before it."""
FEWEST_LATE = 30
"""When labels are due, so many of them are enough to speak."""
_SEASONS = (timedelta(days=1), timedelta(weeks=1))


@dataclass(frozen=True, slots=True)
class _Looked:
    """A window as it was judged. ``sample``: some rows with features and their predictions and truth, in step."""

    champion: Champion
    judgement: Judgement
    sample: pl.DataFrame
    predictions: Predictions | None
    truth: pl.Series | None
    labelled: int


class Judge:
    """Judges windows of one model, one after the other."""

    def __init__(self, contract: Contract, workspace: Workspace, *, seed: int = 0) -> None:
        """Judge by *contract*, on the log and with the versions of *workspace*."""
        self._contract, self._workspace, self._seed = contract, workspace, seed
        self._ledger = workspace.ledger
        self._model = contract.project.name
        self._champions = Champions(workspace, self._model)
        self.rows = LoggedRows(workspace, self._model, contract)

    def new(self, memory: Memory, window: LiveWindow, found: Found) -> Memory:
        """Judge a window that has just ended. Raises Refused where somebody else wrote since *memory* was read."""
        if memory.next is not None and memory.next > window.start:
            return memory  # somebody else has judged it meanwhile
        known, gathered = self._gathered(memory, window)
        logged, labels = self.rows.sums(window)
        point = ServicePoint.of(gathered.service, window.seconds)
        quiet_end = memory.points and not memory.points[-1].requests and not point.requests
        alerts = service_signals(
            memory.points, point, false_alarms=self._contract.monitor.false_alarms / 2, seasons=self._seasons(window)
        )
        judged = Judged(
            start=window.start, end=window.end, index=memory.index, version=0, rows=gathered.rows, logged=logged,
            labels=labels, judged=self._workspace.clock.now(), service=point,
        )  # fmt: skip
        after = replace(
            memory,
            next=window.end,
            silent=0 if gathered.rows else memory.silent + 1,
            longest=max(memory.longest, window.seconds),
            # a long silence is one thing to remember, not many
            points=memory.points if quiet_end else (*memory.points, point)[-KEPT:],
        )
        if not gathered.rows:
            return self._commit(after, judged, [one for one in alerts if one.breached], found)
        index = memory.index + 1
        looked, stream = self._looked(memory, window, known, gathered)
        champion = looked.champion
        held = self._verdicts(looked, gathered)
        alerts = [*alerts, *_unkept(held), *_broken(held)]
        breaches = [*looked.judgement.breaches, *(one for one in alerts if one.breached)]
        present = champion.version == self._champions.now
        breaches = [one for one in breaches if present or not _about_answers(one)]
        asked = triggers(breaches, held, champion.importance) if present else {}
        judged = replace(
            judged,
            index=index,
            version=champion.version,
            labelled=looked.labelled,
            values=_values(looked.judgement.realised),
            estimated=_values(looked.judgement.estimated),
            alerts=tuple(one.text for one in breaches),
            told=tuple(map(_name, breaches)),
            streamed=stream is not None,
            counts="" if gathered.counted is None else self._put(gathered.counted),
        )
        place = Place(index=index, start=window.start, end=window.end, rows=gathered.rows, version=champion.version)
        after = replace(
            after,
            index=index,
            labelled=memory.labelled + looked.labelled,
            recent=(*memory.recent, place)[-RECENT:],
            asked=memory.asked + 1,
            asking=(
                *memory.asking, Asking(number=memory.asked + 1, index=index, version=champion.version, triggers=asked)
            )[-ASKING:],
        )  # fmt: skip
        if stream is not None:
            after = replace(after, stream=stream.as_dict(), streaming=champion.version)
        if not champion.own and champion.baseline is not None:
            said = Reference.fit(said_in(clean(gathered.answers), champion.baseline))
            after = replace(after, answers=said.as_dict(), answering=champion.version)
        after, broken = self._faults(after, looked, known)
        return self._commit(after, judged, breaches, found, looked=looked, verdicts=held, broken=broken, known=known)

    def again(self, memory: Memory, judged: Judged, found: Found) -> Memory:
        """Judge a window again, whose rows or labels may have changed."""
        window = judged.window
        logged, labels = self.rows.sums(window)
        before = document.judged(self._ledger.states, self._model, window)
        if before is None:
            return memory
        judged = before
        late_rows = logged > judged.logged
        if not judged.version and not late_rows:
            return memory
        counted = None if late_rows else self._counts(judged.counts)
        if counted is None:
            known, gathered = self._gathered(memory, window)
        else:
            known = self._known(memory, judged.version)
            gathered = None
        if gathered is not None and not gathered.rows:
            return self._noted(memory, replace(judged, logged=logged, labels=labels))
        looked, stream = self._looked(memory, window, known, gathered, counted=counted, entered=judged.streamed)
        if gathered is None and (looked.labelled, _values(looked.judgement.realised)) == (
            judged.labelled,
            judged.values,
        ):
            return self._noted(memory, replace(judged, labels=labels))
        champion = looked.champion
        held = self._verdicts(looked, gathered, judged=judged)
        fresh = self._news(memory, judged, looked, held, late_rows=late_rows)
        present = champion.version == self._champions.now
        asked = (
            triggers(fresh, held if memory.index - judged.index < QUIET else (), champion.importance) if present else {}
        )
        rows = judged.rows if gathered is None else gathered.rows
        judged = replace(
            judged,
            version=champion.version,
            rows=rows,
            logged=logged,
            labels=labels,
            labelled=looked.labelled,
            judged=self._workspace.clock.now(),
            values=_values(looked.judgement.realised),
            estimated=_values(looked.judgement.estimated),
            alerts=(*judged.alerts, *(one.text for one in fresh)),
            told=(*judged.told, *map(_name, fresh)),
            streamed=judged.streamed or stream is not None,
            counts=judged.counts if gathered is None or gathered.counted is None else self._put(gathered.counted),
        )
        after = replace(memory, labelled=memory.labelled + looked.labelled - before.labelled)
        if asked:
            made = Asking(number=memory.asked + 1, index=memory.index, version=champion.version, triggers=asked)
            after = replace(after, asked=made.number, asking=(*memory.asking, made)[-ASKING:])
        if stream is not None:
            after = replace(after, stream=stream.as_dict(), streaming=champion.version)
        return self._commit(after, judged, fresh, found, looked=looked, verdicts=held, known=known, late=True)

    def note(self, memory: Memory, alerts: Sequence[Signal], *, where: str) -> tuple[Incident, ...]:
        """Fold *alerts* that are of no window. Gives the incidents opened by them."""
        desk = self._desk(memory)
        draft = desk.draw(max(memory.index, 0), alerts, lambda: None)
        with self._ledger.together():
            opened = desk.keep(draft, where=where)
            document.remember(self._ledger.states, self._model, replace(memory, cases=desk.open))
        return opened

    def touched(self, memory: Memory, news: Sequence[Segment]) -> Iterator[Judged]:
        """The judged windows in which rows or labels of the segments *news* may lie, in order."""
        spans = [(one.start, one.end) for one in news if one.kind == "predictions"]
        for one in news:
            if one.kind == "labels":
                spans += self._about(one, memory)
        if not spans:
            return
        first = min(start for start, _ in spans) - timedelta(seconds=memory.longest)
        last = max(end for _, end in spans)
        for judged in document.between(self._ledger.states, self._model, first, last):
            if any(judged.window.overlaps(start, end) for start, end in spans):
                yield judged

    def settle(self, memory: Memory, news: Sequence[Segment]) -> Memory:
        """Remember that the segments *news* have been looked at."""
        seen = max((one.id for one in news), default=0)
        if seen <= memory.seen:
            return memory
        return document.remember(self._ledger.states, self._model, replace(memory, seen=seen))

    def _known(self, memory: Memory, version: int) -> Known:
        """A version, with its own answers to compare with as soon as they are known."""
        known = self._champions.get(version)
        if known.champion.own or memory.answers is None or memory.answering != version:
            return known
        return replace(known, champion=known.champion.answering(Reference.from_dict(memory.answers)))

    def _gathered(self, memory: Memory, window: LiveWindow) -> tuple[Known, Gathered]:
        """The rows of *window*, counted against the version that answered most of them."""
        version = self._champions.at(window.end)
        if version is None:
            version = self._champions.registry.versions(self._model)[0].version
        labels = self._has_labels(window)
        known = self._known(memory, version)
        gathered = self.rows.gather(window, known.champion, labels=labels)
        most = max(gathered.versions, key=lambda one: (gathered.versions[one], one), default=version)
        if most != version:
            known = self._known(memory, most)
            gathered = self.rows.gather(window, known.champion, labels=labels)
        return known, gathered

    def _looked(
        self,
        memory: Memory,
        window: LiveWindow,
        known: Known,
        gathered: Gathered | None,
        *,
        counted: Counted | None = None,
        entered: bool = False,
    ) -> tuple[_Looked, LossStream | None]:
        """Judge the counts of a window and its answers; the second is the loss stream after it, where it moved on.

        A window enters the stream once, when most of its labels are there, or those that were due.
        """
        champion = known.champion
        answers = clean(self.rows.answers(window, champion.version) if gathered is None else gathered.answers)
        labelled = gathered.labelled if gathered is not None else answers.height - answers["label"].null_count()
        predictions, truth = told(thinned(answers, answers.height, ANSWERS))
        sampled = 0 if truth is None else len(truth) - truth.null_count()
        stream = None
        if memory.stream is not None and memory.streaming == champion.version:
            stream = LossStream.from_dict(memory.stream)
        enters = not entered and predictions is not None and self._ripe(window, sampled, len(predictions))
        whole = gathered.counted if gathered is not None else counted
        if whole is None:
            raise StoreError(f"The counts of the window of {window.words} are gone.")
        found = judge_counted(
            champion.reference,
            self._contract,
            whole,
            predictions=predictions,
            truth=truth,
            baseline=champion.baseline,
            stream=stream,
            ignore=self._contract.personal,
            confidence=None,
            seed=self._seed,
        )
        _, found = champion.after(found)
        if not enters:
            found = replace(found, signals=tuple(one for one in found.signals if one.name != "loss stream"))
        if gathered is not None:
            rows = clean(gathered.sample)
        else:
            rows = clean(self.rows.sample(window, champion, limit=SAMPLE).filter(pl.col("version") == champion.version))
            rows = rows.join(answers.select("id", "label"), on="id", how="left", maintain_order="left")
        said, beside = told(rows)
        looked = _Looked(champion, found, rows, said, beside, labelled)
        return looked, found.stream if enters else None

    def _ripe(self, window: LiveWindow, labelled: int, answers: int) -> bool:
        """Whether the labels of *window* are there, as far as they will come."""
        if labelled >= max(MOSTLY_LABELLED * answers, 1):
            return True
        delay = self._contract.monitor.label_delay
        due = isinstance(delay, timedelta) and self._workspace.clock.now() >= window.end + delay
        return due and labelled >= FEWEST_LATE

    def _verdicts(
        self, looked: _Looked, gathered: Gathered | None, *, judged: Judged | None = None
    ) -> tuple[Verdict, ...]:
        """The contract held against the window."""
        if not self._contract.requirements:
            return ()
        service = {} if gathered is None else gathered.service.metrics
        if gathered is None and judged is not None and judged.service is not None:
            service = _service(judged.service)
        rows = looked.judgement.rows

        def held(confidence: float | None) -> tuple[Verdict, ...]:
            return verdicts(
                self._contract,
                looked.truth,
                looked.predictions,
                looked.sample,
                stage="live",
                drifted_columns=looked.judgement.drift.drifted,
                service=service,
                counted={"row_count": Estimate(float(rows), rows=rows), **_nulls(looked.judgement)},
                confidence=confidence,
                seed=self._seed,
            )

        found = held(None)
        # how sure a failure is takes resampling, which is worth it only where there is one
        return held(0.95) if any(one.blocks and METRICS[one.metric].kind == "quality" for one in found) else found

    def _news(
        self, memory: Memory, judged: Judged, looked: _Looked, held: Sequence[Verdict], *, late_rows: bool
    ) -> list[Signal]:
        """What is breached now and was not told of this window."""
        present = looked.champion.version == self._champions.now
        tracker = _tracker(memory)
        place = Stretch(judged.index, judged.index + 1)
        fresh = []
        for one in (*looked.judgement.breaches, *_broken(held)):
            if _name(one) in judged.told or (_about_answers(one) and not present):
                continue
            if one.kind != "performance" and not late_rows:
                continue
            if one.kind == "performance" and tracker.touches(place):
                continue  # what a broken column did to the answers is told by its own incident
            fresh.append(one)
        return fresh

    def _faults(self, memory: Memory, looked: _Looked, known: Known) -> tuple[Memory, tuple[str, ...]]:
        """Find columns that broke upstream. Gives the memory after it, and words on those that are new."""
        tracker = _tracker(memory)
        index = memory.index
        champion = looked.champion

        def changed(name: str, since: int) -> str:
            if name not in looked.sample.columns or not looked.sample.schema[name].is_numeric():
                return ""
            return unit_change(self._usual(name, since, memory, tracker, known), looked.sample[name])

        before = Stretch(index - 1, index) if index > 0 else None
        drifted = moved(looked.judgement.drift, champion.importance)
        new, _ = tracker.look(Stretch(index, index + 1), drifted, before, changed)
        tracker.forget(index - RECENT)
        words = tuple(f"{fault.column} {fault.words}" for fault in new)
        return replace(memory, faults=tracker.as_dict()), words

    def _usual(self, name: str, since: int, memory: Memory, tracker: Tracker, known: Known) -> pl.Series:
        """The values of a column in the last sound windows before number *since*."""
        sound = [
            place
            for place in memory.recent
            if place.index < since and not tracker.touches(Stretch(place.index, place.index + 1))
        ]
        parts = [
            self.rows.sample(place.window, known.champion, limit=SAMPLE // COMPARED) for place in sound[-COMPARED:]
        ]
        found = [part[name].cast(pl.Float64, strict=False) for part in parts if name in part.columns]
        if not found and name in known.examples.columns:
            found = [known.examples[name].cast(pl.Float64, strict=False)]
        return pl.concat(found) if found else pl.Series(name, [], dtype=pl.Float64)

    def _evidence(self, memory: Memory, judged: Judged, looked: _Looked, known: Known) -> Evidence:
        """What a diagnosis may look at."""
        earlier = [place for place in memory.recent if place.index < judged.index][-BEFORE:]
        parts = [self.rows.sample(place.window, known.champion, limit=SAMPLE // BEFORE) for place in earlier]
        names = [name for name in known.champion.reference.columns if name in looked.sample.columns]
        before = [part.select(names) for part in parts if part.height and set(names) <= set(part.columns)]
        since = earlier[-1].start if earlier else judged.start
        return Evidence(
            judgement=looked.judgement,
            frame=looked.sample,
            before=pl.concat(before) if before else known.examples,
            importance=known.champion.importance,
            metric=headline(self._contract),
            predictions=looked.predictions,
            truth=looked.truth,
            released=self._champions.news(since, judged.end),
        )

    def _commit(
        self,
        memory: Memory,
        judged: Judged,
        alerts: Sequence[Signal],
        found: Found,
        *,
        looked: _Looked | None = None,
        verdicts: Sequence[Verdict] = (),
        broken: Sequence[str] = (),
        known: Known | None = None,
        late: bool = False,
    ) -> Memory:
        """Fold the *alerts*, and write everything down together."""
        port, states = self._ledger.incidents, self._ledger.states
        desk = self._desk(memory)

        def evidence() -> Evidence | None:
            if looked is None or known is None:
                return None
            return self._evidence(memory, judged, looked, known)

        draft = desk.draw(max(memory.index, 0), alerts, evidence)
        where = judged.window.words
        opened: tuple[Incident, ...] = ()
        with self._ledger.together():
            opened = desk.keep(draft, where=f"{where} (late)" if late else where)
            for words in broken:
                for case in desk.open:
                    if case.kind != "service" and words.split(" ", 1)[0] in case.columns:
                        port.append(case.id, kind="note", text=f"{words}: as if it had broken upstream")
            document.keep(states, self._model, judged)
            if verdicts:
                budget.record(
                    states, model=self._model, start=judged.start, end=judged.end, version=judged.version,
                    rows=judged.rows, verdicts=verdicts,
                )  # fmt: skip
            memory = document.remember(states, self._model, replace(memory, cases=desk.open))
        (found.again if late else found.judged).append(judged)
        found.opened += opened
        return memory

    def _desk(self, memory: Memory) -> Desk:
        """The desk with the cases that nobody has closed meanwhile."""
        port = self._ledger.incidents
        open_now = {one.id for one in port.search(model=self._model, status="open", limit=10_000)}
        cases = [one for one in memory.cases if one.id in open_now]
        return Desk(port, model=self._model, clock=self._workspace.clock, cases=cases)

    def _noted(self, memory: Memory, judged: Judged) -> Memory:
        """Write down that a window was looked at and is as it was."""
        document.keep(self._ledger.states, self._model, judged)
        return memory

    def _has_labels(self, window: LiveWindow) -> bool:
        """Whether there may be labels of the rows of *window*."""
        ports = self._ledger.segments
        own = ports.search(model=self._model, kind="labels", since=window.start - SLACK, limit=1)
        return bool(own or ports.search(model=self._model, kind="labels", until=FOREIGN + SLACK, limit=1))

    def _about(self, labels: Segment, memory: Memory) -> list[tuple[Any, Any]]:
        """The stretches of time in which the predictions of a segment of labels may lie."""
        from mainspring.serve.log import segment

        rows = segment.read(self._workspace.store, labels, ["id", "about"])
        recent = memory.recent[0].start if memory.recent else labels.start
        by_id = rows.filter(pl.col("id").is_not_null())
        about = by_id.filter(pl.col("about") > FOREIGN + SLACK)["about"]
        minutes = about.dt.truncate("1m").unique().sort().to_list()
        spans: list[tuple[Any, Any]] = [(one - SLACK, one + 2 * SLACK) for one in minutes]
        if about.len() < by_id.height:
            spans.append((recent, self._workspace.clock.now()))
        by_entity = rows.filter(pl.col("id").is_null())["about"]
        if by_entity.len():
            spans.append((max(by_entity.min() - TOLERANCE, recent), by_entity.max()))  # type: ignore[operator]
        return spans

    def _seasons(self, window: LiveWindow) -> tuple[int, ...]:
        """The lags at which traffic may repeat itself, in windows; none for windows by rows."""
        span = self._contract.monitor.window
        if isinstance(span, int):
            return ()
        return tuple(season // span for season in _SEASONS if not season % span and season // span > 1)

    def _put(self, counted: Counted) -> str:
        return self._workspace.store.put(msgspec.json.encode(counted.as_dict()))

    def _counts(self, digest: str) -> Counted | None:
        """The counts of a window; None where they are not there any more and have to be made again."""
        if not digest:
            return None
        try:
            found = Counted.from_dict(msgspec.json.decode(self._workspace.store.get(digest)))
            return replace(found, said=None)  # the answers' bins may be others by now, and they were judged
        except (NotFound, StoreError):
            return None


def _tracker(memory: Memory) -> Tracker:
    return Tracker() if memory.faults is None else Tracker.from_dict(memory.faults)


def _about_answers(signal: Signal) -> bool:
    """Whether a signal is about the model rather than about the data or the endpoint."""
    return signal.kind == "performance" or signal.column in OUTPUTS


def _name(signal: Signal) -> str:
    return f"{signal.kind}:{signal.name}:{signal.column or ''}"


def _values(estimates: dict[str, Estimate]) -> dict[str, float | None]:
    return {name: one.value if math.isfinite(one.value) else None for name, one in estimates.items()}


def _unkept(held: Sequence[Verdict]) -> list[Signal]:
    """Service requirements that were not kept, as signals."""
    return [
        Signal(
            name=one.requirement,
            kind="service",
            value=one.value,
            low=0.0,
            high=one.bound,
            breached=True,
            rows=one.rows,
            text=f"{one.requirement} was not kept ({one.value:.4g})",
        )
        for one in held
        if one.result == "fail" and one.value is not None and METRICS[one.metric].kind == "service"
    ]


def _broken(held: Sequence[Verdict]) -> list[Signal]:
    """Musts on the model's quality that are surely broken, as signals.

    Bands say what is unusual for this model; a model whose quality has always gone up and down may break its contract
    without being unusual. A must is surely broken where the whole interval lies beyond its bound.
    """
    return [
        Signal(
            name=one.metric,
            kind="performance",
            value=one.value,
            low=one.bound if one.value < one.bound else None,
            high=one.bound if one.value > one.bound else None,
            breached=True,
            rows=one.rows,
            text=f"{one.requirement} was not kept ({one.value:.4g} on {one.rows:,} rows)",
        )
        for one in held
        if one.blocks and one.value is not None and METRICS[one.metric].kind == "quality" and surely_fails(one)
    ]


def _service(point: ServicePoint) -> dict[str, Estimate]:
    """The service metrics as far as they are remembered of a window."""
    found = {}
    if point.requests:
        found["error_rate"] = Estimate(point.failed / point.requests, rows=point.requests)
    for name, value in (("latency_p50_ms", point.p50), ("latency_p99_ms", point.p99)):
        if value is not None:
            found[name] = Estimate(value, rows=point.requests)
    return found


def _nulls(judgement: Judgement) -> dict[str, Estimate]:
    """The share of missing values among all rows, from the profile."""
    profiles = judgement.profile.columns.values()
    cells = sum(one.rows for one in profiles)
    if not cells:
        return {}
    return {"null_fraction": Estimate(sum(one.nulls for one in profiles) / cells, rows=judgement.rows)}
