"""What a model says about rows, in one shape for every model, protocol and metric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from mainspring.core.task import Task


@dataclass(frozen=True, slots=True)
class Predictions:
    """Predictions for n rows.

    ``values``: shape (n,), the predicted class label (in the target's own type) or number.
    ``scores``: shape (n, k) float64 class probabilities in the order of ``classes``; None for regression.
    ``classes``: the k class labels, sorted; None for regression. The positive class of a binary task is ``classes[1]``.
    """

    values: np.ndarray[Any, Any]
    scores: np.ndarray[Any, Any] | None = None
    classes: tuple[Any, ...] | None = None

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.values)

    @property
    def positive(self) -> np.ndarray[Any, Any]:
        """Shape (n,): the probability of the positive class. Only for a binary task."""
        if self.scores is None or self.scores.shape[1] != 2:
            raise TypeError("Only predictions of a binary task have one positive score.")
        return self.scores[:, 1]


class Predictor(Protocol):
    """A fitted model, a packaged model or an endpoint: whatever can predict rows."""

    @property
    def task(self) -> Task:
        """What is predicted."""

    @property
    def target(self) -> str:
        """The name of the column that is predicted."""

    @property
    def features(self) -> tuple[str, ...]:
        """The columns that are needed, in order. Other columns of a frame are passed over."""

    @property
    def classes(self) -> tuple[Any, ...] | None:
        """The class labels in order; None for regression."""

    def predict(self, frame: pl.DataFrame) -> Predictions:
        """Predict every row of *frame*. Raises InputError where a needed column is missing or of another type."""
