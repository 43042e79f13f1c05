"""The closed loop over one model: judge a window, fold its alerts, decide by the policy, act.

Nothing here asks what time it is or where rows come from: the clock is passed in, and a window is handed over when it
has ended. A rehearsal over history and a live model run the very same code.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mainspring.evaluate.metric import difference
from mainspring.evaluate.requirements import verdicts
from mainspring.monitor.signals import Judgement, Signal, judge_window
from mainspring.operate.champion import Champion, crown, joined
from mainspring.operate.contest import contest
from mainspring.operate.diagnosis import Evidence
from mainspring.operate.fault import Faults
from mainspring.operate.history import Stretch
from mainspring.operate.policy import Decision, Done, Policy, Situation, decide
from mainspring.operate.trigger import moved, triggers

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from mainspring.contract import Contract, Verdict
    from mainspring.contract.policy import Trigger
    from mainspring.core.clock import Clock
    from mainspring.core.estimate import Estimate
    from mainspring.core.predictions import Predictions
    from mainspring.operate.fault import Fault
    from mainspring.operate.incident import Desk
    from mainspring.operate.learner import Challenger, Learner

RECORD = 4
"""What is expected of a new model rests on so many stretches that it, or its like, had not seen."""
TRIAL = 2
"""A new champion is on trial for so many windows: the one before it stands by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrained:
    """One retrain: whether its challenger went live, why, and by how much it beat the champion on unseen rows."""

    promoted: bool
    reason: str
    version: int
    gain: Estimate | None
    memory: str
    seconds: float
    fits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What happened after one window.

    ``version`` is the one in force from the next window on; ``faults``: columns that were found broken, in words.
    """

    window: int
    alerts: tuple[Signal, ...]
    decision: Decision
    version: int
    retrained: Retrained | None = None
    opened: tuple[int, ...] = ()
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A window whose labels are not all there yet."""

    index: int
    stretch: Stretch
    predictions: Predictions
    version: int


