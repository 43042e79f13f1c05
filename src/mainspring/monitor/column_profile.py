"""The mergeable summary of one column over one stretch of rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from mainspring.monitor import level_bins
from mainspring.monitor.level_bins import LevelBins
from mainspring.monitor.number_bins import NumberBins

if TYPE_CHECKING:
    from numpy.typing import NDArray

Bins: TypeAlias = NumberBins | LevelBins
Ints: TypeAlias = "NDArray[np.int64]"


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnProfile:
    """Counts of one column, all of them whole numbers, so that ``a + b`` is exactly the profile of both stretches.

    ``rows`` = ``absent`` (rows of tables that lacked the column) + ``nulls`` (NaN included) + ``infinite`` +
    ``mistyped`` (not readable as the reference's kind) + the sum of ``counts``. ``counts`` follows the places of
    the reference's bins; empty where the reference was null throughout or its kind cannot be binned. ``unseen``:
    levels the reference never had. ``types``: the column types met. ``low`` and ``high``: the ends of the finite
    numbers (microseconds since 1970 for dates), None without any. ``steps`` and ``squares`` carry the moments.
    """

    rows: int
    absent: int = 0
    nulls: int = 0
    infinite: int = 0
    mistyped: int = 0
    counts: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    steps: int = 0
    squares: int = 0
    low: float | None = None
    high: float | None = None
    unseen: dict[str, int] = field(default_factory=dict)
    types: tuple[str, ...] = ()

    @property
    def known(self) -> int:
        """Rows whose value was counted into a bin."""
        return int(self.counts.sum())

    @property
    def present(self) -> int:
        """Rows of tables that had the column."""
        return self.rows - self.absent

    def __add__(self, other: ColumnProfile) -> ColumnProfile:
        """The profile of both stretches together."""
        if self.absent == self.rows and not self.types:
            return _with_absent(other, self.rows)
        if other.absent == other.rows and not other.types:
            return _with_absent(self, other.rows)
        return ColumnProfile(
            rows=self.rows + other.rows,
            absent=self.absent + other.absent,
            nulls=self.nulls + other.nulls,
            infinite=self.infinite + other.infinite,
            mistyped=self.mistyped + other.mistyped,
            counts=self.counts + other.counts,
            steps=self.steps + other.steps,
            squares=self.squares + other.squares,
            low=_least(self.low, other.low),
            high=_greatest(self.high, other.high),
            unseen=level_bins.unseen_of(self.unseen, other.unseen),
            types=tuple(sorted({*self.types, *other.types})),
        )

    def __eq__(self, other: object) -> bool:
        """Whether every count is the same."""
        return isinstance(other, ColumnProfile) and self.as_dict() == other.as_dict()

    __hash__ = None  # type: ignore[assignment]  # it holds an array

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "rows": self.rows, "absent": self.absent, "nulls": self.nulls, "infinite": self.infinite,
            "mistyped": self.mistyped, "counts": self.counts.tolist(), "steps": self.steps, "squares": self.squares,
            "low": self.low, "high": self.high, "unseen": dict(self.unseen), "types": list(self.types),
        }  # fmt: skip

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> ColumnProfile:
        """Read :meth:`as_dict` back."""
        values = {**raw, "counts": np.asarray(raw["counts"], dtype=np.int64), "types": tuple(raw["types"])}
        return cls(**values)


def missing(rows: int) -> ColumnProfile:
    """The profile of a column over *rows* rows of a table that has no such column."""
    return ColumnProfile(rows=rows, absent=rows)


def _with_absent(profile: ColumnProfile, rows: int) -> ColumnProfile:
    from dataclasses import replace

    return replace(profile, rows=profile.rows + rows, absent=profile.absent + rows)


def _least(a: float | None, b: float | None) -> float | None:
    known = [end for end in (a, b) if end is not None]
    return min(known) if known else None


def _greatest(a: float | None, b: float | None) -> float | None:
    known = [end for end in (a, b) if end is not None]
    return max(known) if known else None
