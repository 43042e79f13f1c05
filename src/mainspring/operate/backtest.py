"""The rehearsal: history replayed with a simulated clock, for a model left alone, the loop, and constant retraining.

Nothing is used before its time: a model that answers for a window has learned only from rows whose labels were known
when that window began, and what the loop chooses by (spans, weights, whether a challenger goes live) it measures on
such rows too. The static model and the loop begin with the same model of everything before the first window.
"""

from __future__ import annotations

import time as clocks
from typing import TYPE_CHECKING, Any

from mainspring.contract.metric import METRICS, measurable
from mainspring.core.clock import SimulatedClock
from mainspring.core.errors import InputError, NotFound, listed, quote
from mainspring.core.progress import progress
from mainspring.evaluate.metric import measure
from mainspring.monitor.baseline import followed
from mainspring.operate.champion import crown, joined
from mainspring.operate.history import History, Stretch
from mainspring.operate.incident import Desk
from mainspring.operate.learner import REHEARSALS, Learner, SpanFits
from mainspring.operate.loop import Loop, Step
from mainspring.operate.memory import MemoryIncidents
from mainspring.operate.policy import Policy
from mainspring.operate.rehearsal import Arm, Backtest, Passed, Period, Spell

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import timedelta

    import polars as pl

    from mainspring.contract import Contract
    from mainspring.core.estimate import Estimate
    from mainspring.core.predictions import Predictions
    from mainspring.core.task import Task
    from mainspring.ledger.ports.incidents import Incidents
    from mainspring.operate.champion import Champion
    from mainspring.train.model import Model

MOST_ORACLE = 120
"""The always-retrained model is retrained at most so often; with more windows at every second, third … one."""


def default_metric(task: Task) -> str:
    """The metric of a rehearsal: accuracy for classes, root mean squared error for numbers.

    Unlike the ROC AUC that a model is chosen by, accuracy is defined on every window, also where one class occurs
    alone, and it sees a threshold that no longer fits; it says how many answers were right.
    """
    return "rmse" if task == "regression" else "accuracy"


def default_policy(windows: int) -> Policy:
    """Retrain on a breach at once, every third window in any case, and in two of three windows at most.

    Drift by itself starts nothing here: labels come with every window, so whether it does harm is measured, not
    guessed.
    """
    if windows < 6:
        return Policy(on=("requirement", "schedule"), every=1)
    return Policy(on=("requirement", "schedule"), every=3, at_most=8, per=12)


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
    watch: Callable[[Passed], None] | None = None,
) -> Backtest:
    """Replay the history in *data*, a frame or a file that :func:`mainspring.data.read` reads, in the order of time.

    The first *train* share of the rows is known from the start; the others come in *windows* windows, or in windows of
    *window* rows or duration. *contract* gives target, time, features, requirements, window and policy where they are
    not said; without one, *target* and *time* must be, and every other column but those in *ignore* is a feature.
    Labels are known *label_delay* rows, or that time, after their row; without a delay, when their window has ended.
    *incidents*: where they are kept (default: in memory). *watch* is called after every window.

    Raises InputError or NotFound for data or settings that cannot be used.
    """
    from mainspring.data import read

    history = History.of(
        read(data, contract=contract), contract=contract, target=target, time=time, task=task, ignore=ignore
    )
    notes = list(history.notes)
    if windows is None and window is None and contract is not None:
        window = _declared_window(history, notes)
    start, stretches = history.cut(train=train, windows=windows, window=window)
    if policy is None:
        declared = Policy() if contract is None else Policy.of(contract.retrain)
        policy = default_policy(len(stretches)) if declared == Policy() else declared
    if policy.promotion == "approval":
        notes.append("the policy waits for approval of each new model; the rehearsal takes it as given at once")
    replay = _Replay(
        history,
        start,
        stretches,
        delay=history.contract.monitor.label_delay if label_delay is None else label_delay,
        policy=policy,
        metric=_metric(metric, history.contract.project.task),
        port=incidents,
        seed=seed,
        watch=watch,
    )
    return replay.run(notes)


def _declared_window(history: History, notes: list[str]) -> int | timedelta | None:
    """The window of the contract; None, with a note, where it does not fit this history."""
    declared = history.contract.monitor.window
    if isinstance(declared, int):
        return declared
    time = history.contract.project.time
    if not history.moments.dated:
        notes.append(f"[monitor] window is a span of time, but {time} holds numbers: the windows were cut by rows")
        return None
    return declared


