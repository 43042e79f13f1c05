"""The column to predict: whether it can be predicted at all, and what kind of task it makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from mainspring.core.errors import InputError, quote, suggestion

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from mainspring.core.task import Task

    Vector: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

CODED_CLASSES = 20
"""Whole numbers with at most so many distinct values, counted from 0 or 1, are the codes of classes."""
MOST_CLASSES = 200
"""A text target with more distinct values than this is no class."""
JUDGED_CLASSES = 10
"""One-column predictive power is measured on at most so many classes, the most frequent ones."""


def known(frame: pl.DataFrame, target: str) -> pl.Series:
    """The target column. Raises InputError where it is missing, without any value, or the same in every row."""
    if target not in frame.columns:
        near = suggestion(target, frame.columns, kind="column")
        raise InputError(f"The target column {quote(target)} is not in the table. {near}")
    series = frame[target]
    filled = _filled(series)
    if len(filled) == 0:
        raise InputError(
            f"The target column {quote(target)} has no value in any of its {len(series):,} rows: there is nothing to "
            "learn from. Join the labels first, or name another column."
        )
    distinct = filled.n_unique() if not filled.dtype.is_nested() else 0
    if distinct == 0:
        raise InputError(
            f"The target column {quote(target)} holds values of type {series.dtype}. "
            "Expected numbers, texts or booleans."
        )
    if distinct == 1:
        raise InputError(
            f"The target column {quote(target)} is {quote(filled[0])} in all {len(filled):,} filled rows: a constant "
            "cannot be learned. Take rows with other outcomes too, or name another column."
        )
    return series


def infer_task(series: pl.Series) -> tuple[Task, str]:
    """The task that a target column makes, and why. Raises InputError for a text with too many distinct values."""
    filled = _filled(series)
    distinct = filled.n_unique()
    if distinct == 2:
        first, second = (quote(value) for value in filled.unique().sort().to_list())
        return "binary", f"{series.name} has two values, {first} and {second}"
    if not filled.dtype.is_numeric():
        if filled.dtype.is_temporal():
            raise InputError(f"The target column {quote(series.name)} holds dates. Expected classes or numbers.")
        if distinct > MOST_CLASSES:
            raise InputError(
                f"The target column {quote(series.name)} is text with {distinct:,} distinct values. Expected at most "
                f"{MOST_CLASSES} classes, or numbers. Is it the right column?"
            )
        return "multiclass", f"{series.name} is text with {distinct} distinct values"
    whole = bool((filled == filled.round()).all()) if filled.dtype.is_float() else True
    low = float(filled.min())  # type: ignore[arg-type]  # a numeric column with values
    if whole and distinct <= CODED_CLASSES and low in (0, 1):
        return "multiclass", f"{series.name} holds {distinct} whole numbers counted from {low:g}, read as classes"
    return "regression", f"{series.name} is a number with {distinct:,} distinct values"


@dataclass(frozen=True, slots=True)
class Truth:
    """The target as numbers, for measuring how well columns predict it.

    ``values``: shape (rows, k): for classes one indicator column for each judged class (one for a binary task), for
    a regression the number itself and its rank scaled to [0, 1]. ``labels`` names the indicator columns.
    """

    name: str
    task: Task
    values: Vector
    labels: tuple[str, ...]

    @classmethod
    def of(cls, series: pl.Series, task: Task) -> Truth:
        """Read a target column without nulls."""
        import numpy as np
        import polars as pl

        if task == "regression":
            number = series.cast(pl.Float64, strict=False).to_numpy()
            rank = pl.Series(number).rank().to_numpy() / max(len(number), 1)
            return cls(series.name, task, np.column_stack([number, rank]), (series.name, "rank"))
        text = series.cast(pl.String)
        counts = text.alias("label").value_counts(sort=True, name="rows")
        labels = sorted(counts["label"].head(JUDGED_CLASSES).to_list())
        if task == "binary" and len(labels) == 2:
            labels = labels[1:]
        indicators = [(text == label).cast(pl.Float64).to_numpy() for label in labels]
        return cls(series.name, task, np.column_stack(indicators), tuple(labels))

    def take(self, rows: np.ndarray[Any, Any]) -> Truth:
        """The truth of some rows."""
        return Truth(self.name, self.task, self.values[rows], self.labels)


def _filled(series: pl.Series) -> pl.Series:
    filled = series.drop_nulls()
    return filled.drop_nans() if filled.dtype.is_float() else filled
