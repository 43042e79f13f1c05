"""From which probability on a row is called positive: by what mistakes cost, or by F1 where no costs are declared.

The threshold is picked among those that tell the rows apart, on the rows that are given. Judging it on those same rows
flatters it, so it is picked on rows the model did not learn from and the gain is stated on others: on held-out rows
by cross-fitting (picked on four fifths, judged on the last, five times; Chernozhukov et al. 2018 use the word so).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from mainspring.evaluate.outcome import Floats, Outcome, label_text
from mainspring.evaluate.statistic import ratio

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mainspring.core.predictions import Predictions

Objective: TypeAlias = Literal["cost", "f1"]
CURVE_POINTS = 101
FOLDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """Where the line is drawn, where it would best be drawn, and what that is worth on the evaluated rows.

    ``objective`` is the mean cost a row (less is better) or F1 (more is better). ``current`` is the threshold of the
    model as it is, with its value. ``best`` is the recommended one; ``best_value`` is what it gives on rows it was not
    picked on. ``picked_on`` says which rows those were. ``curve`` lists (threshold, value) on the evaluated rows.
    """

    objective: Objective
    current: float
    current_value: float | None
    best: float
    best_value: float | None
    picked_on: str
    rows: int
    curve: tuple[tuple[float, float], ...] = ()


def choose(
    truth: Any,
    predictions: Predictions,
    *,
    cost: Mapping[tuple[str, str], float] | None = None,
    positive: str | None = None,
) -> float:
    """The threshold that gives these rows the least mean *cost*, or without costs the best F1.

    *truth* and *predictions* should be of rows that the model did not learn from (out of fold). Of equally good
    thresholds the one nearest to what the costs say for honest probabilities is taken, else the one nearest to 0.5.
    Gives 0.5 where the rows are of one class. Raises InputError where the task is not binary.
    """
    from mainspring.core.errors import InputError

    outcome = Outcome.of(truth, predictions, positive=positive)
    if outcome.task != "binary":
        raise InputError(f"A threshold is for a binary task, this one is {outcome.task}.")
    return pick(outcome, cost or {})


def pick(outcome: Outcome, cost: Mapping[tuple[str, str], float]) -> float:
    """:func:`choose` for rows that are put together already."""
    if not len(outcome) or len(np.unique(outcome.truth == 1)) < 2:
        return 0.5
    thresholds, calls = _sweep(outcome)
    value = _values(calls, outcome, cost)
    loss = value if cost else -value
    equal = np.flatnonzero(loss <= np.nanmin(loss) + 1e-12)
    return float(thresholds[equal[np.argmin(np.abs(thresholds[equal] - _fair(outcome, cost)))]])


def assess(
    outcome: Outcome,
    cost: Mapping[tuple[str, str], float],
    *,
    current: float,
    tuning: Outcome | None = None,
    seed: int = 0,
) -> Threshold:
    """Recommend a threshold and say what it is worth on *outcome*.

    With *tuning* (out-of-fold rows of training) it is picked there and judged here; without, it is picked here and its
    value cross-fitted.
    """
    if tuning is not None and len(tuning):
        best = pick(tuning, cost)
        decided = outcome.positive >= best
        picked_on = f"{len(tuning):,} out-of-fold rows of the training data"
    else:
        best = pick(outcome, cost)
        decided = _crossfit(outcome, cost, seed)
        picked_on = f"these {len(outcome):,} rows; its value is cross-fitted, so no row is judged by a line it drew"
    thresholds, calls = _sweep(outcome)
    values = _values(calls, outcome, cost)
    show = np.unique(np.searchsorted(thresholds, np.linspace(0, 1, CURVE_POINTS)).clip(0, len(thresholds) - 1))
    curve = tuple((float(thresholds[i]), float(values[i])) for i in show if not np.isnan(values[i]))
    return Threshold(
        objective="cost" if cost else "f1",
        current=current,
        current_value=_value(outcome.decided == 1, outcome, cost),
        best=best,
        best_value=_value(decided, outcome, cost),
        picked_on=picked_on,
        rows=len(outcome),
        curve=curve,
    )


def _sweep(outcome: Outcome) -> tuple[Floats, Floats]:
    """Thresholds in rising order and, for each, hits and false alarms: shape (thresholds,) and (thresholds, 2).

    They lie midway between neighbouring scores, so a packaged model that rounds differently decides the same.
    """
    scores, rank = np.unique(outcome.positive, return_inverse=True)
    is_positive = outcome.truth == 1
    below = np.zeros((len(scores) + 1, 2))
    below[1:, 0] = np.cumsum(np.bincount(rank, weights=is_positive, minlength=len(scores)))
    below[1:, 1] = np.cumsum(np.bincount(rank, weights=~is_positive, minlength=len(scores)))
    middle = (scores[:-1] + scores[1:]) / 2
    ends = (min(0.0, float(scores[0])), max(1.0, float(np.nextafter(scores[-1], np.inf))))
    return np.concatenate([[ends[0]], middle, [ends[1]]]), below[-1] - below


def _values(calls: Floats, outcome: Outcome, cost: Mapping[tuple[str, str], float]) -> Floats:
    """Mean cost or F1 at each pair of (hits, false alarms)."""
    hits, alarms = calls[:, 0], calls[:, 1]
    positives = float((outcome.truth == 1).sum())
    if not cost:
        return ratio(2 * hits, hits + alarms + positives)
    hit, miss, alarm, quiet = prices(outcome, cost)
    negatives = len(outcome) - positives
    total: Floats = hit * hits + miss * (positives - hits) + alarm * alarms + quiet * (negatives - alarms)
    return total / len(outcome)


def _value(called: np.ndarray[Any, Any], outcome: Outcome, cost: Mapping[tuple[str, str], float]) -> float | None:
    """Mean cost or F1 of one way of calling the rows."""
    if not len(outcome):
        return None
    is_positive = outcome.truth == 1
    calls = np.array([[float((called & is_positive).sum()), float((called & ~is_positive).sum())]])
    value = float(_values(calls, outcome, cost)[0])
    return None if np.isnan(value) else value


def prices(outcome: Outcome, cost: Mapping[tuple[str, str], float]) -> tuple[float, float, float, float]:
    """What a hit, a miss, a false alarm and a quiet negative cost."""
    no, yes = (label_text(label) for label in outcome.labels[:2])
    return (
        cost.get((yes, yes), 0.0),
        cost.get((yes, no), 0.0),
        cost.get((no, yes), 0.0),
        cost.get((no, no), 0.0),
    )


def _fair(outcome: Outcome, cost: Mapping[tuple[str, str], float]) -> float:
    """Where the line belongs if probabilities are honest (Elkan 2001, "The foundations of cost-sensitive learning")."""
    if not cost:
        return 0.5
    hit, miss, alarm, quiet = prices(outcome, cost)
    spread = (alarm - quiet) + (miss - hit)
    return float(np.clip((alarm - quiet) / spread, 0, 1)) if spread > 0 else 0.5


def _crossfit(outcome: Outcome, cost: Mapping[tuple[str, str], float], seed: int) -> np.ndarray[Any, Any]:
    """Each row called by a threshold that was picked on the other folds."""
    called = np.zeros(len(outcome), dtype=bool)
    fold = np.random.default_rng(seed).permutation(np.arange(len(outcome)) % FOLDS)
    for part in range(FOLDS):
        inside = fold == part
        called[inside] = outcome.positive[inside] >= pick(outcome.take(~inside), cost)
    return called
