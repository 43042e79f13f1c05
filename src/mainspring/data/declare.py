"""One column of a table, written down as what must hold from now on."""

from __future__ import annotations

import math
from textwrap import wrap
from typing import TYPE_CHECKING

from mainspring.core.errors import listed
from mainspring.data.leakage import IGNORED_FROM, Leak

if TYPE_CHECKING:
    import polars as pl

    from mainspring.contract import Column, ColumnType
    from mainspring.data.summary import ColumnProfile

COMMENT_WIDTH = 108
LISTED_LEVELS = 30
"""A category with at most so many levels lists them; more would be a list that nobody reads."""
ROWS_PER_LEVEL = 5
"""… and only where each level is seen so often that a new one would be news."""
SLACK = 0.1
"""Bounds lie this share of the observed range beyond what was observed."""
CODE_SPAN = 40
"""Whole numbers that take every value of so short a range are codes, a month or an hour: their ends are exact."""
NULL_SLACK = 1.5
_PARTS = frozenset({"train", "test", "valid", "validation", "val", "dev", "holdout", "training", "eval"})


class Notes:
    """What was guessed: sentences for people, and comments for the places of the file."""

    def __init__(self) -> None:
        """Begin with nothing said."""
        self.reasons: list[str] = []
        self.comments: dict[str, str] = {}
        self._groups: dict[str, list[str]] = {}

    def say(self, place: str, text: str) -> None:
        """Tell people, and write it into the file."""
        self.reasons.append(text)
        self.comment(place, text)

    def comment(self, place: str, text: str) -> None:
        """Write it into the file only."""
        if not place.startswith("project."):  # a key's comment stands behind it, in one line
            text = "\n".join(wrap(text, COMMENT_WIDTH, break_long_words=False, break_on_hyphens=False))
        before = self.comments.get(place)
        self.comments[place] = f"{before}\n{text}" if before else text

    def group(self, what: str, name: str) -> None:
        """Tell people later, with all other names of which the same is to be said."""
        self._groups.setdefault(what, []).append(name)

    def gather(self) -> None:
        """Tell people what was grouped, one sentence each."""
        self.reasons += [f"{what}: {listed(names, limit=12)}" for what, names in self._groups.items()]
        self._groups.clear()


def declare(
    series: pl.Series, column: ColumnProfile, roles: set[str], leak: Leak | None, notes: Notes, *, clock: bool = False
) -> Column:
    """The declaration of one column; *roles* are the columns that are target, time or entity, never ignored.

    *clock*: it only tells the time once more.
    """
    from mainspring.contract import Column
    from mainspring.data.privacy import personal, sensitive

    name, place = column.name, f"columns.{column.name}"
    free = name not in roles
    who, group = personal(series, column), sensitive(column) if free else None
    ignored = _ignored(column, leak, who, notes, clock=clock) if free else None
    if ignored is not None:
        notes.comment(place, f"ignored: {ignored}")
    elif leak is not None and free:
        notes.comment(place, f"look at it, perhaps a leak: {leak.reason}")
    if who is not None:
        notes.comment(place, f"looks personal: {who}")
        notes.group("personal, masked in logs" + (" and ignored" if free else ""), f"{name} ({who})")
    if group is not None:
        notes.comment(place, f"sensitive ({group}): its groups must be treated alike")
        notes.group("sensitive, its groups must be treated alike; still a feature unless ignored", f"{name} ({group})")
    if column.infinite:
        notes.comment(place, f"{column.infinite:,} values were infinite, which the check reports")
        notes.group("with infinite values, which the check reports", name)
    kind = _type(series, column)
    bounds = _range(series, column) if kind in ("integer", "number") else (None, None)
    return Column(
        name=name,
        type=kind,
        minimum=bounds[0],
        maximum=bounds[1],
        nullable=column.nulls > 0,
        maximum_null_fraction=_null_limit(column),
        categories=_levels(series, column) if kind == "category" and who is None else None,
        unique=column.type == "id" and column.nulls == 0,
        role="ignore" if ignored is not None else "feature",
        personal=who is not None,
        sensitive=group is not None,
    )


def _ignored(column: ColumnProfile, leak: Leak | None, who: str | None, notes: Notes, *, clock: bool) -> str | None:
    """Why a column is no feature; None where it is one."""
    if leak is not None and leak.strength >= IGNORED_FROM:
        return f"leaks the target. {leak.reason}"
    if who is not None:
        return "a model should not learn who someone is"
    why = None
    if column.empty:
        why = "no value in any row"
    elif column.type == "constant":
        why = "the same value in every row"
    elif column.type == "id":
        why = "its own value in every row"
    elif column.type == "category" and column.top and {value.casefold() for value, _ in column.top} <= _PARTS:
        why = "names the parts of a split"
    elif clock:
        why = "rises as the time does, so new rows have values that no model has met"
    if why is not None:
        notes.group(f"ignored, {why}", column.name)
    return why


def _type(series: pl.Series, column: ColumnProfile) -> ColumnType:
    dtype = series.dtype
    if str(dtype) == "Boolean":
        return "boolean"
    if dtype.is_integer():
        return "integer"
    if dtype.is_numeric():
        return "number"
    if column.type in ("date", "datetime") and (column.date_format or "%Y-%m-%d").startswith("%Y-%m-%d"):
        return "date" if column.type == "date" else "datetime"
    return "text" if column.type in ("text", "id") or column.empty else "category"


def _range(series: pl.Series, column: ColumnProfile) -> tuple[float | None, float | None]:
    """Bounds a little outside of what was seen; zero stays the floor of what is never negative, one a share's top."""
    if column.numbers is None or column.type == "id":
        return None, None
    low, high = column.numbers.minimum, column.numbers.maximum
    whole = series.dtype.is_integer()
    clock = column.distinct > 2 and bool(series.is_sorted())  # what only ever rose will rise on
    if whole and not clock and high - low <= CODE_SPAN and column.distinct == high - low + 1:
        return int(low), int(high)
    pad = SLACK * (high - low) if high > low else SLACK * abs(high) or 1.0
    step = 10.0 ** (math.floor(math.log10(pad)) if pad > 0 else 0)
    lowest = max(0.0, low - pad) if low >= 0 else low - pad
    highest = min(1.0, high + pad) if low >= 0 and 0.5 < high <= 1 and not whole else high + pad
    highest = min(0.0, highest) if high <= 0 else highest
    ends = math.floor(lowest / step) * step, math.ceil(highest / step) * step
    if whole:
        return math.floor(ends[0]), None if clock else math.ceil(ends[1])
    return tidy(ends[0]), None if clock else tidy(ends[1])


def tidy(value: float) -> float:
    """Without the dust of binary fractions: 0.30000000000000004 is 0.3."""
    return float(f"{value:.12g}")


def _levels(series: pl.Series, column: ColumnProfile) -> tuple[str, ...] | None:
    import polars as pl

    filled = column.rows - column.nulls
    if column.distinct > LISTED_LEVELS or filled < ROWS_PER_LEVEL * column.distinct:
        return None
    return tuple(series.cast(pl.String).drop_nulls().unique().sort().to_list())


def _null_limit(column: ColumnProfile) -> float | None:
    """Half as many nulls again as were seen may come, at least one row in a hundred; no limit for an empty column."""
    if column.nulls == 0 or column.empty:
        return None
    share = column.null_fraction
    return min(1.0, math.ceil(max(NULL_SLACK * share, share + 0.01) * 100) / 100)