def _metric(name: str | None, task: Task) -> str:
    if name is None:
        return default_metric(task)
    if name not in measurable(task) or METRICS[name].kind != "quality":
        quality = [known for known in measurable(task) if METRICS[known].kind == "quality"]
        raise NotFound.among(f"metric for a {task} task", name, quality)
    return name


class _Runner:
    """A model that answers window after window. ``retrains`` and ``fits``: made until now, ``seconds`` spent."""

    def __init__(self, model: Model, seconds: float) -> None:
        self.model = model
        self.seconds = seconds
        self.said: list[Predictions] = []
        self.retrains = 0
        self.fits = 1

    def predict(self, rows: pl.DataFrame) -> None:
        begun = clocks.thread_time()
        self.said.append(self.model.predict(rows))
        self.seconds += clocks.thread_time() - begun


class _Always(_Runner):
    """Retrained at every window, whatever it costs, and always put in force."""

    def __init__(self, learner: Learner, model: Model, seconds: float, *, window: int, known: int) -> None:
        super().__init__(model, seconds + learner.rehearse(known, window))
        self._learner, self._window, self._learned = learner, window, known

    def retrain(self, known: int) -> None:
        if known <= self._learned:
            return
        self._learned = known
        made = self._learner.challenger(known, min(self._window, known // 2))
        if made is not None:
            self.model = made.model
            self.retrains += 1
            self.fits += made.fits
            self.seconds += made.seconds


class _Replay:
    """One rehearsal in work."""

    def __init__(
        self,
        history: History,
        start: int,
        stretches: tuple[Stretch, ...],
        *,
        delay: int | timedelta | None,
        policy: Policy,
        metric: str,
        port: Incidents | None,
        seed: int,
        watch: Callable[[Passed], None] | None,
    ) -> None:
        self._history, self._start, self._stretches, self._delay = history, start, stretches, delay
        self._frame, self._contract = history.frame, history.contract
        self._policy, self._metric, self._seed = policy, metric, seed
        rows = sorted(stretch.rows for stretch in stretches)
        self._usual = rows[len(rows) // 2]
        self._clock = SimulatedClock(history.moments.clock(start - 1))
        self._port = port or MemoryIncidents(self._clock)
        self._steps: list[Step] = []
        self._watch = watch

    def run(self, notes: list[str]) -> Backtest:
        """Replay every window for the three of them."""
        known = self._history.known(self._start, self._delay)
        fits = SpanFits(self._frame, self._contract, window=self._usual, seed=self._seed)
        progress("backtest", 0, len(self._stretches), "the first model")
        model, spent = self._learned(fits, known)
        learner = Learner(fits, self._frame, self._contract)
        rehearsing = learner.rehearse(known, self._usual)
        record = self._before(fits, known)
        desk = Desk(self._port, model=self._contract.project.name, clock=self._clock)
        loop = Loop(
            self._first(model, known, record),
            frame=self._frame,
            contract=self._contract,
            learner=learner,
            policy=self._policy,
            desk=desk,
            clock=self._clock,
            metric=self._metric,
            window=self._usual,
            learned=known,
            record=record,
            seed=self._seed,
        )
        loop.seconds += spent + rehearsing
        alone = _Runner(model, spent)
        always = _Always(Learner(fits, self._frame, self._contract), model, spent, window=self._usual, known=known)
        said = [self._passes(place, alone, loop, always) for place in range(len(self._stretches))]
        desk.finish("the rehearsal ended here")
        return self._told(alone, self._looped(loop, said), always, desk, [*notes, *fits.notes])

    def _learned(self, fits: SpanFits, known: int) -> tuple[Model, float]:
        """The model of the rows that are known from the start. Raises InputError where they teach nothing."""
        try:
            model, spent = fits.whole(known)
        except InputError as error:
            raise InputError(
                f"The {known:,} rows that are known from the start cannot be learned from. {error}"
            ) from None
        if not model.encoder.columns:
            reasons = (
                listed(f"{name}: {why}" for name, why in model.encoder.dropped.items()) or "there is no other column"
            )
            raise InputError(f"No column is left to predict {quote(model.target)} from ({reasons}).")
        return model, spent

    def _first(self, model: Model, known: int, record: list[tuple[Stretch, Predictions]]) -> Champion:
        """The model that all begin with, whose record are the last windows before."""
        required = {requirement.metric for requirement in self._contract.requirements}
        watched = [name for name in followed(self._contract) if name in required]
        begin = record[0][0].start if record else known
        return crown(
            model,
            self._contract,
            self._frame[:known],
            version=1,
            unseen=self._frame[begin:known],
            predictions=joined([said for _, said in record]) if record else None,
            metrics=list(dict.fromkeys((self._metric, *watched))),
            window=self._usual,
        )

    def _before(self, fits: SpanFits, known: int) -> list[tuple[Stretch, Predictions]]:
        """The last windows before the first one, each with what the plain model of all rows before it said."""
        record: list[tuple[Stretch, Predictions]] = []
        for edge in range(max(known - REHEARSALS * self._usual, known // 2), known, self._usual):
            probe = fits.at(edge).models.get(None)
            if probe is None:
                record = []
                continue
            stretch = Stretch(edge, min(edge + self._usual, known))
            record.append((stretch, probe.predict(self._frame[stretch.start : stretch.end])))
        return record

    def _passes(self, place: int, alone: _Runner, loop: Loop, always: _Always) -> Predictions:
        """Window number *place* comes, is answered by all three, and ends. Gives what the loop's model said."""
        stretch = self._stretches[place]
        last = place + 1 == len(self._stretches)
        rows = self._frame[stretch.start : stretch.end]
        alone.predict(rows)
        always.predict(rows)
        said = loop.predict(rows)
        moments = self._history.moments
        self._clock.set(max(self._clock.now(), moments.clock(stretch.end - 1)))
        known = self._history.known(stretch.end, self._delay)
        where = str(moments.text(stretch.start))
        step = loop.after(place, stretch, said, known=known, where=where, last=last)
        self._steps.append(step)
        every = -(-len(self._stretches) // MOST_ORACLE)
        if not last and (place + 1) % every == 0:
            always.retrain(known)
        text = f"{where}: {step.decision.action}" + ("" if step.retrained is None else f", version {step.version}")
        progress("backtest", place + 1, len(self._stretches), text)
        if self._watch is not None:
            opened = tuple(self._port.get(number) for number in step.opened)
            count = len(self._stretches)
            self._watch(
                Passed(
                    place=place + 1, windows=count, start=where, rows=stretch.rows, step=step, opened=opened,
                    open=loop.incidents,
                )
            )  # fmt: skip
        return said

    def _looped(self, loop: Loop, said: list[Predictions]) -> _Runner:
        runner = _Runner(loop.champion.model, loop.seconds)
        runner.said, runner.retrains, runner.fits = said, len(loop.retrains), loop.fits + 1
        return runner

    def _told(self, alone: _Runner, loop: _Runner, always: _Runner, desk: Desk, notes: list[str]) -> Backtest:
        moments = self._history.moments
        found = sorted((desk.port.get(one.id) for one in desk.port.search(limit=100_000)), key=lambda one: one.id)
        ends = [moments.clock(stretch.end - 1) for stretch in self._stretches]
        return Backtest(
            metric=self._metric,
            contract=self._contract,
            static=self._arm("static", alone),
            loop=self._arm("loop", loop),
            oracle=self._arm("oracle", always),
            alerts=sum(len(step.alerts) for step in self._steps),
            steps=tuple(self._steps),
            incidents=tuple(Spell.of(incident, ends) for incident in found if incident.opened >= ends[0]),
            policy=self._policy,
            rows=self._history.rows,
            start=self._start,
            window_rows=self._usual,
            label_delay=self._delay,
            began=moments.text(0),
            learned_until=moments.text(self._start - 1),
            ended=moments.text(self._history.rows - 1),
            notes=tuple(notes),
        )

    def _arm(self, name: str, runner: _Runner) -> Arm:
        labels = self._frame[self._contract.project.target]
        moments = self._history.moments
        periods = []
        for stretch, said in zip(self._stretches, runner.said, strict=True):
            found = self._measured(labels[stretch.start : stretch.end], said, confidence=None)
            periods.append(
                Period(
                    start=moments.text(stretch.start),
                    end=moments.text(stretch.end - 1),
                    rows=stretch.rows,
                    value=found.value if found.rows else float("nan"),
                )
            )
        return Arm(
            name=name,
            value=self._measured(labels[self._start :], joined(runner.said), confidence=0.95),
            windows=tuple(periods),
            retrains=runner.retrains,
            fits=runner.fits,
            seconds=round(runner.seconds, 3),
        )

    def _measured(self, truth: pl.Series, said: Predictions, *, confidence: float | None) -> Estimate:
        return measure(
            self._metric,
            truth,
            said,
            cost=self._contract.cost,
            confidence=confidence,
            positive=self._contract.project.positive,
            seed=self._seed,
        )
