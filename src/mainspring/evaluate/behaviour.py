"""What a model must not do, whatever the truth is: behaviour that needs no labels.

Ribeiro et al. (2020), "Beyond accuracy: behavioral testing of NLP models with CheckList", name the two kinds. An
*invariance* changes something that should not matter and counts the decisions that change; a *direction* moves a number
one way and counts the answers that move the other way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import polars as pl

from mainspring.core.errors import InputError, NotFound
from mainspring.evaluate.curve import wilson

if TYPE_CHECKING:
    from mainspring.core.predictions import Predictions, Predictor

Expected: TypeAlias = Literal["same", "up", "down"]
MOST_ROWS = 2000
MOST_LEVELS = 8
TOLERANCE = 1e-6
"""Answers that differ by less, relative to their spread, count as equal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How often the model did not behave as expected when *column* was changed.

    ``share`` of the ``rows`` broke the expectation, with its 95 % interval; ``mean_change`` is the mean absolute change
    of the probability (of the positive, else of the predicted class) or of the number.
    """

    column: str
    expected: Expected
    change: str
    rows: int
    share: float
    low: float
    high: float
    mean_change: float


def invariance(
    predictor: Predictor, frame: pl.DataFrame, column: str, *, rows: int = MOST_ROWS, seed: int = 0
) -> Behaviour:
    """Swap the value of *column* for each other level it has, and count the decisions that change.

    A row counts once however many of its swaps change the decision (a number counts as changed where it moves by over
    1 % of the spread of the answers). At most eight levels, the most frequent, are tried. Raises NotFound where the
    model does not read the column, InputError where it has one level.
    """
    part, before = _sample(predictor, frame, column, rows, seed)
    levels = part[column].alias("level").drop_nulls().value_counts(sort=True, name="rows")["level"].head(MOST_LEVELS)
    if len(levels) < 2:
        raise InputError(f"Column {column!r} has fewer than two values here; there is nothing to swap.")
    changed = np.zeros(len(part), dtype=bool)
    moved = np.zeros(len(part))
    tried = np.zeros(len(part))
    for level in levels:
        swap = (part[column] != level).fill_null(value=True).to_numpy()
        constant = pl.Series(column, [level], dtype=part[column].dtype).new_from_index(0, len(part))
        after = predictor.predict(part.with_columns(constant))
        gap = np.abs(_answer(after, before) - _answer(before, before))
        changed |= swap & _is_other(before, after, gap)
        moved += np.where(swap, gap, 0.0)
        tried += swap
    moves = float((moved[tried > 0] / tried[tried > 0]).mean()) if (tried > 0).any() else 0.0
    return _count(changed, moves, column=column, expected="same", change=f"swapped among {len(levels)} values")


def direction(
    predictor: Predictor,
    frame: pl.DataFrame,
    column: str,
    *,
    by: float,
    expected: Literal["up", "down"],
    rows: int = MOST_ROWS,
    seed: int = 0,
) -> Behaviour:
    """Add *by* to a number and count the answers (positive probability or number) that move against *expected*.

    Rows where the column is null are passed over. Raises NotFound where the model does not read the column, InputError
    where it holds no numbers or the task is multiclass.
    """
    if predictor.task == "multiclass":
        raise InputError("A direction needs one answer a row: a binary or regression task.")
    if column in frame.columns and not frame[column].dtype.is_numeric():
        raise InputError(f"Column {column!r} holds {frame[column].dtype}, and only numbers can be moved.")
    part, before = _sample(predictor, frame.filter(pl.col(column).is_not_null()), column, rows, seed)
    moved = part.with_columns((pl.col(column) + by).cast(part[column].dtype))
    shift = _answer(predictor.predict(moved), before) - _answer(before, before)
    wrong = shift < -TOLERANCE if expected == "up" else shift > TOLERANCE
    moves = float(np.abs(shift).mean()) if len(shift) else 0.0
    return _count(wrong, moves, column=column, expected=expected, change=f"moved by {by:+g}")


def _sample(
    predictor: Predictor, frame: pl.DataFrame, column: str, rows: int, seed: int
) -> tuple[pl.DataFrame, Predictions]:
    if column not in predictor.features:
        raise NotFound.among("feature of the model", column, predictor.features)
    part = frame if len(frame) <= rows else frame.sample(rows, seed=seed)
    return part, predictor.predict(part)


def _answer(said: Predictions, before: Predictions) -> np.ndarray[Any, Any]:
    """One number a row: the number, the positive probability, or that of the class first predicted."""
    if said.classes is None:
        return np.asarray(said.values, dtype=np.float64)
    if said.scores is None or before.scores is None:
        return np.asarray(said.values != before.values, dtype=np.float64)
    if said.scores.shape[1] == 2:
        return said.scores[:, 1]
    answer: np.ndarray[Any, Any] = said.scores[np.arange(len(said)), before.scores.argmax(axis=1)]
    return answer


def _is_other(before: Predictions, after: Predictions, gap: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if before.classes is not None:
        return np.asarray(before.values != after.values)
    return np.asarray(gap > 0.01 * float(np.std(np.asarray(before.values, dtype=np.float64))))


def _count(wrong: np.ndarray[Any, Any], moves: float, *, column: str, expected: Expected, change: str) -> Behaviour:
    rows = len(wrong)
    if not rows:
        raise InputError(f"There are no rows in which column {column!r} could be changed.")
    low, high = wilson(np.array([float(wrong.sum())]), np.array([float(rows)]))
    return Behaviour(
        column=column,
        expected=expected,
        change=change,
        rows=rows,
        share=float(wrong.mean()),
        low=float(low[0]),
        high=float(high[0]),
        mean_change=moves,
    )
