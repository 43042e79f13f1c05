"""The line between the classes, drawn on rows that were not learned from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mainspring.evaluate import threshold
from mainspring.train.bench import outcome, score

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mainspring.contract import Contract

    Array = np.ndarray[Any, Any]

SWEPT = {"accuracy", "balanced_accuracy", "matthews_corrcoef"}
STEPS = 200


def pick(metric: str, truth: Array, answer: Array, contract: Contract, classes: tuple[Any, ...]) -> float | None:
    """The probability from which on to say positive, so that *metric* is best on these rows; None where 0.5 will do.

    With a cost matrix in the contract its mean cost decides, whatever the metric. *truth* has places of classes,
    *answer* the probabilities, shape (rows, 2), of rows that were not learned from. Metrics of ranking and of
    probabilities (roc_auc, log_loss) leave the threshold alone.
    """
    if len(classes) != 2 or len(np.unique(truth)) < 2:
        return None
    if contract.cost or metric == "f1":
        return threshold.pick(outcome(truth, answer, contract, classes), contract.cost)
    if metric not in SWEPT:
        return None
    lines = np.unique(np.quantile(answer[:, 1], np.linspace(0.005, 0.995, STEPS)))
    lines = np.append((lines[1:] + lines[:-1]) / 2, 0.5)
    values = [score(metric, truth, answer, contract, classes, threshold=line) for line in lines]
    best = float(lines[int(np.nanargmax(values))])
    # A threshold is moved for a gain that is more than the luck of a sweep.
    return best if np.nanmax(values) > values[-1] + 0.5 / np.sqrt(len(truth)) else None


def crossed(
    metric: str,
    folds: Sequence[tuple[Array, Array]],
    contract: Contract,
    classes: tuple[Any, ...],
) -> list[float]:
    """The *metric* of each fold (truth, answer), each cut by a threshold that was picked on the other folds."""
    values = []
    for place, (truth, answer) in enumerate(folds):
        others = [fold for other, fold in enumerate(folds) if other != place]
        line = pick(
            metric, np.concatenate([t for t, _ in others]), np.concatenate([a for _, a in others]), contract, classes
        )
        values.append(score(metric, truth, answer, contract, classes, threshold=0.5 if line is None else line))
    return values
