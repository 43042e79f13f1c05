"""Any metric of the contract, measured on rows with an interval.

What is not a number, and when:

* rows whose truth is null are left out; ``rows`` of the estimate says how many were looked at;
* over zero rows every metric is NaN;
* a prediction that is NaN makes the metric NaN: a model that answers so is not measured on the rest;
* ``roc_auc`` and ``roc_auc_ovr`` are NaN where one class occurs, ``average_precision`` and ``recall`` where no row is
  positive, ``precision`` where none was called so, ``f1`` where both, ``r2`` where the truth does not vary, the
  fairness metrics where fewer than two groups of ``minimum_rows`` are left. Elsewhere the values are scikit-learn's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mainspring.contract.metric import METRICS
from mainspring.core.errors import InputError, NotFound, listed
from mainspring.core.estimate import Estimate
from mainspring.evaluate import bootstrap, confusion, fairness, probability, ranking, residual
from mainspring.evaluate.fairness import MINIMUM_ROWS, Groups
from mainspring.evaluate.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mainspring.core.predictions import Predictions
    from mainspring.evaluate.outcome import Floats
    from mainspring.evaluate.statistic import Statistic

RESAMPLES = 200
CONFIDENCE = 0.95
LARGEST = 100_000
"""The bootstrap of a metric that needs every row runs on at most so many, see :func:`_spread`."""

_PLAIN: dict[str, Callable[[Outcome], Statistic]] = {
    "accuracy": confusion.accuracy,
    "average_precision": ranking.average_precision,
    "balanced_accuracy": confusion.balanced_accuracy,
    "brier_score": probability.brier_score,
    "expected_calibration_error": probability.expected_calibration_error,
    "f1": confusion.f1,
    "f1_macro": confusion.f1_macro,
    "f1_weighted": confusion.f1_weighted,
    "log_loss": probability.log_loss,
    "mae": residual.mae,
    "mape": residual.mape,
    "matthews_corrcoef": confusion.matthews_corrcoef,
    "max_error": residual.max_error,
    "mean_error": residual.mean_error,
    "median_absolute_error": residual.median_absolute_error,
    "precision": confusion.precision,
    "precision_macro": confusion.precision_macro,
    "r2": residual.r2,
    "recall": confusion.recall,
    "recall_macro": confusion.recall_macro,
    "rmse": residual.rmse,
    "roc_auc": ranking.roc_auc,
    "roc_auc_ovr": ranking.roc_auc_ovr,
}
_FAIRNESS: dict[str, Callable[[Outcome, Groups], Statistic]] = {
    "demographic_parity_difference": fairness.demographic_parity_difference,
    "demographic_parity_ratio": fairness.demographic_parity_ratio,
    "equal_opportunity_difference": fairness.equal_opportunity_difference,
    "equalized_odds_difference": fairness.equalized_odds_difference,
}
IMPLEMENTED = frozenset({*_PLAIN, *_FAIRNESS, "expected_cost"})
"""The names that :func:`measure` knows."""
WITHOUT_TRUTH = frozenset({"demographic_parity_difference", "demographic_parity_ratio"})
"""The metrics that need no labels."""
OF_SCORES = frozenset(
    {"average_precision", "brier_score", "expected_calibration_error", "log_loss", "roc_auc", "roc_auc_ovr"}
)
"""The metrics that need class probabilities."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How a metric is measured: the groups and costs it may need, and how its interval is made.

    ``by``: n values that name each row's group. ``confidence`` None asks for no interval, which is fast.
    """

    by: Any = None
    cost: Mapping[tuple[str, str], float] = field(default_factory=dict)
    confidence: float | None = CONFIDENCE
    resamples: int = RESAMPLES
    seed: int = 0
    minimum_rows: int = MINIMUM_ROWS


def measure(
    name: str,
    truth: Any,
    predictions: Predictions,
    *,
    by: Any = None,
    cost: Mapping[tuple[str, str], float] | None = None,
    confidence: float | None = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
    positive: str | None = None,
    minimum_rows: int = MINIMUM_ROWS,
) -> Estimate:
    """Measure the metric *name* with a percentile bootstrap interval. The module says when the value is NaN.

    *truth*: n labels or numbers (array, list, series; null where not known yet), or None where only the predictions are
    known (enough for demographic parity). *by*: n group values, for fairness metrics. *cost*: the contract's costs, for
    ``expected_cost``. *confidence*: None for no interval. *positive*: the positive class (default: ``classes[1]``).

    Raises NotFound for an unknown metric, InputError for one that does not fit the task or lacks what it needs.
    """
    outcome = Outcome.of(None if name in WITHOUT_TRUTH else truth, predictions, positive=positive)
    setting = Setting(
        by=by, cost=cost or {}, confidence=confidence, resamples=resamples, seed=seed, minimum_rows=minimum_rows
    )
    return estimate(name, outcome, setting)


def difference(
    name: str,
    truth: Any,
    a: Predictions,
    b: Predictions,
    *,
    by: Any = None,
    cost: Mapping[tuple[str, str], float] | None = None,
    confidence: float | None = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
    positive: str | None = None,
    minimum_rows: int = MINIMUM_ROWS,
) -> Estimate:
    """How much better *a* is than *b* on the same rows: above zero, *a* is better, whichever way the metric points.

    Both are measured on the same bootstrap samples, so what is hard for both cancels out. The bias ``mean_error`` is
    compared by its size. Arguments and errors are those of :func:`measure`.
    """
    if len(a) != len(b):
        raise InputError(f"Expected predictions for the same rows, got {len(a)} and {len(b)}.")
    known = None if name in WITHOUT_TRUTH else truth
    setting = Setting(
        by=by, cost=cost or {}, confidence=confidence, resamples=resamples, seed=seed, minimum_rows=minimum_rows
    )
    return gain(name, Outcome.of(known, a, positive=positive), Outcome.of(known, b, positive=positive), setting)


def estimate(name: str, outcome: Outcome, setting: Setting | None = None) -> Estimate:
    """:func:`measure` for rows that are put together already; ``setting.by`` is for the rows as first passed in."""
    return estimates([name], outcome, setting)[name]


def estimates(names: Sequence[str], outcome: Outcome, setting: Setting | None = None) -> dict[str, Estimate]:
    """Measure several metrics, drawing the bootstrap samples once for all that need every row."""
    setting = setting or Setting()
    built = {name: build(name, outcome, setting) for name in names}
    values = {name: _value(name, outcome, statistic) for name, statistic in built.items()}
    bounds: dict[str, tuple[float | None, float | None]] = dict.fromkeys(names, (None, None))
    wanted = [name for name in names if setting.confidence is not None and not math.isnan(values[name])]
    counted = [name for name in wanted if _is_counted(built[name])]
    for group in [*([name] for name in counted), [name for name in wanted if name not in counted]]:
        if group and setting.confidence is not None:
            for name, spread in zip(group, _spread(group, [outcome], setting)[0], strict=True):
                bounds[name] = bootstrap.percentiles(spread, setting.confidence)
    return {name: Estimate(values[name], *bounds[name], built[name].rows) for name in names}


def gain(name: str, a: Outcome, b: Outcome, setting: Setting | None = None) -> Estimate:
    """:func:`difference` for rows that are put together already."""
    setting = setting or Setting()
    first, second = build(name, a, setting), build(name, b, setting)
    better = _orient(name)
    value = better(np.array([_value(name, a, first)])) - better(np.array([_value(name, b, second)]))
    low = high = None
    if setting.confidence is not None and not math.isnan(value[0]):
        drawn_a, drawn_b = _spread([name], [a, b], setting)
        low, high = bootstrap.percentiles(better(drawn_a[0]) - better(drawn_b[0]), setting.confidence)
    return Estimate(float(value[0]), low, high, first.rows)


def build(name: str, outcome: Outcome, setting: Setting) -> Statistic:
    """The metric *name* as a statistic of the rows of *outcome*. Raises NotFound and InputError as :func:`measure`."""
    if name not in IMPLEMENTED:
        raise NotFound.among("metric", name, sorted(IMPLEMENTED))
    if outcome.task not in METRICS[name].tasks:
        fitting = [other for other in sorted(IMPLEMENTED) if outcome.task in METRICS[other].tasks]
        raise InputError(
            f"The metric {name} is for a {' or '.join(METRICS[name].tasks)} task, this one is {outcome.task}. "
            f"Use one of: {listed(fitting, limit=len(fitting))}."
        )
    if not outcome.labelled and name not in WITHOUT_TRUTH:
        outcome = outcome.take(np.zeros(0, dtype=np.int64))
    if name == "expected_cost":
        if not setting.cost:
            raise InputError("The metric expected_cost needs a cost matrix. Declare [[cost]] in mainspring.toml.")
        return confusion.expected_cost(outcome, setting.cost)
    if name in _FAIRNESS:
        if setting.by is None:
            raise InputError(f'The metric {name} compares groups. Say which, for instance by = "sex".')
        groups = setting.by if isinstance(setting.by, Groups) else _groups(outcome, setting)
        return _FAIRNESS[name](outcome, groups)
    return _PLAIN[name](outcome)


def _groups(outcome: Outcome, setting: Setting) -> Groups:
    """The groups of the rows of *outcome*, from the values for the rows as first passed in."""
    from mainspring.evaluate.outcome import as_series

    values = as_series(setting.by)
    if len(outcome.kept) and int(outcome.kept.max()) >= len(values):
        raise InputError(f"Expected a group for each row, got {len(values)}. Pass one value for each prediction.")
    return Groups.of(values.gather(outcome.kept), minimum_rows=setting.minimum_rows)


def _value(name: str, outcome: Outcome, statistic: Statistic) -> float:
    """The metric on the rows as they are; NaN where a prediction is."""
    if outcome.task == "regression":
        broken = bool(np.isnan(outcome.decided).any())
    else:
        broken = name in OF_SCORES and outcome.scores is not None and bool(np.isnan(outcome.scores).any())
    return float("nan") if broken else statistic.value


def _is_counted(statistic: Statistic) -> bool:
    """Whether its bootstrap is a draw of few counts."""
    return statistic.fold is not None and statistic.kinds <= bootstrap.FEW_KINDS


def _spread(names: Sequence[str], outcomes: Sequence[Outcome], setting: Setting) -> list[list[Floats]]:
    """For each outcome and name the bootstrap values, all on the same samples of the rows.

    Above ``LARGEST`` rows the samples are drawn from a random part of the rows, and their distances from that part's
    value are shrunk to the size of the whole (the bag of little bootstraps of Kleiner et al. 2014, with one bag).
    """
    settings = {"resamples": setting.resamples, "seed": setting.seed}
    built = [build(name, outcome, setting) for outcome in outcomes for name in names]
    rows = len(outcomes[0])
    largest = LARGEST
    if "roc_auc_ovr" in names:  # orders the rows once for each class
        largest = max(LARGEST // 5, LARGEST // max(1, outcomes[0].known // 4))
    if rows <= largest or all(map(_is_counted, built)):
        drawn = bootstrap.replicates(built, **settings)
    else:
        part = np.sort(np.random.default_rng(setting.seed).choice(rows, largest, replace=False))
        small = [build(name, outcome.take(part), setting) for outcome in outcomes for name in names]
        around = np.array([[statistic.value] for statistic in small])
        whole = np.array([[statistic.value] for statistic in built])
        drawn = whole + (bootstrap.replicates(small, **settings) - around) * math.sqrt(largest / rows)
    return [list(drawn[start : start + len(names)]) for start in range(0, len(drawn), len(names))]


def _orient(name: str) -> Callable[[Floats], Floats]:
    """Turns the metric so that more is better."""
    if name == "mean_error":
        return lambda values: -np.abs(values)
    return (lambda values: values) if METRICS[name].higher_is_better else (lambda values: -values)
