"""Bins for an ordered column, cut at the reference's quantiles, and a counting kernel without any search.

A value is first mapped by arithmetic to one of :data:`CELLS` fine cells; the bins are runs of cells. Counting is
then a few vectorised passes and one ``bincount``, about 2 ns a value; a binary search over the edges costs ten
times that.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

CELLS = 2048
"""So many fine cells: their counts fit into a processor's first cache."""
_CHUNK = 32_768
_MAGIC = np.float64(2.0**52)
"""Added to a small number it leaves its rounded integer in the lowest bits, which is cheaper than a cast."""
_MAGIC_BITS = int(_MAGIC.view(np.int64))
_TOP = CELLS - 3
_FINENESS = 0.9
_STEEPEST = 1e290
_STEEP = 1e15
_FAR = 2.0**32
_SQUASHED = _MAGIC + 1 + _TOP / 2
_of_thread = threading.local()
_WIDEST = 64.0
"""Squashed values beyond so many scales from the middle count as this far away in the mean and the deviation."""
_FRACTION = 1024.0

Mapping: TypeAlias = Literal["linear", "squash"]
Floats: TypeAlias = "NDArray[np.float64]"
Ints: TypeAlias = "NDArray[np.int64]"


@dataclass(frozen=True)
class NumberBins:
    """Bins over finite numbers.

    ``linear``: cell = 1 + (x - centre) · scale, rounded. ``squash``: with z = (x - centre) · scale, the cell is
    linear in z / (1 + |z|), which gives the bulk of a heavy-tailed column fine cells and its tails coarse ones.
    ``cuts`` are the last cells of all bins but the last one. ``low`` and ``high`` are the reference's own smallest
    and largest number: :meth:`count` puts what lies outside into the first and the last place of its answer.
    """

    mapping: Mapping
    centre: float
    scale: float
    low: float
    high: float
    cuts: tuple[int, ...]

    @property
    def size(self) -> int:
        """Places in a count: below the reference, its bins, above the reference."""
        return len(self.cuts) + 3

    @cached_property
    def edges(self) -> tuple[float, ...]:
        """The inner edges between the bins, in the column's own units."""
        cells = np.asarray(self.cuts, dtype=np.float64) + 0.5
        return tuple(float(edge) for edge in self._from_cells(cells))

    def count(self, parts: Sequence[NDArray[Any]], low: float, high: float) -> tuple[Ints, int, int]:
        """Count the finite values of *parts* (any real dtype) per place, and sum their steps and squared steps exactly.

        *low* and *high* are the ends of all the values, which whoever sorted them out knows already. The sums are
        whole numbers, so that those of two parts add up to those of the whole, exactly.
        """
        below = above = 0
        if low < self.low:
            below = sum(int(np.count_nonzero(part < self.low)) for part in parts)
        if high > self.high:
            above = sum(int(np.count_nonzero(part > self.high)) for part in parts)
        cells = np.zeros(CELLS, dtype=np.int64)
        for part in parts:
            cells += self.cells(part, clip=bool(below or above))
        return self.fold(cells, below=below, above=above)

    def fold(self, cells: Ints, *, below: int = 0, above: int = 0) -> tuple[Ints, int, int]:
        """The answer of :meth:`count` from fine cells, of which *below* and *above* lie outside the reference."""
        places = np.zeros(self.size, dtype=np.int64)
        starts = np.concatenate(([0], np.asarray(self.cuts, dtype=np.int64) + 1))
        places[1:-1] = np.add.reduceat(cells, starts)
        places[0], places[-1] = below, above
        places[1] -= below
        places[-2] -= above
        steps, squares = _weights(self.mapping)
        return places, int(cells @ steps), int(cells @ squares)

    def cells(self, values: NDArray[Any], *, clip: bool) -> Ints:
        """Count *values* per fine cell; *clip* where some lie outside the reference's range."""
        total = np.zeros(CELLS, dtype=np.int64)
        numbers, spare = scratch()
        with np.errstate(over="ignore"):
            for start in range(0, len(values), _CHUNK):
                part = values[start : start + _CHUNK]
                t = numbers[: len(part)]
                if self.mapping == "squash":
                    self._squash(part, t, spare[: len(part)], clip=clip)
                else:
                    self._stretch(part, t, clip=clip)
                bits = t.view(np.int64)
                bits -= _MAGIC_BITS
                total += np.bincount(bits, minlength=CELLS)
        return total

    def _stretch(self, part: NDArray[Any], t: Floats, *, clip: bool) -> None:
        """The cells of *part* plus the magic number, into *t*; a clipped value takes the same way as any other."""
        lead = self._lead
        if lead is None:
            np.subtract(part, self.centre, out=t, dtype=np.float64)
            t *= self.scale
        else:
            np.multiply(part, self.scale, out=t, dtype=np.float64)
        shift = lead or 0.0
        if clip:
            np.clip(t, shift, shift + _TOP, out=t)
        t += _MAGIC + 1 - shift

    def _squash(self, part: NDArray[Any], t: Floats, other: Floats, *, clip: bool) -> None:
        """The same for squashed cells, whose ends all far values share anyway."""
        np.subtract(part, self.centre, out=t, dtype=np.float64)
        t *= self.scale
        if clip or (self.high - self.low) * self.scale > _STEEP:
            np.clip(t, -_STEEP, _STEEP, out=t)
        np.abs(t, out=other)
        other += 1.0
        np.divide(t, other, out=t)
        t *= _TOP / 2
        t += _SQUASHED

    @cached_property
    def _origin(self) -> float:
        """The number that is mapped to no steps."""
        lead = None if self.mapping == "squash" else self._lead
        return self.centre if lead is None else lead / self.scale

    @cached_property
    def _lead(self) -> float | None:
        """The centre in whole steps, where it is small enough to be taken off after the scaling; else None."""
        steps = self.centre * self.scale
        return float(np.rint(steps)) if abs(steps) < _FAR else None

    def places(self, values: NDArray[Any]) -> Ints:
        """The place of each of the finite *values*, shape (n,); for fitting on rows, slower than counting."""
        edges = np.asarray([self.low, *self.edges, self.high])
        found = np.searchsorted(edges[1:-1], values.astype(np.float64), side="left") + 1
        found[values < self.low] = 0
        found[values > self.high] = self.size - 1
        return found.astype(np.int64)

    def moments(self, rows: int, steps: int, squares: int) -> tuple[float, float]:
        """Mean and standard deviation in the column's units, from the sums of :meth:`count` (winsorised)."""
        if not rows:
            return float("nan"), float("nan")
        unit = 1 / self.scale if self.mapping == "linear" else 1 / (self.scale * _FRACTION)
        mean = steps / rows
        return self._origin + mean * unit, max(squares / rows - mean * mean, 0.0) ** 0.5 * unit

    def _from_cells(self, cells: Floats) -> Floats:
        if self.mapping == "linear":
            return (cells - 1) / self.scale + self._origin
        u = np.clip((cells - 1) / _TOP * 2 - 1, -1 + 1e-12, 1 - 1e-12)
        numbers: Floats = u / (1 - np.abs(u)) / self.scale + self._origin
        return numbers

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "mapping": self.mapping, "centre": self.centre, "scale": self.scale,
            "low": self.low, "high": self.high, "cuts": list(self.cuts),
        }  # fmt: skip

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> NumberBins:
        """Read :meth:`as_dict` back."""
        return cls(
            mapping=raw["mapping"], centre=float(raw["centre"]), scale=float(raw["scale"]),
            low=float(raw["low"]), high=float(raw["high"]), cuts=tuple(int(cut) for cut in raw["cuts"]),
        )  # fmt: skip


