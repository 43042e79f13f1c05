"""Columns that add up (or multiply) to the target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np

    Vector: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

TERMS = 10
"""So many columns at most are put together."""
EXACT_SHARE = 0.6
"""A reconstruction must give the target back in at least this share of the rows (a rule of sums is often broken for
some of them: another vendor, a surcharge booked elsewhere) …"""
EXACTNESS = 1e-3
"""… to within this share of the target's standard deviation (of a relative error, for a product)."""
FILLED_SHARE = 0.95
ROUNDS = 25
PRUNING_LOSS = 0.02
"""A column is needed when the share of exact rows falls by more than this without it."""
COMMON = 0.2
"""A value that the target takes in more than this share of the rows is no evidence: those rows are set aside."""
LEAST_DISTINCT = 20
"""A target with fewer distinct values than this is a class or a score, not a sum."""


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """The target as a weighted sum of ``columns`` (a product of their powers for form ``product``).

    ``weights`` are in the order of the columns; ``share`` is the share of rows that come out exactly.
    """

    form: Literal["sum", "product"]
    columns: tuple[str, ...]
    weights: tuple[float, ...]
    constant: float
    share: float

    def formula(self, target: str) -> str:
        """The reconstruction as one would write it.

        >>> Reconstruction("sum", ("casual", "registered"), (1.0, 1.0), 0.0, 1.0).formula("cnt")
        'cnt = casual + registered'
        """
        if self.form == "product":
            parts = [
                c if abs(w - 1) < 1e-3 else f"{c}^{w:.3g}" for c, w in zip(self.columns, self.weights, strict=True)
            ]
            factor = [] if abs(self.constant - 1) < 1e-3 else [f"{self.constant:.4g}"]
            return f"{target} = {' × '.join(factor + parts)}"
        text = ""
        for column, weight in zip(self.columns, self.weights, strict=True):
            size = "" if abs(abs(weight) - 1) < 1e-3 else f"{abs(weight):.4g}·"
            sign = ("−" if weight < 0 else "") if not text else (" − " if weight < 0 else " + ")
            text += f"{sign}{size}{column}"
        return f"{target} = {text}"


def reconstruct(names: list[str], values: Vector, target: Vector) -> Reconstruction | None:
    """The fewest columns of *values* (shape (rows, columns), NaN read as 0) that give *target* (rows,) back exactly.

    Orthogonal matching pursuit (Pati, Rezaiifar and Krishnaprasad, 1993) picks columns until the rows come out, then
    every column that is not needed is dropped again. Returns None where no such set is found.
    """
    import numpy as np

    if len(np.unique(target)) < LEAST_DISTINCT or len(names) == 0:
        return None
    levels, sizes = np.unique(target, return_counts=True)
    if sizes.max() > COMMON * len(target):
        rows = target != levels[sizes.argmax()]
        values, target = values[rows], target[rows]
    if len(target) < 10 * TERMS or target.std() == 0:
        return None
    filled = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    found = _pursue(filled, target, EXACTNESS * float(target.std()))
    if found is not None:
        return _reconstruction("sum", names, found)
    positive = (filled > 0).mean(axis=0) >= FILLED_SHARE
    if (target > 0).mean() < FILLED_SHARE or positive.sum() < 2:
        return None
    kept = np.flatnonzero(positive)
    rows = (target > 0) & (filled[:, kept] > 0).all(axis=1)
    if rows.sum() < max(10 * TERMS, 0.5 * len(target)):
        return None
    logs = _pursue(np.log(filled[rows][:, kept]), np.log(target[rows]), EXACTNESS)
    if logs is None or len(logs.chosen) < 2:
        return None
    return _reconstruction("product", [names[i] for i in kept], logs)


@dataclass(frozen=True, slots=True)
class _Fit:
    chosen: list[int]
    weights: Vector
    share: float


def _reconstruction(form: Literal["sum", "product"], names: list[str], fit: _Fit) -> Reconstruction:
    import math

    constant = float(fit.weights[-1])
    order = sorted(range(len(fit.chosen)), key=lambda i: fit.chosen[i])
    return Reconstruction(
        form=form,
        columns=tuple(names[fit.chosen[i]] for i in order),
        weights=tuple(float(fit.weights[i]) for i in order),
        constant=math.exp(constant) if form == "product" else constant,
        share=fit.share,
    )


def _pursue(values: Vector, target: Vector, tolerance: float) -> _Fit | None:
    import numpy as np

    spread = values.std(axis=0)
    usable = spread > 1e-12 * np.maximum(1.0, np.abs(values).max(axis=0))
    scaled = np.where(usable, (values - values.mean(axis=0)) / np.where(usable, spread, 1.0), 0.0)
    chosen: list[int] = []
    residual = target - target.mean()
    for _ in range(min(TERMS, int(usable.sum()))):
        gain = np.abs(scaled.T @ residual)
        gain[chosen] = -1
        best = int(np.argmax(gain))
        if gain[best] <= 0:
            return None
        chosen.append(best)
        fit = _fit(values, target, chosen, tolerance)
        if fit.share >= EXACT_SHARE:
            return _pruned(values, target, fit, tolerance)
        residual = target - _design(values, chosen) @ fit.weights
    return None


def _pruned(values: Vector, target: Vector, fit: _Fit, tolerance: float) -> _Fit:
    for column in reversed(list(fit.chosen)):
        fewer = [c for c in fit.chosen if c != column]
        if not fewer:
            break
        smaller = _fit(values, target, fewer, tolerance)
        if smaller.share >= max(EXACT_SHARE, fit.share - PRUNING_LOSS):
            fit = smaller
    return fit


def _fit(values: Vector, target: Vector, chosen: list[int], tolerance: float) -> _Fit:
    """Least absolute deviations by reweighted least squares: rows that break the rule do not bend it."""
    import numpy as np

    design = _design(values, chosen)
    weights = _solve(design, target)
    for _ in range(ROUNDS):
        errors = np.abs(target - design @ weights)
        exact = float((errors <= tolerance).mean())
        if exact >= FILLED_SHARE:
            break
        root = 1 / np.sqrt(np.maximum(errors, tolerance / 10))
        weights = _solve(design * root[:, None], target * root)
    share = float((np.abs(target - design @ weights) <= tolerance).mean())
    return _Fit(list(chosen), weights, share)


def _design(values: Vector, chosen: list[int]) -> Vector:
    import numpy as np

    return np.column_stack([values[:, chosen], np.ones(len(values))])


def _solve(design: Vector, target: Vector) -> Vector:
    import numpy as np

    scale = np.maximum(np.abs(design).max(axis=0), 1e-300)
    weights: Vector = np.linalg.lstsq(design / scale, target, rcond=None)[0] / scale
    return weights
