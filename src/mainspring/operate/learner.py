"""What a retrain learns from: more history is not always better.

A retrain fits the same small model on several spans of history, from the last window to all that is known, and blends
them. What each span is worth is found out honestly: the same fits are made as of one window earlier and scored on the
freshest labelled window, which they have not seen; scores are remembered with decay, and weights fall exponentially
with the relative loss. That is prediction with expert advice (V. Vovk, "Aggregating strategies", 1990; N.
Cesa-Bianchi and G. Lugosi, "Prediction, learning, and games", 2006) with discounted losses, where the experts are
memories of different length. The blend is one booster (:mod:`mainspring.operate.blend`).
"""

from __future__ import annotations

import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mainspring.core.errors import InputError
from mainspring.operate.blend import all_classes, blend, pooled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import polars as pl

    from mainspring.contract import Contract
    from mainspring.core.predictions import Predictions
    from mainspring.features.encoder import Encoder
    from mainspring.train.model import Model
    from mainspring.train.target import Target

    Array = np.ndarray[Any, Any]

SPANS: tuple[int | None, ...] = (1, 4, 16, None)
"""The spans that are tried, in windows; None is all that is known."""
SHARPNESS = 3.0
"""A span whose loss is a third above the best one's weighs 1/e of it."""
MEMORY = 0.8
"""A score counts so much less with every later one."""
REHEARSALS = 4
"""So many past windows are gone through before the first retrain, so that weights do not start blind."""
LEAST_ROWS = 40
"""A span of fewer labelled rows is not tried."""
MOST_ROWS = 100_000
"""A longer span is thinned evenly to at most so many rows."""
_FLOOR = 0.02
_CLIP = 1e-3
_WORKERS = 2


@dataclass(frozen=True, slots=True)
class Fitted:
    """The models of one moment by span, and the seconds each took. Spans that could not be fitted are absent."""

    models: Mapping[int | None, Model]
    seconds: Mapping[int | None, float]

    @property
    def total(self) -> float:
        """Seconds of work in all."""
        return sum(self.seconds.values())


