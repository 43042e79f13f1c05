"""Bins for a column of categories: the reference's levels by frequency, and the rest."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from mainspring.monitor.number_bins import scratch

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    from numpy.typing import NDArray

LEVELS = 256
"""So many of the most frequent levels have a bin of their own."""
NAMED = 64
"""At most so many unseen levels are kept by name."""
LEAST = 20
"""In a column with more levels than that, one with fewer rows than this is not listed: identifiers are not
kept."""

_SEEDS = 64

Ints: TypeAlias = "NDArray[np.int64]"


@dataclass(frozen=True)
class _Hashed:
    """The levels' hashes under a *seed* with which the highest bits (all but *shift*) tell them apart: their cells."""

    seed: int
    shift: np.uint64
    hashes: NDArray[np.uint64]
    cells: Ints


@dataclass(frozen=True)
class LevelBins:
    """The known levels, most frequent first.

    ``closed`` says that the reference had no other level, so that another one in a window is *unseen*; a column
    with more than :data:`LEVELS` levels (free text, identifiers) is open, and what is not listed is merely
    *other*.
    """

    levels: tuple[str, ...]
    closed: bool

    @property
    def size(self) -> int:
        """Places in a count: one for each level and one for every other."""
        return len(self.levels) + 1

    @cached_property
    def _places(self) -> dict[str, int]:
        return {level: place for place, level in enumerate(self.levels)}

    @property
    def seed(self) -> int | None:
        """Under which seed hashes tell the levels apart; None where counting by hashes is of no use."""
        return self._hashed.seed if self.closed and self._hashed is not None else None

    def by_hash(self, hashes: pl.Series) -> tuple[Ints, NDArray[np.bool_] | None] | None:
        """Count texts by their *hashes* under :attr:`seed`, at a third of the price of grouping them.

        The second answer marks the rows, shape (n,), that are not counted for they are no known level; None where all
        are. That none of the others is another text in the cell of a level shows in the sum of their hashes; where one
        is, nothing is answered.
        """
        known = self._hashed
        if known is None:
            return None
        size = 1 << (64 - int(known.shift))
        cells, total = np.zeros(size, dtype=np.int64), 0
        spare = scratch()[0].view(np.uint64)
        for chunk in hashes.get_chunks():
            values = chunk.to_numpy()
            total += int(values.sum(dtype=np.uint64))
            for start in range(0, len(values), len(spare)):
                part = values[start : start + len(spare)]
                bits = spare[: len(part)]
                np.right_shift(part, known.shift, out=bits)
                cells += np.bincount(bits.view(np.int64), minlength=size)
        places, strange = np.append(cells[known.cells], 0), None
        if int(places.sum()) != len(hashes):
            is_strange = np.ones(size, dtype=np.bool_)
            is_strange[known.cells] = False
            values = hashes.to_numpy()
            strange = is_strange[values >> known.shift]
            total -= int(values[strange].sum(dtype=np.uint64))
        expected = (places[:-1].astype(np.uint64) * known.hashes).sum(dtype=np.uint64)
        return (places, strange) if int(expected) == total % 2**64 else None

    @cached_property
    def _hashed(self) -> _Hashed | None:
        import polars as pl

        bits = 11 if len(self.levels) <= LEVELS // 4 else 16
        shift = np.uint64(64 - bits)
        for seed in range(_SEEDS):
            hashes = pl.Series(self.levels, dtype=pl.String).hash(seed).to_numpy()
            cells = (hashes >> shift).astype(np.int64)
            if len(np.unique(cells)) == len(cells):
                return _Hashed(seed, shift, hashes, cells)
        return None

    def count(self, counted: pl.DataFrame) -> tuple[Ints, dict[str, int]]:
        """Count per place from *counted* (columns ``level`` and ``rows``); the second answer names unseen levels.

        Of the unseen levels the first :data:`NAMED` in alphabetical order are named: a rule under which the names
        and counts of two merged parts are exactly those of the whole.
        """
        import polars as pl

        places = np.zeros(self.size, dtype=np.int64)
        known = counted
        if counted.height > 4 * LEVELS:
            known = counted.filter(pl.col("level").is_in(list(self.levels)))
            places[-1] = int(counted["rows"].sum()) - int(known["rows"].sum())
        for level, count in zip(known["level"].to_list(), known["rows"].to_list(), strict=True):
            places[self._places.get(level, -1)] += count
        unseen: dict[str, int] = {}
        if self.closed and places[-1]:
            strange = counted.filter(~pl.col("level").is_in(list(self.levels))).sort("level").head(NAMED)
            unseen = dict(zip(strange["level"].to_list(), strange["rows"].to_list(), strict=True))
        return places, unseen

    def places(self, values: pl.Series) -> Ints:
        """The place of each of *values* (without nulls), shape (n,)."""
        import polars as pl

        text = values.cast(pl.String)
        found = text.replace_strict(list(self.levels), list(range(len(self.levels))), default=len(self.levels))
        return found.cast(pl.Int64).to_numpy().astype(np.int64)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"levels": list(self.levels), "closed": self.closed}

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> LevelBins:
        """Read :meth:`as_dict` back."""
        return cls(levels=tuple(raw["levels"]), closed=bool(raw["closed"]))


def fit(counted: pl.DataFrame) -> LevelBins:
    """Take the most frequent levels of *counted* (columns ``level`` and ``rows``); equal counts go by name."""
    import polars as pl

    closed = counted.height <= LEVELS
    if not closed:
        listed = counted.filter(pl.col("rows") >= LEAST)
        counted = listed.sort(["rows", "level"], descending=[True, False]).head(LEVELS)
    pairs = zip(counted["level"].to_list(), counted["rows"].to_list(), strict=True)
    return LevelBins(
        levels=tuple(level for level, _ in sorted(pairs, key=lambda pair: (-pair[1], pair[0]))), closed=closed
    )


def counted(values: pl.Series) -> pl.DataFrame:
    """The levels of *values* (without nulls) as columns ``level``, as text, and ``rows``."""
    import polars as pl

    if values.dtype == pl.Boolean:
        yes = int(values.sum())
        rows = {level: count for level, count in (("false", len(values) - yes), ("true", yes)) if count}
        return pl.DataFrame(
            {"level": list(rows), "rows": list(rows.values())}, {"level": pl.String, "rows": pl.get_index_type()}
        )
    counts = values.alias("level").value_counts(name="rows")
    return counts if values.dtype == pl.String else counts.with_columns(pl.col("level").cast(pl.String))


def joined(parts: Sequence[pl.Series]) -> pl.Series:
    """Stretches of one column as one, without copying them."""
    import polars as pl

    return parts[0] if len(parts) == 1 else pl.concat(parts, rechunk=False)


def merged(parts: list[pl.DataFrame]) -> pl.DataFrame:
    """Several counts as one."""
    import polars as pl

    if len(parts) == 1:
        return parts[0]
    return pl.concat(parts).group_by("level").agg(pl.col("rows").sum())


def unseen_of(a: dict[str, int], b: dict[str, int]) -> dict[str, int]:
    """The named unseen levels of two parts together."""
    names = sorted({*a, *b})[:NAMED]
    return {name: a.get(name, 0) + b.get(name, 0) for name in names}
