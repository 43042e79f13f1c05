"""A metric as a function of how often each kind of row is counted.

Two rows that a metric cannot tell apart are of one *kind*: for accuracy the cells of the confusion matrix, for ROC AUC
the pairs of score and label, for RMSE every row is its own kind. A metric is then a function of the weights of the
kinds: on the rows as they are the weights are the counts, and a bootstrap sample is a multinomial draw of the counts.
That makes the bootstrap of a counted metric cost the same for a thousand rows as for a million, and lets every other
metric be computed for many samples at once by array operations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from mainspring.evaluate.outcome import Floats, Ints

Values: TypeAlias = Callable[[Floats], Floats]


@dataclass(frozen=True, slots=True)
class Statistic:
    """One metric on one set of rows.

    ``fold``: shape (n,), the kind of each row in [0, kinds); None where every row is its own kind.
    ``of``: takes weights of shape (samples, kinds), gives the values of shape (samples,). NaN means that the metric is
    not defined for these weights (for instance ROC AUC where one class has no weight).
    """

    rows: int
    fold: Ints | None
    kinds: int
    of: Values

    @property
    def counts(self) -> Floats:
        """Shape (kinds,): how many rows are of each kind."""
        if self.fold is None:
            return np.ones(self.kinds)
        return np.bincount(self.fold, minlength=self.kinds).astype(np.float64)

    @property
    def value(self) -> float:
        """The metric on the rows as they are; NaN over no rows."""
        if not self.rows:
            return float("nan")
        return float(self.of(self.counts[None, :])[0])


def mean(values: Floats) -> Statistic:
    """The mean of one number a row, shape (n,)."""
    return Statistic(len(values), None, len(values), lambda weights: weights @ values / weights.sum(axis=1))


def ratio(above: Floats, below: Floats) -> Floats:
    """``above / below``, NaN where *below* is zero."""
    shape = np.broadcast_shapes(above.shape, below.shape)
    values: Floats = np.divide(above, below, out=np.full(shape, np.nan), where=below != 0)
    return values
