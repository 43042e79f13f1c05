"""What a model did when it was released: its predictions, its metrics and their spread, what its scores are worth.

Fitted once on rows with known truth that the model was not trained on (the holdout), kept with the model as JSON.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import polars as pl

from mainspring.contract.metric import METRICS, primary
from mainspring.evaluate.metric import IMPLEMENTED, Setting, build, estimates
from mainspring.evaluate.outcome import Outcome
from mainspring.monitor.expectation import Expectation
from mainspring.monitor.loss_model import LossModel
from mainspring.monitor.profile import OWN_WINDOWS, Reference, WindowProfile
from mainspring.monitor.spread import LARGEST, Spread, spreads
from mainspring.monitor.unrest import LEAST

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from mainspring.contract import Contract
    from mainspring.core.predictions import Predictions
    from mainspring.core.task import Task

PREDICTION, SCORE = "prediction", "score"
_OF_LOSSES = {"mae": "absolute", "rmse": "squared"}

Floats: TypeAlias = "NDArray[np.float64]"


@dataclass(frozen=True, slots=True)
class Baseline:
    """The model's record on the holdout.

    ``spreads``: per metric its value there and its variation by window size. ``predictions``: the reference of what
    the model said. ``expectation`` (classifiers with scores) and ``losses`` (regressions: the loss models
    ``absolute`` and ``squared``) estimate metrics without labels. ``loss`` and ``loss_deviation``: mean and deviation
    of a row's loss (0 or 1 for a classifier, the absolute error for a regression). ``cost`` and ``positive`` are the
    contract's.
    """

    task: Task
    rows: int
    spreads: dict[str, Spread]
    predictions: Reference
    loss: float
    loss_deviation: float
    expectation: Expectation | None = None
    losses: dict[str, LossModel] = field(default_factory=dict)
    cost: dict[tuple[str, str], float] = field(default_factory=dict)
    positive: str | None = None

    @classmethod
    def fit(
        cls,
        truth: Any,
        predictions: Predictions,
        *,
        metrics: Iterable[str] | None = None,
        frame: pl.DataFrame | None = None,
        reference: Reference | None = None,
        cost: Mapping[tuple[str, str], float] | None = None,
        positive: str | None = None,
        window: int | None = None,
        seed: int = 0,
    ) -> Baseline:
        """Learn from the *predictions* for rows whose *truth* is known.

        *metrics*: quality metrics to follow (default: the task's primary one). *frame* (the rows themselves) and
        *reference* let a regression's losses be estimated without labels. *cost* and *positive* as in the contract.
        *window*: the usual number of rows of a window, for rows in order of time that are not independent: the bands
        then also allow for how the metrics vary over such windows. Rows whose truth is null are left out. Raises
        InputError as :func:`mainspring.evaluate.measure` does.
        """
        outcome = Outcome.of(truth, predictions, positive=positive)
        names = list(dict.fromkeys(metrics or (primary(outcome.task),)))
        setting = Setting(cost=cost or {}, confidence=None, seed=seed)
        values = {name: found.value for name, found in estimates(names, outcome, setting).items()}
        part = outcome
        if len(outcome) > LARGEST:
            part = outcome.take(np.sort(np.random.default_rng(seed).choice(len(outcome), LARGEST, replace=False)))
        losses = row_losses(outcome)
        own = _own_windows(len(outcome), window)
        expectation = _expectation(outcome, values, setting)
        resampled = spreads(
            {name: build(name, part, setting) for name in names}, values=values, rows=len(outcome), seed=seed
        )
        if own:
            over = [estimates(names, outcome.take(np.arange(len(outcome))[each]), setting) for each in own]
            rows = own[0].stop - own[0].start
            resampled = {
                name: found.settled([each[name].value for each in over], rows) for name, found in resampled.items()
            }
            expectation = None if expectation is None else expectation.settled(outcome, own, cost=setting.cost)
        return cls(
            task=outcome.task,
            rows=len(outcome),
            spreads=resampled,
            predictions=Reference.fit(prediction_frame(predictions, positive=positive)),
            loss=float(losses.mean()) if len(losses) else float("nan"),
            loss_deviation=_long_run_deviation(losses, own),
            expectation=expectation,
            losses=_loss_models(outcome, predictions, frame, reference),
            cost=dict(cost or {}),
            positive=positive,
        )

    def profile(self, said: pl.DataFrame) -> WindowProfile:
        """Count what the model *said*, a frame as of :func:`prediction_frame`, in the bins of what it said at release.

        Classes need not be made texts before: they are counted as such.
        """
        found = self.predictions.profile(said)
        if self.task != "regression":
            types = self.predictions.columns[PREDICTION].profile.types
            found.columns[PREDICTION] = replace(found.columns[PREDICTION], types=types)
        return found

    @classmethod
    def of_contract(
        cls,
        contract: Contract,
        truth: Any,
        predictions: Predictions,
        *,
        frame: pl.DataFrame | None = None,
        reference: Reference | None = None,
        window: int | None = None,
        seed: int = 0,
    ) -> Baseline:
        """:meth:`fit` for the primary metric of the contract's task and the quality metrics it requires."""
        return cls.fit(
            truth,
            predictions,
            metrics=followed(contract),
            frame=frame,
            reference=reference,
            cost=contract.cost,
            positive=contract.project.positive,
            window=window,
            seed=seed,
        )

    @property
    def metrics(self) -> tuple[str, ...]:
        """The followed metrics."""
        return tuple(self.spreads)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "task": self.task,
            "rows": self.rows,
            "spreads": {name: found.as_dict() for name, found in self.spreads.items()},
            "predictions": self.predictions.as_dict(),
            "loss": self.loss,
            "loss_deviation": self.loss_deviation,
            "expectation": None if self.expectation is None else self.expectation.as_dict(),
            "losses": {name: found.as_dict() for name, found in self.losses.items()},
            "cost": [[truth, said, amount] for (truth, said), amount in self.cost.items()],
            "positive": self.positive,
        }

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Baseline:
        """Read :meth:`as_dict` back."""
        return cls(
            task=raw["task"],
            rows=int(raw["rows"]),
            spreads={name: Spread.from_dict(found) for name, found in raw["spreads"].items()},
            predictions=Reference.from_dict(raw["predictions"]),
            loss=float(raw["loss"]),
            loss_deviation=float(raw["loss_deviation"]),
            expectation=None if raw["expectation"] is None else Expectation.from_dict(raw["expectation"]),
            losses={name: LossModel.from_dict(found) for name, found in raw["losses"].items()},
            cost={(truth, said): float(amount) for truth, said, amount in raw["cost"]},
            positive=raw["positive"],
        )


