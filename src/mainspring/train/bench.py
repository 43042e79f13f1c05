"""The folds of a search, encoded once, and how one configuration fares on them."""

from __future__ import annotations

import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from mainspring.contract.metric import METRICS
from mainspring.evaluate import metric as measure
from mainspring.evaluate.outcome import Outcome
from mainspring.features.encoder import Encoder
from mainspring.train import threads
from mainspring.train.frameworks import Shape, framework, lightgbm, linear
from mainspring.train.link import SMEAR_ROWS, Link
from mainspring.train.model import probabilities

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mainspring.contract import Contract
    from mainspring.train.resample import Pair
    from mainspring.train.target import Target

    Array = np.ndarray[Any, Any]

End: TypeAlias = Literal["finished", "pruned", "late", "failed"]


@dataclass(frozen=True, slots=True)
class Fold:
    """One pair of halves: matrices and targets, and which rows are judged."""

    X: Array
    y: Array
    judged: Array
    truth: Array
    rows: Array
    shape: Shape


@dataclass(slots=True)
class Fit:
    """One estimator on one fold: its answer on the judged rows and, where followed, its loss after each round."""

    estimator: Any
    link: Link
    smeared: bool
    answer: Array
    losses: list[float]


@dataclass(slots=True)
class Trial:
    """How one configuration fared.

    ``scores`` has the metric on each judged fold (NaN where it cannot be measured). ``params`` includes what was found
    by following the folds. ``answers`` are the bare answers on the judged rows, fold by fold.
    """

    kind: str
    params: dict[str, Any]
    outcome: End
    scores: list[float]
    seconds: float
    answers: list[Array] = field(default_factory=list)
    why: str = ""

    @property
    def mean(self) -> float:
        """The mean score over the folds that could be measured."""
        known = [score for score in self.scores if not math.isnan(score)]
        return math.fsum(known) / len(known) if known else math.nan


