"""Truth beside prediction, in the one shape that every metric takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mainspring.core.errors import InputError, listed

if TYPE_CHECKING:
    from mainspring.core.predictions import Predictions
    from mainspring.core.task import Task

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was true and what was predicted for n rows.

    Classification: ``truth`` and ``decided`` are codes into ``labels`` (int64); the first ``known`` labels are the
    model's classes in the order of the columns of ``scores``, later ones were never seen in training. In a binary task
    code 1 is the positive class. Regression: both are float64, ``labels`` is empty.

    Rows whose truth is null or not finite are left out: nothing is known about them (yet). ``kept`` gives the
    positions of the rows that are left in what was passed in. ``labelled`` is false where no truth was given at all.
    """

    task: Task
    truth: NDArray[Any]
    decided: NDArray[Any]
    scores: Floats | None
    labels: tuple[Any, ...]
    known: int
    kept: Ints
    labelled: bool = True

    @classmethod
    def of(cls, truth: Any, predictions: Predictions, *, positive: str | None = None) -> Outcome:
        """Put *truth* (an array, list or Polars series of n values; None: not known) beside *predictions*.

        Labels are matched as numbers where both sides are numbers, else by their text (``True`` is ``true``), so that a
        label read from a file as 1 meets the class ``"1"``. *positive* names the positive class of a binary task.
        Raises InputError where the lengths differ, the labels have nothing in common with the classes, or *positive*
        is none of the classes.
        """
        rows = len(predictions)
        column = None if truth is None else as_series(truth)
        if column is not None and len(column) != rows:
            raise InputError(
                f"Expected one true value for each of the {rows} predictions, got {len(column)}. "
                "Pass the rows in the same order and number."
            )
        kept = _known_rows(column, rows)
        if column is not None:
            column = column.gather(kept)
        everything = len(kept) == rows
        values = predictions.values if everything else predictions.values[kept]
        scores = predictions.scores if everything or predictions.scores is None else predictions.scores[kept]
        if predictions.classes is None:
            numbers = _numbers(column) if column is not None else np.full(rows, np.nan)
            decided = np.asarray(values, dtype=np.float64)
            return cls("regression", numbers, decided, None, (), 0, kept, column is not None)
        classes, scores = _positive_last(predictions.classes, scores, positive)
        codes, labels = _encode(column, as_series(values), classes, len(kept))
        return cls(
            "binary" if len(classes) == 2 else "multiclass",
            codes[0],
            codes[1],
            None if scores is None else np.asarray(scores, dtype=np.float64),
            labels,
            len(classes),
            kept,
            column is not None,
        )

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.decided)

    def take(self, rows: NDArray[Any]) -> Outcome:
        """The outcome of *rows* only (positions or a mask), without encoding anything again."""
        return Outcome(
            self.task,
            self.truth[rows],
            self.decided[rows],
            None if self.scores is None else self.scores[rows],
            self.labels,
            self.known,
            self.kept[rows],
            self.labelled,
        )

    @property
    def positive(self) -> Floats:
        """Shape (n,): the score of the positive class. Raises InputError where the model gave no probabilities."""
        return self.probabilities[:, 1]

    @property
    def probabilities(self) -> Floats:
        """Shape (n, known): the class probabilities. Raises InputError where the model gave none."""
        if self.scores is None:
            raise InputError(
                "This metric needs class probabilities, and the model gave only labels. "
                "Use accuracy or f1, or a model that gives probabilities."
            )
        return self.scores


def as_series(values: Any) -> pl.Series:
    """A Polars series of *values*: a series, a NumPy array or any sequence; None and NaN may be among them."""
    if isinstance(values, pl.Series):
        return values
    if isinstance(values, np.ndarray) and values.dtype != object:
        return pl.Series(values)
    return pl.Series(list(values), strict=False)


def label_text(value: object) -> str:
    """A label as one writes it in the contract: ``True`` is ``true``, ``1.0`` is ``1``.

    >>> label_text(True), label_text(1.0), label_text(">50K")
    ('true', '1', '>50K')
    """
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)


def texts(column: pl.Series) -> pl.Series:
    """Every value of *column* as :func:`label_text` writes it; null stays null."""
    if column.dtype.is_float():
        finite = column.drop_nulls().drop_nans()
        if (finite == finite.floor()).all() and finite.is_finite().all():
            return column.fill_nan(None).cast(pl.Int64).cast(pl.String)
    return column.cast(pl.String)


def _known_rows(column: pl.Series | None, rows: int) -> Ints:
    if column is None:
        return np.arange(rows)
    known = column.is_not_null()
    if column.dtype.is_float():
        known = column.is_finite().fill_null(value=False)
    return known.arg_true().to_numpy().astype(np.int64)


def _numbers(column: pl.Series) -> Floats:
    try:
        return column.cast(pl.Float64).to_numpy().astype(np.float64)
    except pl.exceptions.InvalidOperationError as error:
        raise InputError(
            f"Expected numbers as the truth of a regression, got {column.dtype} such as {column[0]!r}. "
            "Clean the target column first."
        ) from error


def _positive_last(
    classes: tuple[Any, ...], scores: NDArray[Any] | None, positive: str | None
) -> tuple[tuple[Any, ...], NDArray[Any] | None]:
    """Put the class named *positive* second, with its column of the scores."""
    if positive is None or len(classes) != 2:
        return classes, scores
    names = [label_text(label).casefold() for label in classes]
    if positive.casefold() not in names:
        raise InputError(
            f"The positive class {positive!r} is none of the model's classes: {listed(map(label_text, classes))}. "
            "Mend `positive` in [project]."
        )
    if names.index(positive.casefold()) == 1:
        return classes, scores
    return (classes[1], classes[0]), None if scores is None else scores[:, ::-1]


def _encode(
    truth: pl.Series | None, decided: pl.Series, classes: tuple[Any, ...], rows: int
) -> tuple[tuple[Ints, Ints], tuple[Any, ...]]:
    """The codes of truth and decision, and the label of each code: the classes first, then what else was met."""
    numeric = _is_numeric(pl.Series(list(classes), strict=False)) and (truth is None or _is_numeric(truth))
    keys: list[Any] = [float(label) if numeric else label_text(label) for label in classes]
    fold_case = not numeric and all(isinstance(label, (bool, np.bool_)) for label in classes)
    labels: list[Any] = list(classes)
    coded = []
    for column in (truth, decided):
        if column is None:
            coded.append(np.zeros(rows, dtype=np.int64))
            continue
        if numeric and column.dtype == pl.Boolean and {0.0, 1.0} <= set(keys) and not column.null_count():
            coded.append(np.where(column.to_numpy(), keys.index(1.0), keys.index(0.0)))
            continue
        plain = column.cast(pl.Float64) if numeric else texts(column)
        plain = plain.str.to_lowercase() if fold_case else plain
        for value in plain.unique(maintain_order=True).drop_nulls():
            if value not in keys:
                keys.append(value)
                labels.append(value)
        codes = plain.replace_strict(keys, range(len(keys)), default=None, return_dtype=pl.Int64)
        coded.append(codes.to_numpy().astype(np.int64))
    if truth is not None and rows and (coded[0] >= len(classes)).all() and truth.dtype != decided.dtype:
        raise InputError(
            f"None of the true labels ({listed(map(str, labels[len(classes) :]))}) is a class of the model "
            f"({listed(map(label_text, classes))}). Was the target column changed after training?"
        )
    return (coded[0], coded[1]), tuple(labels)


def _is_numeric(column: pl.Series) -> bool:
    return column.dtype.is_numeric() or column.dtype == pl.Boolean
