"""A packaged model that predicts: frame in, predictions out, and one row without any frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from mainspring.core.predictions import Predictions, Predictor
    from mainspring.core.task import Task
    from mainspring.package.scorer import Scorer
    from mainspring.train.model import Model


class PackagedPredictor:
    """Encodes as the model does, scores through the packaged form, reads the answer as the model does."""

    def __init__(self, model: Model, scorer: Scorer) -> None:
        """Score the rows of *model* through *scorer*."""
        self._model = model
        self._scorer = scorer

    @property
    def task(self) -> Task:
        """What is predicted."""
        return self._model.task

    @property
    def target(self) -> str:
        """The name of the predicted column."""
        return self._model.target

    @property
    def features(self) -> tuple[str, ...]:
        """The columns that are needed, in order."""
        return self._model.features

    @property
    def classes(self) -> tuple[Any, ...] | None:
        """The class labels in order; None for regression."""
        return self._model.classes

    def predict(self, frame: pl.DataFrame) -> Predictions:
        """Predict every row of *frame*. Raises InputError where a needed column is missing or of another type."""
        return self._model.read(self._scorer(self._model.encoder.encode(frame)))

    def predict_row(self, row: Mapping[str, Any]) -> Predictions:
        """Predict one row of Python values. The numbers are those of :meth:`predict` on a frame of that row."""
        return self._model.read(self._scorer(self._model.encoder.encode_row(row)))


if TYPE_CHECKING:

    def _fits(packaged: PackagedPredictor) -> Predictor:
        return packaged