class Loop:
    """Watches and mends one model."""

    def __init__(
        self,
        champion: Champion,
        *,
        frame: pl.DataFrame,
        contract: Contract,
        learner: Learner,
        policy: Policy,
        desk: Desk,
        clock: Clock,
        metric: str,
        window: int,
        learned: int,
        record: Sequence[tuple[Stretch, Predictions]] = (),
        seed: int = 0,
    ) -> None:
        """Begin with *champion*, which learned from the first *learned* rows of *frame*.

        *record*: stretches that models of this kind had not seen, with what they said of them; the last few of these,
        and of the retrains to come, say what may be expected of a new model. *window*: rows of a usual window.
        *metric*: what models are compared by. Rows of *frame* are looked at only up to the end of the window that is
        handed over, labels only as far as they are said to be known.
        """
        self.champion = champion
        self.retrains: list[Done] = []
        self.seconds = 0.0
        self.fits = 0
        self._frame, self._contract, self._metric = frame, contract, metric
        self._learner, self._policy, self._desk, self._clock = learner, policy, desk, clock
        self._window, self._learned, self._seed = window, learned, seed
        self._released = champion.version
        self._waiting: list[_Waiting] = []
        self._on_trial: list[tuple[Stretch, Predictions]] = []
        self._known = learned
        self._record = deque(record, maxlen=RECORD)
        self._began = Done(-1, clock.now())
        self._news = ""
        self._faults = Faults(frame)
        self._last: Stretch | None = None

    @property
    def incidents(self) -> int:
        """How many incidents are open."""
        return len(self._desk.open)

    def predict(self, rows: pl.DataFrame) -> Predictions:
        """What the champion says of *rows*."""
        begun = time.thread_time()
        said = self.champion.model.predict(self._faults.without(rows))
        self.seconds += time.thread_time() - begun
        return said

    def after(
        self,
        index: int,
        stretch: Stretch,
        predictions: Predictions,
        *,
        known: int,
        where: str = "",
        last: bool = False,
    ) -> Step:
        """Judge window number *index*, for which the model gave *predictions*, and act.

        Labels are known for the rows before row *known*. *where* names the window for people. After the *last* window
        of a history nothing is retrained: nobody would be served.
        """
        begun = time.thread_time()
        self._known = known
        judgement, alerts = self._judge(index, stretch, predictions)
        opened = self._desk.note(index, alerts, self._evidence(stretch, predictions, judgement), where=where)
        self._news = ""
        faults = self._set_aside(stretch, judgement)
        self._on_trial.append((stretch, predictions))
        situation = self._situation(index, alerts, stretch, predictions)
        decision = decide(self._policy, situation)
        if last and decision.action != "hold":
            decision = Decision("hold", "history ends here", decision.trigger)
        retrained = None
        self.seconds += time.thread_time() - begun
        if decision.action == "retrain":
            retrained = self._retrain(index, decision)
        elif decision.action == "roll back":
            self._roll_back(index, decision)
        elif decision.trigger is not None:
            self._desk.act("hold", f"hold: {decision.reason}")
        if self.champion.before is not None and index + 1 - self.champion.since >= TRIAL:
            self.champion = self.champion.settled()
        return Step(
            window=index,
            alerts=alerts,
            decision=decision,
            version=self.champion.version,
            retrained=retrained,
            opened=tuple(incident.id for incident in opened),
            faults=tuple(f"{fault.column} {fault.words}" for fault in faults),
        )

    def _judge(self, index: int, stretch: Stretch, predictions: Predictions) -> tuple[Judgement, tuple[Signal, ...]]:
        """The window's judgement, and its alerts with those of earlier windows whose labels have come only now."""
        late = [w for w in self._waiting if w.stretch.end <= self._known and w.version == self.champion.version]
        self._waiting = [w for w in self._waiting if w.stretch.end > self._known]
        alerts: list[Signal] = []
        for window in late:
            if self._faults.touches(window.stretch):
                continue  # what a broken column did to the answers is told by its own incident
            found = self._judged(window.stretch, window.predictions)
            alerts += [signal for signal in found.breaches if signal.kind == "performance"]
        judgement = self._judged(stretch, predictions)
        self.champion = self.champion.known_by(predictions)
        if stretch.end > self._known:
            self._waiting.append(_Waiting(index, stretch, predictions, self.champion.version))
        alerts += judgement.breaches
        return judgement, tuple(alerts)

    def _judged(self, stretch: Stretch, predictions: Predictions) -> Judgement:
        champion = self.champion
        found = judge_window(
            champion.reference,
            self._contract,
            self._frame[stretch.start : stretch.end].select(
                name for name in self._frame.columns if name in champion.reference.columns
            ),
            predictions=predictions,
            truth=self._truth(stretch),
            baseline=champion.baseline,
            stream=champion.stream,
            seed=self._seed,
        )
        self.champion, found = champion.after(found)
        return found

    def _set_aside(self, stretch: Stretch, judgement: Judgement) -> tuple[Fault, ...]:
        """Find columns that broke upstream, and neither ask the model about them nor let it learn from them."""
        before = self._faults.sound
        new = self._faults.look(stretch, moved(judgement.drift, self.champion.importance), self._last)
        for fault in new:
            self._desk.act("set aside", f"{fault.column} {fault.words}: set aside until it looks as before")
        if self._faults.sound is not before:
            changed = min(fault.start for fault in self._faults.open.values())
            self._learner.learn_from(self._faults.sound, changed=changed)
        self._last = stretch
        return new

    def _truth(self, stretch: Stretch) -> pl.Series:
        """The labels of a window as far as they are known, null for the others."""
        import polars as pl

        labels = self._frame[self._contract.project.target][stretch.start : stretch.end]
        unknown = stretch.end - max(self._known, stretch.start)
        if unknown <= 0:
            return labels
        return pl.concat(
            [labels[: stretch.rows - unknown], pl.Series(labels.name, [None] * unknown, dtype=labels.dtype)]
        )

    def _evidence(self, stretch: Stretch, predictions: Predictions, judgement: Judgement) -> Evidence:
        return Evidence(
            judgement=judgement,
            frame=self._frame[stretch.start : stretch.end],
            before=self._faults.sound[max(0, stretch.start - 4 * self._window) : stretch.start],
            importance=self.champion.importance,
            metric=self._metric,
            predictions=predictions,
            truth=self._truth(stretch),
            released=self._news,
        )

    def _situation(
        self, index: int, alerts: tuple[Signal, ...], stretch: Stretch, predictions: Predictions
    ) -> Situation:
        return Situation(
            window=index,
            now=self._clock.now(),
            triggers=self._triggers(alerts, stretch, predictions),
            retrains=tuple(self.retrains),
            labelled=self._known - self._learned,
            worth=self._window,
            regret=self._regret(),
            began=self._began,
            broken=self._faults.words,
        )

    def _triggers(self, alerts: tuple[Signal, ...], stretch: Stretch, predictions: Predictions) -> dict[Trigger, str]:
        return triggers(alerts, self._verdicts(stretch, predictions), self.champion.importance)

    def _verdicts(self, stretch: Stretch, predictions: Predictions) -> tuple[Verdict, ...]:
        if not self._contract.requirements:
            return ()
        rows = self._frame[stretch.start : stretch.end]
        return verdicts(
            self._contract, self._truth(stretch), predictions, rows, stage="live", confidence=None, seed=self._seed
        )

    def _regret(self) -> Estimate | None:
        """By how much the champion before was better on labelled rows since this one went live."""
        before = self.champion.before
        trial = [(s, p) for s, p in self._on_trial if s.end <= self._known]
        if before is None or not trial:
            return None
        rows = self._faults.sound[trial[0][0].start : trial[-1][0].end]
        truth = rows[self._contract.project.target]
        if truth.null_count() == len(truth):
            return None
        theirs = before.model.predict(rows)
        return difference(
            self._metric, truth, theirs, joined([p for _, p in trial]), cost=self._contract.cost, seed=self._seed
        )

    def _retrain(self, index: int, decision: Decision) -> Retrained:
        """Build a challenger, hold it against the champion on fresh labelled rows, promote it unless surely worse."""
        self.retrains.append(Done(index, self._clock.now()))
        self._learned = self._known
        challenger = self._learner.challenger(self._known, min(self._window, self._known // 2))
        if challenger is None:
            self._desk.act("hold", "hold: the labelled rows teach nothing")
            return Retrained(
                promoted=False, reason="the labelled rows teach nothing", version=self.champion.version,
                gain=None, memory="", seconds=0.0, fits=0,
            )  # fmt: skip
        begun = time.thread_time()
        done = self._hold_against(index, challenger)
        self.seconds += challenger.seconds + time.thread_time() - begun
        self.fits += challenger.fits
        self._desk.act("retrain", f"retrain ({decision.trigger}: {decision.reason}): {done.reason}")
        return done

    def _hold_against(self, index: int, challenger: Challenger) -> Retrained:
        stretch = Stretch(self._known - min(self._window, self._known // 2), self._known)
        fresh = self._faults.sound[stretch.start : stretch.end]
        ours = challenger.said
        theirs = self.champion.model.predict(fresh)
        held = contest(self._contract, self._metric, fresh, ours, theirs, seed=self._seed)
        self._released += 1
        self._record.append((stretch, ours))
        if held.won:
            self._promote(index, challenger)
        return Retrained(
            promoted=held.won,
            reason=f"version {self._released} {held.words}",
            version=self._released,
            gain=held.gain,
            memory=challenger.memory,
            seconds=challenger.seconds,
            fits=challenger.fits,
        )

    def _promote(self, index: int, challenger: Challenger) -> None:
        import polars as pl

        before = self.champion
        self.champion = crown(
            challenger.model,
            self._contract,
            self._faults.typical(max(0, self._known - challenger.stands_for(self._known, self._window)), self._known),
            version=self._released,
            unseen=pl.concat([self._faults.sound[stretch.start : stretch.end] for stretch, _ in self._record]),
            predictions=joined([said for _, said in self._record]),
            metrics=(self._metric,) if before.baseline is None else before.baseline.metrics,
            since=index + 1,
            before=before,
            window=self._window,
        )
        self._on_trial = []
        self._news = f"version {self._released} went live one window before"

    def _roll_back(self, index: int, decision: Decision) -> None:
        before = self.champion.before
        if before is None:
            return
        worse = self.champion.version
        self.champion = replace(before, since=index + 1, stream=None)
        self._on_trial = []
        self._news = f"version {before.version} came back one window before"
        self._desk.act("roll back", f"roll back from version {worse} to version {before.version}: {decision.reason}")


def as_dict(step: Step) -> dict[str, Any]:
    """A step as plain JSON values."""
    done = step.retrained
    return {
        "window": step.window,
        "alerts": len(step.alerts),
        "action": step.decision.action,
        "trigger": step.decision.trigger,
        "reason": step.decision.reason,
        "version": step.version,
        "promoted": None if done is None else done.promoted,
        "outcome": None if done is None else done.reason,
        "memory": None if done is None else done.memory,
        "faults": list(step.faults),
    }