def followed(contract: Contract) -> tuple[str, ...]:
    """The primary metric of the contract's task, then every quality metric that it requires of all rows."""
    required = [
        requirement.metric
        for requirement in contract.requirements
        if METRICS[requirement.metric].kind == "quality"
        and requirement.metric in IMPLEMENTED
        and (requirement.metric != "expected_cost" or contract.cost)
    ]
    return tuple(dict.fromkeys((primary(contract.project.task), *required)))


def prediction_frame(predictions: Predictions, *, positive: str | None = None) -> pl.DataFrame:
    """What the model said as a frame: ``prediction``, and for a classifier with scores ``score``.

    The score is that of the positive class in a binary task, else that of the predicted class (the largest).
    """
    outcome = Outcome.of(None, predictions, positive=positive)
    if outcome.task == "regression":
        return pl.DataFrame({PREDICTION: outcome.decided})
    values = predictions.values
    said = pl.Series(PREDICTION, values.tolist() if values.dtype == object else values, strict=False).cast(pl.String)
    if outcome.scores is None:
        return pl.DataFrame({PREDICTION: said})
    score = outcome.scores[:, 1] if outcome.task == "binary" else outcome.scores.max(axis=1, initial=0.0)
    return pl.DataFrame({PREDICTION: said, SCORE: score})


def row_losses(outcome: Outcome) -> Floats:
    """One loss for each row with known truth: 0 or 1 for a classifier, the absolute error for a regression."""
    if outcome.task == "regression":
        errors: Floats = np.abs(outcome.decided - outcome.truth)
        return errors
    wrong: Floats = np.not_equal(outcome.decided, outcome.truth).astype(np.float64)
    return wrong


def _own_windows(rows: int, window: int | None) -> list[slice]:
    """At most :data:`OWN_WINDOWS` whole windows of consecutive rows, evenly spread; none where they are too few."""
    starts = range(0, rows - window + 1, window) if window else range(0)
    if window is None or len(starts) < LEAST:
        return []
    chosen = np.unique(np.linspace(0, len(starts) - 1, OWN_WINDOWS).round().astype(int))
    return [slice(starts[place], starts[place] + window) for place in chosen]


def _long_run_deviation(losses: Floats, windows: list[slice]) -> float:
    """A row's deviation, or that of independent rows whose means would vary as much as those of the *windows*."""
    if not len(losses):
        return float("nan")
    single = float(losses.std())
    if not windows:
        return single
    means = np.array([losses[window].mean() for window in windows])
    return max(single, float(means.std(ddof=1)) * float(np.sqrt(windows[0].stop - windows[0].start)))


def _expectation(outcome: Outcome, values: Mapping[str, float], setting: Setting) -> Expectation | None:
    if outcome.scores is None or not len(outcome) or outcome.task == "regression":
        return None
    if not np.isfinite(outcome.scores).all():
        return None
    return Expectation.fit(outcome, values, cost=setting.cost, seed=setting.seed)


def _loss_models(
    outcome: Outcome, predictions: Predictions, frame: pl.DataFrame | None, reference: Reference | None
) -> dict[str, LossModel]:
    if outcome.task != "regression" or not len(outcome) or not np.isfinite(outcome.decided).all():
        return {}
    said = prediction_frame(predictions)
    whole = said if frame is None else frame.drop(PREDICTION, strict=False).hstack(said)
    columns = {} if reference is None or frame is None else dict(reference.columns)
    columns[PREDICTION] = Reference.fit(said).columns[PREDICTION]
    rows = whole[outcome.kept]
    errors = row_losses(outcome)
    return {
        "absolute": LossModel.fit(columns, rows, errors),
        "squared": LossModel.fit(columns, rows, errors**2),
    }