class SpanFits:
    """Fits on spans of one history that end at a given row, each made once and then remembered.

    A fit that ends at row ``end`` never sees a later one. Remembering is what lets a rehearsal run several policies
    over the same history for the price of one; the seconds that a fit took are kept, so that each policy is charged
    for it.
    """

    def __init__(self, frame: pl.DataFrame, contract: Contract, *, window: int, seed: int = 0) -> None:
        """Fit on *frame*, rows in time order, with spans of so many *window* rows."""
        self._frame, self._contract, self._window, self._seed = frame, contract, window, seed
        self._fitted: dict[int, Fitted] = {}
        self._whole: dict[int, tuple[Model, float]] = {}

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the results should know about the fits."""
        if len(self._frame) <= MOST_ROWS:
            return ()
        return (f"fits on more than {MOST_ROWS:,} rows were made on an even sample of them",)

    def on(self, frame: pl.DataFrame, *, changed: int) -> SpanFits:
        """Fits on *frame*, whose rows before row *changed* are those of now: fits that end there are not repeated."""
        other = SpanFits(frame, self._contract, window=self._window, seed=self._seed)
        other._fitted = {end: fitted for end, fitted in self._fitted.items() if end <= changed}
        other._whole = {end: made for end, made in self._whole.items() if end <= changed}
        return other

    def whole(self, end: int) -> tuple[Model, float]:
        """The plain model of all rows before *end*, and its seconds: what one has without a loop.

        Raises InputError where nothing can be learned from these rows.
        """
        if end not in self._whole:
            self._whole[end] = self._fit(_Known.before(end, self._frame, self._contract), None, self._seed)
        return self._whole[end]

    def at(self, end: int) -> Fitted:
        """The models of every span that ends before row *end*. Empty where these rows teach nothing."""
        if end not in self._fitted:
            self._fitted[end] = self._fit_spans(end)
        return self._fitted[end]

    def _fit_spans(self, end: int) -> Fitted:
        try:
            known = _Known.before(end, self._frame, self._contract)
        except InputError:
            return Fitted({}, {})
        wanted = [span for span in SPANS if span is None or known.is_worth(span * self._window)]
        with ThreadPoolExecutor(_WORKERS) as pool:
            made = list(pool.map(lambda span: self._member(known, span, end), wanted))
        models = {span: model for span, (model, _) in zip(wanted, made, strict=True)}
        # A span that never met one of the classes cannot be blended with the others.
        usable = {span for span, model in models.items() if model.classes is None or all_classes(model)}
        seconds = {span: spent for span, (_, spent) in zip(wanted, made, strict=True)}
        return Fitted({span: model for span, model in models.items() if span in usable}, seconds)

    def _member(self, known: _Known, span: int | None, end: int) -> tuple[Model, float]:
        if span is None and end in self._whole:
            return self._whole[end]
        made = self._fit(known, None if span is None else span * self._window, self._seed)
        if span is None:
            self._whole[end] = made
        return made

    def _fit(self, known: _Known, rows: int | None, seed: int) -> tuple[Model, float]:
        from mainspring.train import threads
        from mainspring.train._fit import fit_encoded

        target = known.last(rows)
        # one thread's own time tells what a fit costs on a busy machine, too; a fit on several has only the wall's
        alone = threads.suited(len(target.y) * len(known.encoder.outputs)) == 1
        clock = time.thread_time if alone else time.perf_counter
        begun = clock()
        params = parameters(len(target.y))
        model = fit_encoded(target, known.encoder, self._contract, kind="lightgbm", params=params, seed=seed)
        return model, clock() - begun


def parameters(rows: int) -> dict[str, Any]:
    """Settings of the quick model for a span of *rows*: small trees for few rows, and firm shrinkage always."""
    leaves = 7 if rows < 1_000 else 15 if rows < 4_000 else 31
    return {"rounds": 80, "rate": 0.1, "leaves": leaves, "leaf": 20, "ridge": 10.0, "share": 1.0}


@dataclass(frozen=True, slots=True)
class _Known:
    """The labelled rows before some moment, and how to encode them."""

    target: Target
    encoder: Encoder

    @classmethod
    def before(cls, end: int, frame: pl.DataFrame, contract: Contract) -> _Known:
        from mainspring.features.encoder import Encoder
        from mainspring.train._fit import features_of
        from mainspring.train.target import Target

        target = Target.of(frame.head(end), contract)
        return cls(target, Encoder.fit(target.frame, features_of(frame, contract), contract.columns))

    def is_worth(self, rows: int) -> bool:
        """Whether the last *rows* are a span of their own, and can be learned from."""
        import numpy as np

        if not LEAST_ROWS <= rows < len(self.target.y):
            return False
        return len(np.unique(self.target.y[-rows:])) > 1

    def last(self, rows: int | None) -> Target:
        """The last *rows* (None: all), thinned evenly where they are too many."""
        from mainspring.train.target import Target

        every = len(self.target.y)
        rows = every if rows is None else min(rows, every)
        step = max(1, math.ceil(rows / MOST_ROWS))
        part = slice(every - rows, None, step)
        return Target(self.target.frame[part], self.target.y[part], self.target.classes, ())


@dataclass
class Book:
    """What each span has been worth on rows it had not seen: mean losses, the later ones counting more."""

    losses: dict[int | None, float] = field(default_factory=dict)
    counts: dict[int | None, float] = field(default_factory=dict)

    def enter(self, losses: Mapping[int | None, float]) -> None:
        """Add the losses of one window."""
        for span, loss in losses.items():
            self.losses[span] = MEMORY * self.losses.get(span, 0.0) + loss
            self.counts[span] = MEMORY * self.counts.get(span, 0.0) + 1.0

    def weights(self, spans: Sequence[int | None]) -> list[float]:
        """Weights of *spans*, summing to one; one without a score yet takes the mean loss of the others."""
        means = {span: self.losses[span] / self.counts[span] for span in spans if self.counts.get(span)}
        if not means:
            return [1.0 / len(spans)] * len(spans)
        usual = sum(means.values()) / len(means)
        best = min(means.values()) or 1e-300
        raw = [math.exp(-SHARPNESS * (means.get(span, usual) / best - 1.0)) for span in spans]
        return [weight / sum(raw) for weight in raw]


@dataclass(frozen=True, slots=True)
class Challenger:
    """A retrained model and what speaks for it.

    ``model`` learned from every labelled row. ``said`` is what the same blend, made as of one window earlier, says of
    the freshest labelled window, which it had not seen: by that it is judged. ``weights`` say how much each span of
    history counts; ``probes`` are the members of that earlier blend.
    """

    model: Model
    said: Predictions
    weights: Mapping[int | None, float]
    fits: int
    seconds: float
    probes: Mapping[int | None, Model] = field(default_factory=dict)

    @property
    def probe(self) -> Model:
        """The blend as of one window earlier, which stands for ``model`` on rows that this one has learned from."""
        return blend([self.probes[span] for span in self.weights], list(self.weights.values()))

    def stands_for(self, known: int, window: int) -> int:
        """So many of the last of *known* rows hold half of what it goes by; a *window* has so many rows."""
        total = 0.0
        for span, weight in sorted(self.weights.items(), key=lambda item: float(item[0] or 1e9)):
            total += weight
            if total >= 0.5:
                return known if span is None else span * window
        return known

    @property
    def memory(self) -> str:
        """In words, how far back it looks."""
        named = [(weight, span_words(span)) for span, weight in self.weights.items() if weight >= 0.1]
        return ", ".join(f"{words} {weight:.0%}" for weight, words in sorted(named, reverse=True))


def span_words(span: int | None) -> str:
    """A span as one would say it.

    >>> span_words(1), span_words(4), span_words(None)
    ('last window', 'last 4 windows', 'all history')
    """
    if span is None:
        return "all history"
    return "last window" if span == 1 else f"last {span} windows"


class Learner:
    """Builds challengers from a history, and remembers what its spans were worth."""

    def __init__(self, fits: SpanFits, frame: pl.DataFrame, contract: Contract) -> None:
        """Learn from *frame* by *fits*."""
        self._fits = fits
        self._frame = frame
        self._target = contract.project.target
        self.book = Book()

    def learn_from(self, frame: pl.DataFrame, *, changed: int) -> None:
        """Learn from *frame* from now on, which differs from the one before from row *changed* on."""
        self._fits, self._frame = self._fits.on(frame, changed=changed), frame

    def rehearse(self, end: int, window: int, *, times: int = REHEARSALS) -> float:
        """Score the spans on the last windows before row *end*. Gives the seconds spent."""
        spent = 0.0
        for back in range(times, 0, -1):
            begin = end - back * window
            if begin >= 2 * window:
                spent += self._score(begin, begin + window).seconds
        return spent

    def challenger(self, end: int, fresh: int) -> Challenger | None:
        """A model of every row before *end*, the last *fresh* of which are the freshest labelled window.

        None where these rows teach nothing.
        """
        probes = self._score(end - fresh, end)
        finals = self._fits.at(end)
        begun = time.thread_time()
        spans = [span for span in finals.models if span in probes.said]
        if not spans:
            return None
        weights = dict(zip(spans, self.book.weights(spans), strict=True))
        meta = {"memory": {span_words(span): round(weight, 4) for span, weight in weights.items()}}
        model = blend([finals.models[span] for span in spans], list(weights.values()), meta=meta)
        said = pooled([probes.said[span] for span in spans], list(weights.values()))
        seconds = probes.seconds + finals.total + time.thread_time() - begun
        before = {span: probes.models[span] for span in spans}
        return Challenger(model, said, weights, probes.fits + len(finals.seconds), seconds, before)

    def _score(self, begin: int, end: int) -> _Probes:
        """Enter what the spans that end at *begin* are worth on the rows from there to *end*."""
        fitted = self._fits.at(begin)
        begun = time.thread_time()
        rows = self._frame[begin:end]
        truth = rows[self._target]
        said = {span: model.predict(rows) for span, model in fitted.models.items()}
        losses = {span: loss(predictions, truth) for span, predictions in said.items()}
        self.book.enter({span: value for span, value in losses.items() if math.isfinite(value)})
        return _Probes(said, fitted.models, len(fitted.seconds), fitted.total + time.thread_time() - begun)


@dataclass(frozen=True, slots=True)
class _Probes:
    """What models that end before some rows say of them, these models, how many fits that took, and how long."""

    said: Mapping[int | None, Predictions]
    models: Mapping[int | None, Model]
    fits: int
    seconds: float


def loss(said: Predictions, truth: pl.Series) -> float:
    """The mean loss of predictions on labelled rows: log loss for classes, squared error for numbers.

    Rows without a label are left out; NaN where none has one. The log loss is clipped and has a floor, so that one sure
    mistake, or a perfect window, does not decide everything.
    """
    import numpy as np

    from mainspring.evaluate.outcome import Outcome

    outcome = Outcome.of(truth, said)
    if not len(outcome):
        return float("nan")
    if outcome.task == "regression":
        return float(np.mean((outcome.truth - outcome.decided) ** 2))
    scores = outcome.probabilities
    inside = outcome.truth < outcome.known
    chance = np.full(len(outcome), _CLIP)
    chance[inside] = scores[np.flatnonzero(inside), outcome.truth[inside]]
    return float(-np.log(np.clip(chance, _CLIP, 1.0)).mean()) + _FLOOR