class Bench:
    """Judges configurations on the same folds by one metric.

    Folds are fitted side by side, each on one thread: that keeps all cores busy without the barriers of multi-threaded
    fits, which cost seconds as soon as another process wants the cores. The result does not depend on the timing.
    """

    def __init__(
        self,
        target: Target,
        contract: Contract,
        features: Sequence[str],
        pairs: Sequence[Pair],
        *,
        metric: str,
        workers: int,
        **facts: bool,
    ) -> None:
        """Encode the halves of each pair, the encoder fitted on the learning half alone; *facts* are those of Shape."""
        self.contract = contract
        self.metric = metric
        self.rows = len(target.y)
        self.classes = target.classes
        self.workers = workers
        self.higher = METRICS[metric].higher_is_better
        self.folds = [_fold(target, contract, features, pair, **facts) for pair in pairs]

    @property
    def learned(self) -> float:
        """Mean rows in the learning halves."""
        return sum(len(fold.y) for fold in self.folds) / len(self.folds)

    @property
    def judged(self) -> float:
        """Mean rows in the judged halves."""
        return sum(len(fold.truth) for fold in self.folds) / len(self.folds)

    @property
    def batches(self) -> int:
        """How often the workers take on folds in one trial."""
        return -(-len(self.folds) // self.workers)

    def guess(self, kind: str, params: Mapping[str, Any]) -> float:
        """Roughly the seconds of a full trial."""
        return self.batches * framework(kind).seconds(self.folds[0].shape, params)

    def better(self, a: float, b: float) -> bool:
        """Whether score *a* beats *b*; NaN beats nothing."""
        if math.isnan(a) or math.isnan(b):
            return not math.isnan(a)
        if self.metric == "mean_error":
            return abs(a) < abs(b)
        return a > b if self.higher else a < b

    def run(
        self,
        kind: str,
        params: Mapping[str, Any],
        *,
        seed: int,
        hopeless: Callable[[list[float]], bool] = lambda _: False,
        late: Callable[[], bool] = lambda: False,
        cap: float = math.inf,
    ) -> Trial:
        """Fit and judge one configuration, as many folds at once as there are workers.

        After each batch *hopeless* sees the scores so far and may end the trial; so does *late*. Where rounds are
        followed, no more are added after *cap* seconds. An estimator that cannot cope with the table makes the trial
        ``failed``, with the reason.
        """
        begun = time.perf_counter()
        trial = Trial(kind, dict(params), "finished", [], 0.0)
        fits: list[Fit] = []
        try:
            # The filters of warnings are the process's own: set here, not by threads that overlap.
            with linear.quiet(), threads.limited(1), ThreadPoolExecutor(self.workers) as pool:
                for start in range(0, len(self.folds), self.workers):
                    batch = self.folds[start : start + self.workers]
                    fits += pool.map(
                        lambda fold: _fit(fold, kind, params, self.metric, seed, _either(late, cap)), batch
                    )
                    trial.scores = [self.score(fold, fit.answer) for fit, fold in zip(fits, self.folds, strict=False)]
                    if len(fits) < len(self.folds) and (late() or hopeless(trial.scores)):
                        trial.outcome = "late" if late() else "pruned"
                        break
                if trial.outcome == "finished":
                    self._settle(trial, fits, pool)
        except _failures() as error:
            trial.outcome, trial.why, trial.scores = "failed", f"{type(error).__name__}: {error}", []
        trial.seconds = time.perf_counter() - begun
        return trial

    def _settle(self, trial: Trial, fits: list[Fit], pool: ThreadPoolExecutor) -> None:
        """Give the followed folds one number of rounds and judge them by it: no fold may have its own."""
        if all(fit.losses for fit in fits):
            rounds = _common_round([fit.losses for fit in fits])
            trial.params["rounds"] = rounds
            answers = pool.map(lambda fit, fold: _answer(fit, fold, rounds), fits, self.folds)
            for fit, answer in zip(fits, answers, strict=True):
                fit.answer = answer
            trial.scores = [self.score(fold, fit.answer) for fit, fold in zip(fits, self.folds, strict=True)]
        trial.answers = [fit.answer for fit in fits]

    def score(self, fold: Fold, answer: Array, threshold: float = 0.5) -> float:
        """The metric of *answer* on the judged rows of *fold*."""
        return score(self.metric, fold.truth, answer, self.contract, self.classes, threshold=threshold)

    def pooled(self, trial: Trial, *, threshold: float | None = None) -> float:
        """The metric over the judged rows of all folds together."""
        truth = np.concatenate([fold.truth for fold in self.folds])
        line = 0.5 if threshold is None else threshold
        return score(self.metric, truth, np.concatenate(trial.answers), self.contract, self.classes, threshold=line)


def score(
    metric: str,
    truth: Array,
    answer: Array,
    contract: Contract,
    classes: tuple[Any, ...] | None,
    *,
    threshold: float = 0.5,
) -> float:
    """The *metric* of an *answer*: probabilities of *classes*, shape (rows, classes), or numbers, shape (rows,).

    *truth* has the places of the classes, or the numbers. NaN where the rows do not allow it (one class only).
    """
    setting = measure.Setting(confidence=None, cost=contract.cost)
    return measure.estimate(metric, outcome(truth, answer, contract, classes, threshold), setting).value


def outcome(
    truth: Array, answer: Array, contract: Contract, classes: tuple[Any, ...] | None, threshold: float = 0.5
) -> Outcome:
    """Truth beside *answer*, in the shape that metrics take."""
    if classes is None:
        return Outcome("regression", truth, answer, None, (), 0, np.arange(len(truth)))
    if len(classes) == 2:
        decided = (answer[:, 1] >= threshold).astype(np.int64)
    else:
        decided = answer.argmax(axis=1)
    task = contract.project.task
    return Outcome(task, truth, decided, answer, classes, len(classes), np.arange(len(truth)))


def _fold(target: Target, contract: Contract, features: Sequence[str], pair: Pair, **facts: bool) -> Fold:
    learn, judge = pair
    learned, judged = target.frame[learn], target.frame[judge]
    encoder = Encoder.fit(learned, features, contract.columns)
    classes = len(target.classes or ())
    shape = Shape.of(encoder, contract.project.task, len(learn), classes, **facts)
    return Fold(encoder.encode(learned), target.y[learn], encoder.encode(judged), target.y[judge], judge, shape)


def _fit(fold: Fold, kind: str, params: Mapping[str, Any], metric: str, seed: int, late: Callable[[], bool]) -> Fit:
    """Fit one configuration on one fold and answer its judged rows, at its own best round where it is followed."""
    if not fold.shape.columns or (fold.shape.classes and len(np.unique(fold.y)) < 2):
        kind = "baseline"
    chosen = framework(kind)
    estimator = chosen.build(fold.shape, params, seed=seed, threads=1)
    link = Link.fit(params.get("scale", "identity"), fold.y) if fold.shape.regression else Link()
    y = link.forward(fold.y)
    smeared = link.scale != "identity" and params.get("loss") != "absolute"
    fit = Fit(estimator, link, smeared, np.empty(0), [])
    # A class that the learning half lacks cannot be followed; such rows are still judged.
    known = np.isin(fold.truth, fold.y) if fold.shape.classes else np.ones(len(fold.truth), bool)
    if kind == "lightgbm" and known.any():
        judged = fold.judged[known], link.forward(fold.truth[known])
        fit.losses = lightgbm.follow(
            estimator, fold.X, y, judged, shape=fold.shape, params=params, metric=metric, late=late
        )
        fit.answer = _answer(fit, fold, int(np.argmin(fit.losses)) + 1)
    else:
        with threads.limited(1, kind="openmp"):  # the limit of OpenMP belongs to the thread that sets it
            chosen.learn(estimator, fold.X, y, shape=fold.shape, params=params)
        fit.answer = _answer(fit, fold)
    return fit


def _answer(fit: Fit, fold: Fold, rounds: int | None = None) -> Array:
    """The answer on the judged rows, a regression's on the scale of the target."""
    settings = {} if rounds is None else {"num_iteration": rounds}
    if fold.shape.classes:
        return probabilities(fit.estimator, fold.judged, fold.shape.classes, **settings)
    link = fit.link
    if fit.smeared:
        some = slice(None, None, max(1, len(fold.y) // SMEAR_ROWS))
        link = link.smeared(fold.y[some], fit.estimator.predict(fold.X[some], **settings))
    return link.back(np.asarray(fit.estimator.predict(fold.judged, **settings), np.float64))


def _either(late: Callable[[], bool], cap: float) -> Callable[[], bool]:
    end = time.perf_counter() + cap
    return lambda: late() or time.perf_counter() > end


def _failures() -> tuple[type[Exception], ...]:
    """What a library raises where a configuration and a table do not go together; anything else is our mistake."""
    from lightgbm.basic import LightGBMError

    return (ValueError, ArithmeticError, MemoryError, RuntimeError, LightGBMError, np.linalg.LinAlgError)


def _common_round(losses: list[list[float]]) -> int:
    """The number of rounds with the least mean loss; a fold that stopped earlier keeps its last loss."""
    longest = max(map(len, losses))
    table = np.array([each + [each[-1]] * (longest - len(each)) for each in losses])
    return int(table.mean(axis=0).argmin()) + 1
