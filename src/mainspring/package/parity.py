"""The gate before a fast form: it is kept only if it answers as the estimator does, on easy rows and on odd ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import polars as pl

    from mainspring.package.scorer import Scorer
    from mainspring.train.model import Model

    Array = np.ndarray[Any, Any]

TOLERANCE = 1e-5
"""Probabilities may differ by this much; numbers by this much of the largest answer. float32 graphs stay within it."""
ODD_COLUMNS = 200
"""At most so many columns are tried with missing and unseen values, evenly picked."""
ODD_ROWS = 6
"""So many rows are altered for each of them."""
UNSEEN = "\x00never seen\x00"


@dataclass(frozen=True, slots=True)
class Parity:
    """How far a form is from the estimator: the largest difference over so many rows, and whether that is allowed."""

    agrees: bool
    largest_difference: float
    tolerance: float
    rows: int


def compare(ours: Array, reference: Array) -> Parity:
    """Hold two answers for the same rows against each other. An answer over no rows agrees with nothing."""
    import numpy as np

    if ours.shape != reference.shape or not len(reference):
        return Parity(False, float("inf"), TOLERANCE, len(reference))
    scale = 1.0 if reference.ndim == 2 else max(1.0, float(np.abs(reference).max()))
    difference = float(np.abs(ours - reference).max())
    finite = bool(np.isfinite(ours).all())
    return Parity(finite and difference <= TOLERANCE * scale, difference, TOLERANCE * scale, len(reference))


def odd_matrix(model: Model, rows: pl.DataFrame) -> Array:
    """Encoded rows as they come on a bad day: each column missing, each category unseen, everything missing."""
    import numpy as np

    encoder = model.encoder
    sample = rows.head(ODD_ROWS).select(encoder.columns).to_dicts()
    step = max(1, len(encoder.columns) // ODD_COLUMNS)
    odd = [encoder.encode_row(row) for row in _altered(model, sample, encoder.columns[::step])]
    return np.ascontiguousarray(np.concatenate(odd)) if odd else np.empty((0, len(encoder.outputs)), np.float32)


def _altered(model: Model, sample: list[dict[str, Any]], columns: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    categories = {model.encoder.outputs[place].source for place in model.encoder.categorical}
    for row in sample:
        yield dict.fromkeys(row)
        for column in columns:
            yield row | {column: None}
            if column in categories and isinstance(row[column], str):
                yield row | {column: UNSEEN}


def gate(form: Scorer, model: Model, rows: pl.DataFrame) -> Parity:
    """Replay held-out *rows*, and odd ones made from them, through *form* and through the estimator."""
    import numpy as np

    from mainspring.package.scorer import NativeScorer

    matrix = np.ascontiguousarray(np.concatenate([model.encoder.encode(rows), odd_matrix(model, rows)]))
    return compare(form(matrix), NativeScorer(model)(matrix))
