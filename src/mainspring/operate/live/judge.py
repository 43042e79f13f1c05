"""Judging one window of the prediction log, and writing down what was found: the rehearsal's judging on logged rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import polars as pl

from mainspring.contract.metric import METRICS
from mainspring.core.errors import NotFound, StoreError
from mainspring.core.estimate import Estimate
from mainspring.evaluate.requirements import verdicts
from mainspring.monitor.baseline import prediction_frame
from mainspring.monitor.profile import Reference
from mainspring.monitor.service import refused_signal, service_signals
from mainspring.monitor.service_point import KEPT, ServicePoint, seasons
from mainspring.monitor.signals import MOSTLY_LABELLED, Counted, Judgement, Signal, judge_counted
from mainspring.monitor.stream import LossStream
from mainspring.operate import budget
from mainspring.operate.diagnosis import Evidence, unit_change
from mainspring.operate.fault import COMPARED, Tracker
from mainspring.operate.fold import OUTPUTS, QUIET
from mainspring.operate.history import Stretch
from mainspring.operate.live import document, measured, service
from mainspring.operate.live import rows as logged
from mainspring.operate.live.champions import Champions, headline
from mainspring.operate.live.damage import is_damaged
from mainspring.operate.live.desk import desk_of
from mainspring.operate.live.document import ASKING, RECENT, Asking, Judged, Memory, Place
from mainspring.operate.live.measured import values
from mainspring.operate.live.news import merged
from mainspring.operate.live.rows import ANSWERS, SAMPLE, Gathered, LoggedRows, clean, of_version, thinned, told
from mainspring.operate.live.windows import stamp
from mainspring.operate.rollout.canary import predictions as predictions_of
from mainspring.operate.trigger import moved, triggers
from mainspring.serve.log import merge
from mainspring.serve.log.read import FOREIGN, SLACK, TOLERANCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mainspring.contract import Contract, Verdict
    from mainspring.core.predictions import Predictions
    from mainspring.ledger.ports import Incident, Segment
    from mainspring.operate.champion import Champion
    from mainspring.operate.live.champions import Known
    from mainspring.operate.live.news import Touched
    from mainspring.operate.live.watch import Found
    from mainspring.operate.live.windows import LiveWindow
    from mainspring.workspace import Workspace

BEFORE = 4
"""A window is explained beside so many before it."""
FEWEST_LATE = 30
"""When labels are due, so many of them are enough to speak."""
GROWTH = 0.1
"""A window is judged again when its labels have grown by this share, ..."""
AT_LEAST = timedelta(days=1)
"""... and for fewer when it was judged last so long ago."""


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
        self._is_as_expected = True  # the last window was answered by its champion
        self.blind = ""
        """Why labels cannot be read, where that is so."""

    def new(self, memory: Memory, window: LiveWindow, found: Found, following: LiveWindow | None = None) -> Memory:
        """Judge a window that has just ended; the rows of the one *following* it are begun to be read meanwhile.

        Raises Refused where somebody else wrote since *memory* was read.
        """
        if memory.next is not None and memory.next > window.start:
            return memory  # somebody else has judged it meanwhile
        known, gathered = self._gathered(memory, window, following)
        point = ServicePoint.of(gathered.service, window.seconds)
        quiet_end = memory.points and not memory.points[-1].requests and not point.requests
        alerts = self._service(memory, window, point)
        judged = Judged(
            start=window.start, end=window.end, index=memory.index, version=0, rows=gathered.rows,
            judged=self._workspace.clock.now(), service=point,
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
            held = self._of_service(gathered)
            alerts = [*alerts, *measured.unkept(held)]
            return self._commit(after, judged, [one for one in alerts if one.breached], found, verdicts=held)
        index = memory.index + 1
        looked, stream = self._looked(memory, window, known, gathered)
        champion = looked.champion
        held = self._verdicts(looked, gathered)
        burning = self._burning(memory, window, held)
        alerts = [*alerts, *measured.unkept(held), *measured.broken(held, burning), *burning]
        breaches = [*looked.judgement.breaches, *(one for one in alerts if one.breached)]
        present = champion.version == self._champions.now
        breaches = [one for one in breaches if present or not _about_answers(one)]
        asked = triggers(breaches, measured.telling(held), champion.importance) if present else {}
        judged = replace(
            judged,
            index=index,
            version=champion.version,
            labelled=looked.labelled,
            values=values(looked.judgement.realised),
            estimated=values(looked.judgement.estimated),
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
        after = self._streaming(after, champion.version, stream)
        if not champion.own and champion.baseline is not None:
            said = prediction_frame(predictions_of(clean(gathered.answers)), positive=champion.baseline.positive)
            after = replace(after, answers=Reference.fit(said).as_dict(), answering=champion.version)
        after, broken = self._faults(after, looked, known)
        return self._commit(
            after, judged, breaches, found, looked=looked, verdicts=held, broken=broken, known=known,
            measured=stream is not None,
        )  # fmt: skip

    def again(self, memory: Memory, touched: Touched, found: Found) -> Memory:
        """Judge a window again, whose rows or labels may have changed."""
        window = touched.judged.window
        before = document.judged(self._ledger.states, self._model, window)
        if before is None or before.unread:
            return memory
        judged = replace(before, waiting=before.waiting + touched.labels)
        if touched.rows:
            known, late = self._gathered(memory, window)
            if late.rows > before.rows:
                looked, stream = self._looked(memory, window, known, late, entered=before.streamed)
                return self._rejudged(memory, judged, known, looked, late, stream, found, late_rows=True)
        if not before.version or not self._is_worth(memory, judged):
            return memory if judged == before else self._noted(memory, judged)
        judged, said = replace(judged, waiting=0, judged=self._workspace.clock.now()), self.rows.answers(window)
        if said.height < before.rows:
            # the others are too old by now to be in the log: what was found of all of them stands
            return self._noted(memory, judged)
        counted = self._counts(before.counts)
        gathered = None
        known = self._known(memory, before.version)
        if counted is None:
            known, gathered = self._gathered(memory, window)
        looked, stream = self._looked(
            memory, window, known, gathered, counted=counted, said=said, entered=before.streamed
        )
        if (looked.labelled, values(looked.judgement.realised)) == (before.labelled, before.values):
            return self._noted(memory, judged)
        return self._rejudged(memory, judged, known, looked, gathered, stream, found, late_rows=False)

    def _rejudged(
        self,
        memory: Memory,
        before: Judged,
        known: Known,
        looked: _Looked,
        gathered: Gathered | None,
        stream: LossStream | None,
        found: Found,
        *,
        late_rows: bool,
    ) -> Memory:
        """Tell what a window shows now and did not before."""
        champion = looked.champion
        held = self._verdicts(looked, gathered, judged=before)
        fresh = self._news(memory, before, looked, held, late_rows=late_rows)
        present = champion.version == self._champions.now
        telling = measured.telling(held) if memory.index - before.index < QUIET else ()
        asked = triggers(fresh, telling, champion.importance) if present else {}
        judged = replace(
            before,
            version=champion.version,
            rows=before.rows if gathered is None else gathered.rows,
            labelled=looked.labelled,
            waiting=0,
            judged=self._workspace.clock.now(),
            values=values(looked.judgement.realised),
            estimated=values(looked.judgement.estimated),
            alerts=(*before.alerts, *(one.text for one in fresh)),
            told=(*before.told, *map(_name, fresh)),
            streamed=before.streamed or stream is not None,
            counts=before.counts if gathered is None or gathered.counted is None else self._put(gathered.counted),
        )
        after = replace(memory, labelled=memory.labelled + looked.labelled - before.labelled)
        if asked:
            made = Asking(number=memory.asked + 1, index=memory.index, version=champion.version, triggers=asked)
            after = replace(after, asked=made.number, asking=(*memory.asking, made)[-ASKING:])
        after = self._streaming(after, champion.version, stream)
        return self._commit(
            after, judged, fresh, found, looked=looked, verdicts=held, known=known, late=True,
            measured=stream is not None,
        )  # fmt: skip

    def settle(self, memory: Memory, news: Sequence[Segment]) -> Memory:
        """Remember that the segments *news* have been looked at."""
        seen = max((one.id for one in news), default=0)
        if seen <= memory.seen:
            return memory
        return document.remember(self._ledger.states, self._model, replace(memory, seen=seen))

    def tidied(self, memory: Memory) -> Memory:
        """Forget what is of no more use: counts of windows whose labels are there, documents older than the log."""
        states, now = self._ledger.states, self._workspace.clock.now()
        delay, head = self._contract.monitor.label_delay, f"{self._model}/"
        limit = now - TOLERANCE - (delay if isinstance(delay, timedelta) else timedelta())
        since = memory.tidied or FOREIGN
        kept, broken = merge.kept(self._workspace, self._model), memory.broken
        old = list(document.between(states, self._model, since, limit))
        # what was judged long after its time is kept as long as if it had been judged in time
        limit = next((one.start for one in old if one.judged >= limit), limit)
        counted = [one for one in old if one.counts and one.start < limit]
        with self._ledger.together():
            for one in counted:
                document.keep(states, self._model, replace(one, counts=""))
            if kept is not None:
                until = stamp(now - kept - timedelta(seconds=memory.longest))
                for state in states.search(document.WINDOW, head, until=f"{head}{until}", limit=1_000):
                    states.delete(document.WINDOW, state.key)
                broken = {name: tuple(one for one in each if one[1] > now - kept) for name, each in broken.items()}
            if limit > since:
                memory = document.remember(states, self._model, replace(memory, tidied=limit, broken=broken))
        for one in counted:  # where labels come all the same, they are made again
            self._workspace.store.delete(one.counts)
        return memory

    def _known(self, memory: Memory, version: int) -> Known:
        """A version, with its own answers to compare with as soon as they are known."""
        known = self._champions.get(version)
        if known.champion.own or memory.answers is None or memory.answering != version:
            return known
        return replace(known, champion=known.champion.answering(Reference.from_dict(memory.answers)))

    def _gathered(
        self, memory: Memory, window: LiveWindow, following: LiveWindow | None = None
    ) -> tuple[Known, Gathered]:
        """The rows of *window*, counted against the version that answered most of them."""
        version = self._champions.at(window.end)
        labels, known, begin = self._has_labels(window), self._known(memory, version), None
        is_sure = known.champion.own and self._is_as_expected
        if following is not None and is_sure and self._champions.at(following.end) == version:
            begin = partial(self.rows.begin, following, known.champion, labels=self._has_labels(following))
        try:
            gathered = self.rows.gather(window, known.champion, labels=labels, then=begin)
        except (StoreError, NotFound) as error:
            if not labels or is_damaged(self._workspace, self._model, window):
                raise
            labels, self.blind = False, str(error)
            gathered = self.rows.gather(window, known.champion, labels=labels)
        most = max(gathered.versions, key=lambda one: (gathered.versions[one], one), default=version)
        self._is_as_expected = most == version
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
        said: pl.DataFrame | None = None,
        entered: bool = False,
    ) -> tuple[_Looked, LossStream | None]:
        """Judge the counts of a window and its answers; the second is the loss stream after it, where it moved on.

        A window enters the stream once, when most of its labels are there, or those that were due.
        """
        champion = known.champion
        mine = gathered.answers if gathered is not None else self.rows.answers(window) if said is None else said
        answers = clean(mine if gathered is not None else of_version(mine, champion.version))
        labelled = gathered.labelled if gathered is not None else answers.height - answers["label"].null_count()
        predictions, truth = told(thinned(answers, answers.height, ANSWERS))
        sampled = 0 if truth is None else len(truth) - truth.null_count()
        stream = None
        if memory.stream is not None and memory.streaming == champion.version:
            stream = LossStream.from_dict(memory.stream)
        enters = not entered and predictions is not None and self._ripe(memory, window, sampled, len(predictions))
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
        looked = _Looked(champion, found, logged.features_of(rows, champion), *told(rows), labelled)
        return looked, found.stream if enters else None

    def _streaming(self, memory: Memory, version: int, stream: LossStream | None) -> Memory:
        """The memory with the loss *stream* of *version*: late labels of one before do not displace the champion's."""
        now = self._champions.now
        if stream is None or (version != now and memory.streaming == now):
            return memory
        return replace(memory, stream=stream.as_dict(), streaming=version)

    def _ripe(self, memory: Memory, window: LiveWindow, labelled: int, answers: int) -> bool:
        """Whether the labels of *window* are there, as far as they will come."""
        if labelled >= max(MOSTLY_LABELLED * answers, 1):
            return True
        return labelled >= FEWEST_LATE and self._is_due(memory, window)

    def _is_due(self, memory: Memory, window: LiveWindow) -> bool:
        """Whether the labels of *window* should be there by now."""
        delay = self._contract.monitor.label_delay
        if isinstance(delay, timedelta):
            return self._workspace.clock.now() >= window.end + delay
        if delay is None or not memory.recent:
            return False
        since = sum(place.rows for place in memory.recent if place.start >= window.end)
        return since >= delay or window.end < memory.recent[0].start

    def _is_worth(self, memory: Memory, judged: Judged) -> bool:
        """Whether so many labels wait that a window is to be judged again: each time costs what its rows cost."""
        known, window = judged.labelled + judged.waiting, judged.window
        if not judged.waiting or judged.waiting >= GROWTH * judged.labelled or known >= judged.rows:
            return True
        if not judged.streamed and known >= FEWEST_LATE and self._is_due(memory, window):
            return True
        return self._workspace.clock.now() - judged.judged >= max(window.end - window.start, AT_LEAST)

    def _verdicts(
        self, looked: _Looked, gathered: Gathered | None, *, judged: Judged | None = None
    ) -> tuple[Verdict, ...]:
        """The contract held against the window."""
        if not self._contract.requirements:
            return ()
        served = {} if gathered is None else gathered.service.metrics
        if gathered is None and judged is not None and judged.service is not None:
            served = measured.service(judged.service)
        rows = looked.judgement.rows

        def held(confidence: float | None) -> tuple[Verdict, ...]:
            return verdicts(
                self._contract,
                looked.truth,
                looked.predictions,
                looked.sample,
                stage="live",
                drifted_columns=looked.judgement.drift.drifted,
                service=served,
                counted={"row_count": Estimate(float(rows), rows=rows), **measured.nulls(looked.judgement)},
                confidence=confidence,
                seed=self._seed,
            )

        found = held(None)
        # how sure a failure is takes resampling, which is worth it only where there is one
        return held(0.95) if any(one.blocks and METRICS[one.metric].kind == "quality" for one in found) else found

    def _of_service(self, gathered: Gathered) -> tuple[Verdict, ...]:
        """The requirements on how the endpoint serves, of a window in which nothing was answered."""
        found = verdicts(
            self._contract, None, None, pl.DataFrame(), stage="live", service=gathered.service.metrics, confidence=None
        )  # fmt: skip
        return tuple(one for one in found if METRICS[one.metric].kind == "service" and one.value is not None)

    def _burning(self, memory: Memory, window: LiveWindow, held: Sequence[Verdict]) -> list[Signal]:
        """The error budgets that burn fast by what *window* broke."""
        if not measured.at_risk(held):
            return []
        longest = timedelta(seconds=max(memory.longest, window.seconds))
        since = window.end - max(budget.reach(self._contract.slo.over), budget.WINDOWS * longest)
        states, until = self._ledger.states, window.start
        before = budget.records(states, self._model, since=since, until=until, longest=longest)
        return measured.burning(self._contract, held, before, window)

    def _news(
        self, memory: Memory, judged: Judged, looked: _Looked, held: Sequence[Verdict], *, late_rows: bool
    ) -> list[Signal]:
        """What is breached now and was not told of this window."""
        present = looked.champion.version == self._champions.now
        tracker = Tracker.from_dict(memory.faults)
        place = Stretch(judged.index, judged.index + 1)
        fresh = []
        burning = self._burning(memory, judged.window, held)
        for one in (*looked.judgement.breaches, *measured.broken(held, burning), *burning):
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
        tracker = Tracker.from_dict(memory.faults)
        index = memory.index
        champion = looked.champion

        def changed(name: str, since: int) -> str:
            if name not in looked.sample.columns or not looked.sample.schema[name].is_numeric():
                return ""
            return unit_change(self._usual(name, since, memory, tracker, known), looked.sample[name])

        before = Stretch(index - 1, index) if index > 0 else None
        drifted = moved(looked.judgement.drift, champion.importance)
        new, broken = tracker.look(Stretch(index, index + 1), drifted, before, changed)
        tracker.forget(index - RECENT)
        words = tuple(f"{fault.column} {fault.words}" for fault in new)
        since = {place.index: place.start for place in memory.recent}
        until = memory.recent[-1].end
        spans = {
            name: (*memory.broken.get(name, ()), (since.get(one.start, memory.recent[-1].start), until))
            for name, one in broken.items()
        }
        kept = {name: tuple(merged(each)) for name, each in spans.items()}
        # a column that is set aside does no more harm; what began with it is over when it is mended
        cases = tuple(
            replace(one, last=index, quiet=0) if one.columns & tracker.open.keys() else one for one in memory.cases
        )
        return replace(memory, faults=tracker.as_dict(), broken={**memory.broken, **kept}, cases=cases), words

    def _usual(self, name: str, since: int, memory: Memory, tracker: Tracker, known: Known) -> pl.Series:
        """The values of a column in the last sound windows before number *since*."""
        sound = [
            place
            for place in memory.recent
            if place.index < since and not tracker.touches(Stretch(place.index, place.index + 1))
        ]
        parts = [
            self.rows.features(place.window, known.champion, limit=SAMPLE // COMPARED) for place in sound[-COMPARED:]
        ]
        found = [part[name].cast(pl.Float64, strict=False) for part in parts if name in part.columns]
        if not found and name in known.examples.columns:
            found = [known.examples[name].cast(pl.Float64, strict=False)]
        return pl.concat(found) if found else pl.Series(name, [], dtype=pl.Float64)

    def _evidence(self, memory: Memory, judged: Judged, looked: _Looked, known: Known) -> Evidence:
        """What a diagnosis may look at."""
        earlier = [place for place in memory.recent if place.index < judged.index][-BEFORE:]
        parts = [self.rows.features(place.window, known.champion, limit=SAMPLE // BEFORE) for place in earlier]
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
        measured: bool = False,
    ) -> Memory:
        """Fold the *alerts*, and write everything down together."""
        port, states = self._ledger.incidents, self._ledger.states
        desk = desk_of(self._workspace, self._model, memory.cases)

        def evidence() -> Evidence | None:
            if looked is None or known is None:
                return None
            return self._evidence(memory, judged, looked, known)

        served = [one for one in alerts if one.kind == "service"]
        others = [one for one in alerts if one.kind != "service"]
        draft = desk.draw(max(memory.index, 0), others, evidence, measured=measured)
        where = judged.window.words
        opened: tuple[Incident, ...] = ()
        with self._ledger.together():
            opened = desk.keep(draft, where=f"{where} (late)" if late else where)
            opened += service.tell(self._workspace, self._contract, judged.window, served)
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

    def _noted(self, memory: Memory, judged: Judged) -> Memory:
        """Write down that a window was looked at and is as it was. Raises Refused where somebody else judged it."""
        document.keep(self._ledger.states, self._model, judged)
        return memory

    def _service(self, memory: Memory, window: LiveWindow, point: ServicePoint) -> list[Signal]:
        """What of the service shows in a long window only, and the refused requests of any."""
        share = self._contract.monitor.false_alarms / 2
        found = [refused_signal(memory.points, point, false_alarms=share)]
        if service.is_longer(self._contract, window):
            span = self._contract.monitor.window
            lags = () if isinstance(span, int) else seasons(span)  # windows by rows know no hours
            found += service_signals(memory.points, point, false_alarms=share / 2, seasons=lags)
        return found

    def _has_labels(self, window: LiveWindow) -> bool:
        """Whether there may be labels of the rows of *window*."""
        ports = self._ledger.segments
        own = ports.search(model=self._model, kind="labels", since=window.start - SLACK, limit=1)
        return bool(own or ports.search(model=self._model, kind="labels", until=FOREIGN + SLACK, limit=1))

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


def _about_answers(signal: Signal) -> bool:
    """Whether a signal is about the model rather than about the data or the endpoint."""
    return signal.kind == "performance" or signal.column in OUTPUTS


def _name(signal: Signal) -> str:
    return f"{signal.kind}:{signal.name}:{signal.column or ''}"
