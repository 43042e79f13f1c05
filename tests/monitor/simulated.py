"""A small world with a known truth: scores that are honest chances, and ways in which they stop being so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mainspring.core.predictions import Predictions

if TYPE_CHECKING:
    from numpy.typing import NDArray


def chances(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-2 * x))


def binary(
    rows: int, seed: int, *, shift: float = 0.0, turned: bool = False, honest: bool = True
) -> tuple[pl.DataFrame, Predictions, NDArray[Any]]:
    """Rows, what a good model says, and the truth. *turned*: the same inputs now mean the opposite."""
    draw = np.random.default_rng(seed)
    x = draw.normal(shift, 1, rows)
    truth = (draw.random(rows) < chances(-x if turned else x)).astype(int)
    score = chances(x) if honest else chances(3 * x)
    scores = np.column_stack([1 - score, score])
    frame = pl.DataFrame({"x": x, "noise": draw.normal(size=rows)})
    return frame, Predictions(scores.argmax(1), scores, (0, 1)), truth


def many(rows: int, seed: int, *, shift: float = 0.0) -> tuple[pl.DataFrame, Predictions, NDArray[Any]]:
    """Three classes by a soft maximum."""
    draw = np.random.default_rng(seed)
    x = draw.normal(shift, 1, (rows, 2))
    raw = np.exp(np.column_stack([x[:, 0], x[:, 1], -x.sum(1)]))
    scores = raw / raw.sum(1, keepdims=True)
    names = np.array(["a", "b", "c"])
    truth = names[(draw.random((rows, 1)) > np.cumsum(scores, 1)[:, :-1]).sum(1)]
    frame = pl.DataFrame({"x0": x[:, 0], "x1": x[:, 1]})
    return frame, Predictions(names[scores.argmax(1)], scores, ("a", "b", "c")), truth


def numbers(rows: int, seed: int, *, shift: float = 0.0) -> tuple[pl.DataFrame, Predictions, NDArray[Any]]:
    """A regression whose errors grow with ``x`` and are larger where ``kind`` is b."""
    draw = np.random.default_rng(seed)
    x = draw.normal(shift, 1, rows)
    kind = draw.choice(["a", "b"], rows)
    noise = draw.normal(size=rows) * np.exp(0.5 * x) * np.where(kind == "b", 2.0, 1.0)
    said = 10 * x
    return pl.DataFrame({"x": x, "kind": kind}), Predictions(said), said + noise
