"""The contract's column rules on a window, beside how often the reference broke them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from mainspring.monitor import bands
from mainspring.monitor.level_bins import LevelBins

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import polars as pl

    from mainspring.contract import Column, Contract
    from mainspring.monitor.column_profile import ColumnProfile
    from mainspring.monitor.profile import ReferenceColumn

RuleCounts: TypeAlias = dict[tuple[str, str], tuple[int, int]]
"""By (column, rule): rows that break it, rows that it looked at."""

SMALLEST = 0.001
"""A rise in broken rows is named only if it is at least this share of the rows."""
_EXACT = 2.0**53
"""Whole numbers below are exact as floating point numbers."""
_OF_THE_TABLE = ("extra column", "unique")
"""Rules that say nothing about a window: what is unique over all rows is not judged inside one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenRule:
    """One rule on one window: the share of rows that break it and the highest share that is no surprise.

    ``usual`` is the reference's share. ``limit`` is the share that the contract itself allows where it names one; then
    that many are no surprise either, and a window in which chance alone may have put more does not break the rule.
    """

    column: str
    rule: str
    share: float
    usual: float
    high: float
    chance: float
    rows: int
    limit: float | None = None

    def exceeds(self, level: float) -> bool:
        """Whether more rows break the rule than chance explains with *level*."""
        return self.chance <= level and self.share - max(self.usual, self.limit or 0.0) >= SMALLEST


def count_rules(
    frame: pl.DataFrame,
    contract: Contract,
    columns: Collection[str],
    *,
    profiled: Mapping[str, tuple[ReferenceColumn, ColumnProfile]] | None = None,
) -> RuleCounts:
    """Count every declared rule of *columns* on *frame*. A column that the frame lacks breaks its rule in every row.

    *profiled*: columns of the frame that were counted already; where that proves that a column keeps its rules, its
    rows are not looked at again.
    """
    declared = [name for name in columns if name in contract.columns]
    proved = {
        name: found
        for name in declared
        if profiled and name in profiled and (found := _proved(contract.columns[name], *profiled[name], frame))
    }
    left = [name for name in declared if name not in proved]
    counted: RuleCounts = {}
    if left:
        from mainspring.data.check import check

        counted = {
            (rule.column, rule.rule): (rule.failed, rule.rows_checked)
            for rule in check(frame, contract, columns=left).rules
            if rule.rule not in _OF_THE_TABLE
        }
    counted |= {(name, rule): counts for name, rules in proved.items() for rule, counts in rules.items()}
    places = {name: place for place, name in enumerate(contract.columns)}
    return dict(sorted(counted.items(), key=lambda item: places[item[0][0]]))


def settled(counts: RuleCounts, contract: Contract) -> RuleCounts:
    """The *counts* of a whole window: a share of missing values that the contract allows breaks no rule."""
    return {
        (column, rule): (
            0 if rule == "null fraction" and _allowed(contract.columns[column], failed, rows) else failed,
            rows,
        )
        for (column, rule), (failed, rows) in counts.items()
    }


def _allowed(column: Column, failed: int, rows: int) -> bool:
    return column.maximum_null_fraction is not None and failed <= column.maximum_null_fraction * rows


def _proved(
    column: Column, reference: ReferenceColumn, profile: ColumnProfile, frame: pl.DataFrame
) -> dict[str, tuple[int, int]] | None:
    """The counts of the rules of *column* where its *profile* tells them; None where rows have to be looked at."""
    dtype = frame.schema.get(column.name)
    if dtype is None or column.unique or column.pattern is not None or profile.mistyped or profile.absent:
        return None
    rows, known = profile.rows, profile.rows - profile.nulls
    counts = {"type": (0, rows)}
    if not column.nullable:
        counts["nulls"] = (profile.nulls, rows)
    elif column.maximum_null_fraction is not None:
        counts["null fraction"] = (profile.nulls, rows)
    number = column.type == "number" and dtype.is_float()
    if number or (column.type in ("number", "integer") and dtype.is_integer()):
        bounds = _kept_bounds(column, reference, profile)
        if bounds is None:
            return None
        return counts | ({"finite": (0, rows)} if number else {}) | dict.fromkeys(bounds, (0, known))
    if column.type == "category" and str(dtype) == "String" and isinstance(reference.bins, LevelBins):
        if column.categories is None:
            return counts
        if profile.unseen or int(profile.counts[-1]):
            return None
        met = [level for level, count in zip(reference.bins.levels, profile.counts, strict=False) if count]
        if not set(met) <= set(column.categories):
            return None
        counts["categories"] = (0, known)
        return counts
    return None


def compare(usual: RuleCounts, window: RuleCounts, contract: Contract, *, level: float) -> list[BrokenRule]:
    """Hold the counts of a window against those of the reference, in the window's order."""
    found = []
    most = max((n for _, n in usual.values()), default=None)
    for (column, rule), (failed, rows) in window.items():
        if not rows:
            continue
        before, looked_at = usual.get((column, rule), (0, rows if most is None else most))
        limit = contract.columns[column].maximum_null_fraction if rule == "null fraction" else None
        allowed = before if limit is None else max(before, round(limit * looked_at))
        found.append(
            BrokenRule(
                column=column,
                rule=rule,
                share=failed / rows,
                usual=before / looked_at if looked_at else 0.0,
                high=bands.share_band(allowed, looked_at, rows, level, sides=1)[1],
                chance=bands.share_chance(allowed, looked_at, failed, rows, sides=1),
                rows=rows,
                limit=limit,
            )
        )
    return found


def _kept_bounds(column: Column, reference: ReferenceColumn, profile: ColumnProfile) -> list[str] | None:
    """The declared bounds, all of which the profiled numbers keep; None where that is not certain."""
    if profile.infinite or column.categories is not None or isinstance(reference.bins, LevelBins):
        return None
    kept = []
    for name, bound, end in (("minimum", column.minimum, profile.low), ("maximum", column.maximum, profile.high)):
        if bound is None:
            continue
        if isinstance(bound, str) or (end is not None and not abs(end) < _EXACT):
            return None
        if end is not None and (end < bound if name == "minimum" else end > bound):
            return None
        kept.append(name)
    return kept
