"""Performance of a regression before the labels come, from where its errors are usually large.

The idea (known from NannyML as direct loss estimation): a small model learns, on rows with known truth, how large the
loss of a row is, given its columns and the prediction; on a window its mean is the expected loss. The small model
here is additive over the reference's own bins (boosted one column at a time, after Y. Lou, R. Caruana and J. Gehrke,
2012), so the expected loss of a window follows from the window's *profile* alone: share of rows in each bin times
that bin's part.

**It cannot see concept drift**, nor losses that depend on columns jointly; and a bin in which the reference had few
rows is pulled towards no effect, so that far from the reference an estimate changes too little.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from mainspring.core.estimate import Estimate
from mainspring.monitor.bands import normal_bound
from mainspring.monitor.kind import read_as

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl
    from numpy.typing import NDArray

    from mainspring.monitor.column_profile import ColumnProfile
    from mainspring.monitor.profile import ReferenceColumn

ROUNDS = 12
RATE = 0.3
SHY = 50.0
"""A bin's effect is shrunk as if it held so many more rows without any."""
KEPT_OUT = 4
"""Every fourth row is kept out of the fit and says when to stop."""

Floats: TypeAlias = "NDArray[np.float64]"
Ints: TypeAlias = "NDArray[np.int64]"


@dataclass(frozen=True, slots=True)
class LossModel:
    """The expected loss of a row as ``base`` plus one part for each column, by the place of its value.

    ``parts``: per column one number for each place of its bins and a last one for rows without a usable value; they
    are centred, so that ``base`` is the mean loss of the ``rows`` learned from. ``deviation``: what a row's loss
    still varies by. ``shares``: per column the share of the rows in each place while learning.
    """

    base: float
    rows: int
    deviation: float
    parts: dict[str, Floats]
    shares: dict[str, Floats]

    @classmethod
    def fit(cls, columns: Mapping[str, ReferenceColumn], frame: pl.DataFrame, losses: Floats) -> LossModel:
        """Learn from the n rows of *frame* and their *losses* (n,), over those *columns* that have bins."""
        codes = {
            name: (_places(column, frame[name]), column.bins.size + 1)
            for name, column in columns.items()
            if column.bins is not None and not column.rising and name in frame.columns
        }
        learned = np.arange(len(losses)) % KEPT_OUT != 0 if len(losses) >= 4 * SHY else np.ones(len(losses), dtype=bool)
        base = float(losses.mean())
        parts = {name: np.zeros(size) for name, (_, size) in codes.items()}
        left = losses - base
        best, kept, rest = _error(left, learned), dict(parts), left
        for _ in range(ROUNDS):
            for name, (place, size) in codes.items():
                weight = np.bincount(place[learned], minlength=size)
                total = np.bincount(place[learned], left[learned], minlength=size)
                step = RATE * total / (weight + SHY)
                parts[name] = parts[name] + step
                left = left - step[place]
            error = _error(left, learned)
            if error >= best:
                break
            best, kept, rest = error, dict(parts), left
        shares = {name: np.bincount(place, minlength=size) / len(losses) for name, (place, size) in codes.items()}
        centred = {name: part - float(part @ shares[name]) for name, part in kept.items()}
        return cls(base, len(losses), float(rest.std()), centred, shares)

    def mean(self, window: Mapping[str, ColumnProfile], *, confidence: float = 0.95) -> Estimate:
        """The expected mean loss of a profiled *window*, with an interval.

        The interval covers what the rows' losses vary by, in the window and where the model was learned. The value is
        never below zero. NaN over no rows.
        """
        rows = max((profile.rows for profile in window.values()), default=0)
        if not rows:
            return Estimate(float("nan"))
        value, variance = self.base, 1 / rows + 1 / self.rows
        for name, part in self.parts.items():
            profile = window.get(name)
            if profile is None or not profile.rows:
                continue
            share = _share(profile)
            value += float(part @ share)
            # a place to which rows moved is known from its own few rows only
            variance += float(((share - self.shares[name]) ** 2 / (self.shares[name] * self.rows + SHY)).sum())
        half = normal_bound((1 - confidence) / 2) * self.deviation * math.sqrt(variance)
        return Estimate(max(value, 0.0), max(value - half, 0.0), max(value + half, 0.0), rows)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "base": self.base, "rows": self.rows, "deviation": self.deviation,
            "parts": {name: part.tolist() for name, part in self.parts.items()},
            "shares": {name: share.tolist() for name, share in self.shares.items()},
        }  # fmt: skip

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> LossModel:
        """Read :meth:`as_dict` back."""
        lists = [{name: np.asarray(part, dtype=np.float64) for name, part in raw[key].items()} for key in _LISTS]
        return cls(float(raw["base"]), int(raw["rows"]), float(raw["deviation"]), *lists)


_LISTS = ("parts", "shares")


def _share(profile: ColumnProfile) -> Floats:
    unusable = profile.rows - profile.known
    shares: Floats = np.append(profile.counts, unusable) / profile.rows
    return shares


def _places(column: ReferenceColumn, values: pl.Series) -> Ints:
    """The place of each row's value in the column's bins; one more place for rows without a usable value."""
    bins = column.bins
    if bins is None:
        raise TypeError("only a column with bins has places")
    from mainspring.monitor.level_bins import LevelBins

    nothing = bins.size
    if isinstance(bins, LevelBins):
        known = values.is_not_null().to_numpy()
        places = np.full(len(values), nothing, dtype=np.int64)
        places[known] = bins.places(values.drop_nulls())
        return places
    numbers = np.full(len(values), np.nan)
    usable = values.is_not_null().to_numpy()
    content = read_as(column.kind, values)
    if len(content.values) == int(usable.sum()):
        numbers[usable] = content.values
    else:  # some are NaN, infinite or mistyped: place them one at a time
        import polars as pl

        single = values.to_physical().cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()
        numbers = np.where(np.isfinite(single), single, np.nan)
    finite = np.isfinite(numbers)
    places = np.full(len(values), nothing, dtype=np.int64)
    places[finite] = bins.places(numbers[finite])
    return places


def _error(left: Floats, learned: NDArray[np.bool_]) -> float:
    judged = left[~learned] if not learned.all() else left
    return float(np.mean(judged**2))
