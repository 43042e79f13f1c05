"""A fitted model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mainspring.core.predictions import Predictions
from mainspring.features.encoder import Encoder
from mainspring.train.link import Link

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import polars as pl

    from mainspring.core.predictions import Predictor
    from mainspring.core.task import Task

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Model:
    """What was learned: how to encode rows, the estimator on the encoded matrix, and how to read its answer.

    ``estimator`` is a scikit-learn or LightGBM object that was fitted on the float32 matrix of ``encoder`` and, for
    classes, on their places in ``classes``; for a regression its answer is on the scale of ``link``. ``threshold`` is
    the probability from which on the positive class is predicted (binary only; None means 0.5). ``meta`` is JSON:
    kind, params, rows, seconds, seed, library versions, notes, and the table of the search that chose it.
    """

    task: Task
    target: str
    features: tuple[str, ...]
    classes: tuple[Any, ...] | None
    encoder: Encoder
    estimator: Any
    threshold: float | None = None
    link: Link = field(default_factory=Link)
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The framework's name: baseline, linear, forest, hist_gradient_boosting or lightgbm."""
        return str(self.meta.get("kind", type(self.estimator).__name__))

    def predict(self, frame: pl.DataFrame) -> Predictions:
        """Predict every row of *frame*.

        Raises InputError where a needed column is missing or holds something else than was learned.
        """
        return self.predict_matrix(self.encoder.encode(frame))

    def predict_matrix(self, matrix: Array) -> Predictions:
        """Predict every row of an encoded *matrix*, shape (rows, outputs of the encoder)."""
        import numpy as np

        if self.classes is None:
            learned = self.estimator.predict(matrix) if len(matrix) else np.empty(0)
            return self.read(np.asarray(learned, np.float64))
        return self.read(probabilities(self.estimator, matrix, len(self.classes)))

    def read(self, answer: Array) -> Predictions:
        """Predictions from the bare answer of the estimator (or of a packaged form of it).

        *answer*: shape (rows, classes) probabilities, or (rows,) numbers on the scale of the link.
        """
        if self.classes is None:
            return Predictions(self.link.back(answer))
        return Predictions(decide(answer, self.classes, self.threshold), answer, self.classes)

    def state(self) -> dict[str, Any]:
        """All but the estimator, as JSON values."""
        return {
            "task": self.task,
            "target": self.target,
            "features": list(self.features),
            "classes": None if self.classes is None else list(self.classes),
            "encoder": self.encoder.as_dict(),
            "threshold": self.threshold,
            "link": self.link.as_dict(),
            "meta": self.meta,
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any], estimator: Any) -> Model:
        """The model of a :meth:`state` and its estimator."""
        return cls(
            task=state["task"],
            target=state["target"],
            features=tuple(state["features"]),
            classes=None if state["classes"] is None else tuple(state["classes"]),
            encoder=Encoder.from_dict(state["encoder"]),
            estimator=estimator,
            threshold=state["threshold"],
            link=Link.from_dict(state["link"]),
            meta=dict(state["meta"]),
        )


def probabilities(estimator: Any, matrix: Array, classes: int, **settings: Any) -> Array:
    """Class probabilities, shape (rows, classes), float64; a class the estimator never saw has zero."""
    import numpy as np

    if not len(matrix):
        return np.empty((0, classes))
    given = np.asarray(estimator.predict_proba(matrix, **settings), np.float64)
    seen = np.asarray(estimator.classes_, np.int64)
    if len(seen) == classes:
        return given
    every = np.zeros((len(matrix), classes))
    every[:, seen] = given
    return every


def decide(scores: Array, classes: tuple[Any, ...], threshold: float | None = None) -> Array:
    """The predicted labels, shape (rows,): the most probable class, or the positive one from *threshold* on."""
    if len(classes) == 2:
        place = (scores[:, 1] >= (0.5 if threshold is None else threshold)).astype("int64")
    else:
        place = scores.argmax(axis=1)
    decided: Array = labels(classes)[place]
    return decided


def labels(classes: tuple[Any, ...]) -> Array:
    """The class labels as an array of their own type (texts as objects)."""
    import numpy as np

    return np.array(classes, dtype=object if any(isinstance(label, str) for label in classes) else None)


if TYPE_CHECKING:
    _fits: Predictor = Model("binary", "", (), (), Encoder(()), None)
