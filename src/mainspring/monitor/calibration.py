"""From a model's scores to the chance that they are right, learned on rows with known truth.

Isotonic regression by pooling adjacent violators (M. Ayer et al., 1955; B. Zadrozny and C. Elkan, 2002) on bins of the
score, with straight lines between the bins' means. Bins keep it small, plain JSON, and allow it to be redrawn, which
is how its own uncertainty reaches an estimate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BINS = 50
LEAST = 20
"""A bin holds at least so many rows."""

Floats: TypeAlias = "NDArray[np.float64]"


@dataclass(frozen=True, slots=True)
class Calibration:
    """Per bin of one class's score: its mean, the rows in it, and how many were of the class. All of shape (bins,)."""

    scores: Floats
    rows: Floats
    hits: Floats

    @classmethod
    def fit(cls, scores: Floats, truth: NDArray[np.bool_]) -> Calibration:
        """Learn from n scores (n,) and whether each row was of the class."""
        order = np.argsort(scores, kind="stable")
        ordered, hits = scores[order], truth[order].astype(np.float64)
        bins = int(np.clip(len(ordered) // LEAST, 1, BINS))
        starts = np.unique(np.searchsorted(ordered, ordered[np.arange(bins) * len(ordered) // bins]))
        rows = np.diff(np.append(starts, len(ordered))).astype(np.float64)
        return cls(np.add.reduceat(ordered, starts) / rows, rows, np.add.reduceat(hits, starts))

    def chance(self, scores: Floats, *, hits: Floats | None = None) -> Floats:
        """The chance of the class for each of *scores*; *hits* replaces the learned counts by redrawn ones."""
        counted = self.hits if hits is None else hits
        prior = float(counted.sum() / self.rows.sum())
        # one row of the overall kind in every bin keeps the ends off 0 and 1
        return np.interp(scores, self.scores, isotonic((counted + prior) / (self.rows + 1), self.rows))

    def redrawn(self, generator: np.random.Generator) -> Floats:
        """Hits as another sample of the same size would have had them."""
        rates = (self.hits + 0.5) / (self.rows + 1)
        return generator.binomial(self.rows.astype(np.int64), rates).astype(np.float64)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"scores": self.scores.tolist(), "rows": self.rows.tolist(), "hits": self.hits.tolist()}

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Calibration:
        """Read :meth:`as_dict` back."""
        return cls(*(np.asarray(raw[name], dtype=np.float64) for name in ("scores", "rows", "hits")))


def isotonic(values: Floats, weights: Floats) -> Floats:
    """The non-decreasing sequence nearest to *values* in weighted squares.

    >>> isotonic(np.array([1.0, 3.0, 2.0, 4.0]), np.ones(4)).tolist()
    [1.0, 2.5, 2.5, 4.0]
    """
    blocks: list[tuple[float, float, int]] = []
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        level, mass, length = value, weight, 1
        while blocks and blocks[-1][0] >= level:
            before, heavier, longer = blocks.pop()
            level = (level * mass + before * heavier) / (mass + heavier)
            mass, length = mass + heavier, length + longer
        blocks.append((level, mass, length))
    return np.repeat([level for level, _, _ in blocks], [length for _, _, length in blocks])