def fit(
    parts: Iterable[NDArray[Any]], *, sample: NDArray[Any], low: float, high: float, bins: int
) -> tuple[NumberBins, Ints]:
    """Cut *bins* bins at the quantiles of all the finite values in *parts* (at least one value in all).

    *sample*: a few thousand of the values, which choose the mapping; *low* and *high*: the exact ends. A value
    that holds more than its share of the rows gets a bin of its own, so a column may get fewer bins. Returns the
    bins and the fine cells' counts, see :meth:`NumberBins.fold`.
    """
    mapped = _mapped(np.sort(sample.astype(np.float64)), low, high)
    cells = np.zeros(CELLS, dtype=np.int64)
    for part in parts:
        cells += mapped.cells(part, clip=False)
    return _cut(mapped, cells, bins), cells


def _mapped(ordered: Floats, low: float, high: float) -> NumberBins:
    """Choose the mapping: linear cells where they tell the sample's quantiles apart, else squashed ones."""
    span = high - low
    if span <= 0:
        return NumberBins("linear", low, 1.0, low, high, ())
    whole = span <= _TOP and bool(np.all(ordered == np.rint(ordered))) and low == round(low)
    linear = NumberBins("linear", low, 1.0 if whole else min(_TOP / span, _STEEPEST), low, high, ())
    if whole:
        return linear
    quantiles = ordered[:: max(1, len(ordered) // 64)]
    cells = np.rint((quantiles - low) * linear.scale)
    told_apart, different = np.count_nonzero(np.diff(cells)), np.count_nonzero(np.diff(quantiles))
    if told_apart >= _FINENESS * different:
        return linear
    middle = float(ordered[len(ordered) // 2])
    spread = 0.0
    for tail in (4, 10, 50):
        spread = float(ordered[-1 - len(ordered) // tail] - ordered[len(ordered) // tail]) / 2
        if spread > 0:
            break
    if not spread > 0:
        spread = float(np.mean(np.abs(ordered - middle))) or 1.0
    return NumberBins("squash", middle, min(1 / spread, _STEEPEST), low, high, ())


def _cut(mapped: NumberBins, cells: Ints, bins: int) -> NumberBins:
    """Close a bin at each cell where the cumulated count passes the next quantile."""
    cumulated = np.cumsum(cells)
    rows = int(cumulated[-1])
    closes = np.zeros(CELLS, dtype=bool)
    closes[np.searchsorted(cumulated, _steps(bins) * (rows / bins))] = True
    # a cell that alone holds a bin's share also starts a bin, so that a frequent value stands by itself
    closes[:-1] |= cells[1:] >= rows / bins
    closing = np.flatnonzero(closes & (cumulated > 0) & (cumulated < rows))
    upto = cumulated[closing]
    keep = np.append(upto[1:] > upto[:-1], True) if len(closing) else slice(0)  # of equal bins, the last
    cuts = tuple(closing[keep].tolist())
    return NumberBins(mapped.mapping, mapped.centre, mapped.scale, mapped.low, mapped.high, cuts)


@lru_cache(maxsize=8)
def _steps(bins: int) -> Floats:
    return np.arange(1, bins, dtype=np.float64)


def scratch() -> tuple[Floats, Floats]:
    """Two buffers for this thread. Fresh ones would cost more in page faults than the counting itself."""
    if not hasattr(_of_thread, "buffers"):
        _of_thread.buffers = np.empty(_CHUNK), np.empty(_CHUNK)
    found: tuple[Floats, Floats] = _of_thread.buffers
    return found


@lru_cache(maxsize=2)
def _weights(mapping: Mapping) -> tuple[Ints, Ints]:
    """Per cell the (winsorised) distance from the centre in whole fractions of a scale, and its square."""
    if mapping == "linear":
        steps = np.arange(CELLS, dtype=np.int64) - 1
    else:
        u = (np.arange(CELLS, dtype=np.float64) - 1) / _TOP * 2 - 1
        z = np.clip(u / np.maximum(1 - np.abs(u), 1e-9), -_WIDEST, _WIDEST)
        steps = np.rint(z * _FRACTION).astype(np.int64)
    return steps, steps * steps
