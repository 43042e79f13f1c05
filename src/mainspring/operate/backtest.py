"""The rehearsal: history replayed with a simulated clock, a model left alone beside the loop and an always-retrained one.

Nothing is used before its time: a model that answers for a window has learned only from rows whose labels were known
when that window began, and what the loop chooses by (spans, weights, whether a challenger goes live) it measures on such
rows too. The static model and the loop begin with the same model of everything before the first window.
"""

from __future__ import annotations

import time as clock_time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mainspring.contract.metric import METRICS, measurable
from mainspring.core.clock import SimulatedClock
from mainspring.core.errors import NotFound
from mainspring.core.progress import progress
from mainspring.evaluate.metric import measure
from mainspring.operate import loop as loops
from mainspring.operate.champion import crown, joined
from mainspring.operate.history import History, Stretch
from mainspring.operate.incident import Desk
from mainspring.operate.learner import REHEARSALS, Learner, SpanFits
from mainspring.operate.memory import MemoryIncidents
from mainspring.operate.policy import Policy
from mainspring.operate.rehearsal import Arm, Backtest, Period, Spell

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import timedelta

    import polars as pl

    from mainspring.contract import Contract
    from mainspring.core.predictions import Predictions
    from mainspring.core.task import Task
    from mainspring.ledger.ports.incidents import Incidents
    from mainspring.operate.champion import Champion
    from mainspring.train.model import Model

MOST_ORACLE = 200
"""The oracle retrains at most so often; with more windows it retrains at every second, third … one."""


def default_metric(task: Task) -> str:
    """The metric of a rehearsal: accuracy for classes, root mean squared error for numbers.

    Unlike the ROC AUC that a model is chosen by, accuracy is defined on every window, also where one class occurs
    alone, and it sees a threshold that no longer fits; it says how many answers were right.
    """
    return "rmse" if task == "regression" else "accuracy"


def default_policy(windows: int) -> Policy:
    """Retrain on a breach, on drift, and every second window in any case, at half of the windows at most."""
    if windows < 4:
        return Policy(on=("requirement", "drift", "schedule"), every=1)
    return Policy(on=("requirement", "drift", "schedule"), every=2, cooldown=1, at_most=4, per=8)


def backtest(
    data: Any,
    *,
    contract: Contract | None = None,
    target: str | None = None,
    time: str | None = None,
    task: Task | None = None,
    train: float = 0.5,
    windows: int | None = None,
    window: int | timedelta | None = None,
    ignore: Collection[str] = (),
    label_delay: int | timedelta | None = None,
    policy: Policy | None = None,
    metric: str | None = None,
    incidents: Incidents | None = None,
    seed: int = 0,
) -> Backtest:
    """Replay the history in *data* (a frame, or a file that :func:`mainspring.data.read` reads) in the order of its time.

    The first *train* share of the rows is known from the start; the others come in *windows* windows, or in windows of
    *window* rows or duration. *contract* gives target, time, features, requirements, window and policy where they are
    not said; without one, *target* and *time* must be, and every other column but those in *ignore* is a feature. Labels
    are known *label_delay* rows, or that time, after their row; without a delay, when their window has ended.
    *incidents*: where they are kept (default: in memory).

    Raises InputError or NotFound for data or settings that cannot be used.
    """
    from mainspring.data import read

    history = History.of(
        read(data), contract=contract, target=target, time=time, task=task, ignore=ignore
    )
    window, notes = _window(history, windows, window)
    start, stretches = history.cut(train=train, windows=windows, window=window)
    delay = history.contract.monitor.label_delay if label_delay is None else label_delay
    metric = _metric(metric, history.contract.project.task)
    if policy is None:
        declared = None if contract is None else Policy.of(contract.retrain)
        policy = default_policy(len(stretches)) if declared in (None, Policy()) else declared
    replay = _Replay(history, start, stretches, delay, policy or Policy(), metric, incidents, seed)
    return replay.run([*history.notes, *notes])


def _window(
    history: History, windows: int | None, window: int | timedelta | None
) -> tuple[int | timedelta | None, list[str]]:
    """The size of a window: as asked for, as the contract says, or None for the usual number of windows."""
    declared = history.contract.monitor.window
    if windows is not None or window is not None or history.contract.path is None:
        return window, []
    if not isinstance(declared, int) and not history.moments.dated:
        return None, [f"[monitor] window is a span of time, and {history.contract.project.time} holds numbers: cut by rows"]
    return declared, []


