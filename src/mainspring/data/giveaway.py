"""Two-way columns that give the target away: being filled or empty, or one of two values, settles the outcome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from mainspring.core.errors import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import polars as pl

    from mainspring.data.summary import ColumnProfile
    from mainspring.data.target import Truth

    Mask: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]

CERTAIN = 0.995
"""A side is certain when at least this share of its rows has one and the same outcome."""
LEAST_ROWS = 30
LEAST_EXCEPTIONS = 20.0
"""Chance alone must have been expected to make so many exceptions on the side, or its purity proves nothing."""
SEPARATION = 0.5
"""So far apart (as a Gini coefficient) the two sides must lie, unless the certain side is the filled one."""


@dataclass(frozen=True, slots=True)
class Side:
    """One half of a two-way column: the rows of ``mask``, in words ``says`` ("is filled in", "is 1")."""

    column: str
    says: str
    filled: bool
    mask: Mask


@dataclass(frozen=True, slots=True)
class Giveaway:
    """A side on which the outcome is (nearly) always ``label``. ``rest`` are the rows of the other side."""

    side: Side
    other: Side
    label: str
    rate: float
    gini: float


def sides(frame: pl.DataFrame, columns: Sequence[ColumnProfile], target: str) -> list[tuple[Side, Side]]:
    """The two halves of every column that is sometimes empty, and of every column of two values."""
    found: list[tuple[Side, Side]] = []
    for column in columns:
        if column.name == target or column.empty:
            continue
        series = frame[column.name]
        if column.nulls > 0:
            empty = series.is_null()
            if series.dtype.is_float():
                empty = empty | series.is_nan().fill_null(value=False)
            found.append(_halves(column.name, "is filled in", "is empty", ~empty, flag=True))
        elif column.distinct == 2 and not series.dtype.is_nested():
            low, high = series.unique().sort().to_list()
            found.append(_halves(column.name, f"is {high}", f"is {low}", series == high, flag=False))
    return found


def _halves(name: str, yes: str, no: str, first: pl.Series, *, flag: bool) -> tuple[Side, Side]:
    mask = first.to_numpy().astype(bool)
    return Side(name, yes, flag, mask), Side(name, no, False, ~mask)


def giveaways(halves: Sequence[tuple[Side, Side]], truth: Truth) -> list[Giveaway]:
    """The columns of which one side settles the outcome. For a regression there are none."""
    if truth.task == "regression":
        return []
    outcomes = [(label, truth.values[:, k]) for k, label in enumerate(truth.labels)]
    if truth.task == "binary":
        outcomes.append((f"not {truth.labels[0]}", 1 - truth.values[:, 0]))
    found: list[Giveaway] = []
    for pair in halves:
        best: Giveaway | None = None
        for side, other in (pair, pair[::-1]):
            for label, outcome in outcomes:
                one = _giveaway(side, other, label, outcome)
                if one is not None and (best is None or one.gini > best.gini):
                    best = one
        if best is not None:
            found.append(best)
    return sorted(found, key=lambda giveaway: -giveaway.gini)


def _giveaway(side: Side, other: Side, label: str, outcome: np.ndarray[Any, Any]) -> Giveaway | None:
    rows = int(side.mask.sum())
    total = float(outcome.sum())
    base = total / len(outcome)
    if rows < LEAST_ROWS or rows == len(outcome) or rows * (1 - base) < LEAST_EXCEPTIONS or base in (0.0, 1.0):
        return None
    inside = float(outcome[side.mask].sum())
    rate = inside / rows
    separation = inside / total - (rows - inside) / (len(outcome) - total)
    sure = rate >= CERTAIN and separation >= SEPARATION
    filled_only_then = side.filled and inside == rows
    if not (sure or filled_only_then):
        return None
    return Giveaway(side, other, label, rate, separation)


def nested(halves: Sequence[tuple[Side, Side]], within: Giveaway) -> list[Side]:
    """The sides of other columns that lie wholly among the rows where *within* leaves the outcome open.

    A column that is filled only where a leaking flag is set was written by the same event, and leaks as well, however
    few rows it covers.
    """
    open_rows = within.other.mask
    share = float(open_rows.mean())
    found: list[Side] = []
    for side, other in halves:
        if side.column == within.side.column:
            continue
        for half in (side, other):
            rows = int(half.mask.sum())
            if rows < LEAST_ROWS or rows * (1 - share) < LEAST_EXCEPTIONS:
                continue
            if not (half.mask & ~open_rows).any():
                found.append(half)
                break
    return found


def said(group: Sequence[Side]) -> str:
    """Several sides of the same rows in one phrase.

    >>> import numpy as np
    >>> rows = np.array([True])
    >>> said([Side("a", "is 1", False, rows), *(Side(c, "is filled in", True, rows) for c in "bc")])
    'a is 1 and b, c are filled in'
    """
    phrases: dict[str, list[str]] = {}
    for side in group:
        phrases.setdefault(side.says, []).append(side.column)
    return " and ".join(
        f"{listed(names)} {says if len(names) == 1 else says.replace('is ', 'are ', 1)}"
        for says, names in phrases.items()
    )