def _metric(name: str | None, task: Task) -> str:
    if name is None:
        return default_metric(task)
    if name not in measurable(task) or METRICS[name].kind != "quality":
        quality = [known for known in measurable(task) if METRICS[known].kind == "quality"]
        raise NotFound.among(f"metric for a {task} task", name, quality)
    return name


@dataclass
class _Replay:
    """One rehearsal in work."""

    history: History
    start: int
    stretches: tuple[Stretch, ...]
    delay: int | timedelta | None
    policy: Policy
    metric: str
    port: Incidents | None
    seed: int
    alerts: int = 0
    steps: list[loops.Step] = field(default_factory=list)

    def run(self, notes: list[str]) -> Backtest:
        """Replay every window for the three of them."""
        rows = sorted(stretch.rows for stretch in self.stretches)
        usual = rows[len(rows) // 2]
        frame, contract = self.history.frame, self.history.contract
        known = self.history.known(self.start, self.delay)
        fits = SpanFits(frame, contract, window=usual, seed=self.seed)
        progress("backtest", 0, len(self.stretches), "the first model")
        model, spent = fits.whole(known)
        clock = SimulatedClock(self.history.moments.clock(self.start - 1))
        desk = Desk(self.port or MemoryIncidents(clock), model=contract.project.name, clock=clock)
        learner = Learner(fits, frame, contract)
        begun = clock_time.thread_time()
        rehearsed = learner.rehearse(known, usual)
        champion = self._first(fits, model, known, usual)
        setting_up = clock_time.thread_time() - begun
        loop = loops.Loop(
            champion, frame=frame, contract=contract, learner=learner, policy=self.policy, desk=desk, clock=clock,
            metric=self.metric, window=usual, learned=known, seed=self.seed,
        )  # fmt: skip
        loop.seconds += spent + max(setting_up, rehearsed)
        alone = _Runner(model, spent)
        oracle = _Oracle(Learner(fits, frame, contract), model, spent, usual, learned=known)
        oracle.seconds += oracle.learner.rehearse(known, usual)
        every = -(-len(self.stretches) // MOST_ORACLE)
        for index, stretch in enumerate(self.stretches):
            self._window_passes(index, stretch, alone, loop, oracle, clock, every=every)
        desk.finish("the rehearsal ended here")
        return self._told(alone, loop, oracle, desk, usual, notes)

    def _first(self, fits: SpanFits, model: Model, known: int, usual: int) -> Champion:
        """The model that static and loop begin with, and its record on the last windows before, each unseen by its fit."""
        frame, contract = self.history.frame, self.history.contract
        begin = max(known - REHEARSALS * usual, known // 2)
        said: list[Predictions] = []
        for edge in range(begin, known, usual):
            probe = fits.at(edge).models.get(None)
            if probe is None:
                begin, said = edge + usual, []
                continue
            said.append(probe.predict(frame[edge : min(edge + usual, known)]))
        return crown(
            model, contract, frame[:known], version=1, unseen=frame[begin:known],
            predictions=joined(said) if said else None, metrics=self._followed(),
        )  # fmt: skip

    def _followed(self) -> list[str]:
        from mainspring.monitor.baseline import followed

        required = [name for name in followed(self.history.contract) if name in self._required()]
        return list(dict.fromkeys((self.metric, *required)))

    def _required(self) -> set[str]:
        return {requirement.metric for requirement in self.history.contract.requirements}

    def _window_passes(
        self,
        index: int,
        stretch: Stretch,
        alone: _Runner,
        loop: loops.Loop,
        oracle: _Oracle,
        clock: SimulatedClock,
        *,
        every: int,
    ) -> None:
        rows = self.history.frame[stretch.start : stretch.end]
        where = str(self.history.moments.text(stretch.start))
        alone.predict(rows)
        oracle.predict(rows)
        said = loop.predict(rows)
        self._said.append(said)
        clock.set(max(clock.now(), self.history.moments.clock(stretch.end - 1)))
        known = self.history.known(stretch.end, self.delay)
        step = loop.after(index, stretch, said, known=known, where=where)
        self.steps.append(step)
        self.alerts += len(step.alerts)
        if index + 1 < len(self.stretches) and (index + 1) % every == 0:
            oracle.retrain(known)
        text = f"{where}: {step.decision.action}" + ("" if step.retrained is None else f", version {step.version}")
        progress("backtest", index + 1, len(self.stretches), text)

    @property
    def _said(self) -> list[Predictions]:
        return self.__dict__.setdefault("said", [])

    def _told(
        self, alone: _Runner, loop: loops.Loop, oracle: _Oracle, desk: Desk, usual: int, notes: list[str]
    ) -> Backtest:
        promoted = [step for step in self.steps if step.retrained is not None]
        last = len(self.stretches) - 1
        # a retrain after the last window serves nobody here, and is not counted
        useful = [step for step in promoted if step.window < last]
        del useful
        arms = {
            "static": self._arm("static", alone.said, retrains=0, fits=1, seconds=alone.seconds),
            "loop": self._arm("loop", self._said, retrains=len(promoted), fits=loop.fits + 1, seconds=loop.seconds),
            "oracle": self._arm("oracle", oracle.said, retrains=oracle.retrains, fits=oracle.fits, seconds=oracle.seconds),
        }
        moments = self.history.moments
        found = sorted((desk.port.get(incident.id) for incident in desk.port.search(limit=10_000)), key=lambda i: i.id)
        ends = [moments.clock(stretch.end - 1) for stretch in self.stretches]
        return Backtest(
            metric=self.metric,
            contract=self.history.contract,
            static=arms["static"],
            loop=arms["loop"],
            oracle=arms["oracle"],
            alerts=self.alerts,
            steps=tuple(self.steps),
            incidents=tuple(Spell.of(incident, ends) for incident in found),
            policy=self.policy,
            rows=self.history.rows,
            start=self.start,
            usual=usual,
            label_delay=self.delay,
            began=moments.text(0),
            judged_from=moments.text(self.start),
            ended=moments.text(self.history.rows - 1),
            dated=moments.dated,
            notes=tuple(notes),
        )

    def _arm(self, name: str, said: list[Predictions], *, retrains: int, fits: int, seconds: float) -> Arm:
        labels = self.history.frame[self.history.contract.project.target]
        whole = self._measured(labels[self.start :], joined(said), confidence=0.95)
        periods = []
        for stretch, predictions in zip(self.stretches, said, strict=True):
            found = self._measured(labels[stretch.start : stretch.end], predictions, confidence=None)
            moments = self.history.moments
            periods.append(
                Period(
                    start=moments.text(stretch.start),
                    end=moments.text(stretch.end - 1),
                    rows=stretch.rows,
                    value=found.value if found.rows else float("nan"),
                )
            )
        return Arm(
            name=name, value=whole, windows=tuple(periods), retrains=retrains, fits=fits, seconds=round(seconds, 3)
        )

    def _measured(self, truth: pl.Series, said: Predictions, *, confidence: float | None) -> Any:
        project = self.history.contract.project
        return measure(
            self.metric,
            truth,
            said,
            cost=self.history.contract.cost,
            confidence=confidence,
            positive=project.positive,
            seed=self.seed,
        )


class _Runner:
    """A model that answers window after window."""

    def __init__(self, model: Model, seconds: float) -> None:
        self.model = model
        self.seconds = seconds
        self.said: list[Predictions] = []

    def predict(self, rows: pl.DataFrame) -> None:
        begun = clock_time.thread_time()
        self.said.append(self.model.predict(rows))
        self.seconds += clock_time.thread_time() - begun


class _Oracle(_Runner):
    """Retrained at every window, whatever it costs, and always put in force."""

    def __init__(self, learner: Learner, model: Model, seconds: float, usual: int, *, learned: int) -> None:
        super().__init__(model, seconds)
        self.learner = learner
        self.retrains = 0
        self.fits = 1
        self._usual = usual
        self._learned = learned

    def retrain(self, known: int) -> None:
        if known <= self._learned:
            return
        self._learned = known
        made = self.learner.challenger(known, min(self._usual, known // 2))
        if made is not None:
            self.model = made.model
            self.retrains += 1
            self.fits += made.fits
            self.seconds += made.seconds



