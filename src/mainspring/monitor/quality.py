"""The contract's column rules on a window, beside how often the reference broke them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from mainspring.monitor import bands

if TYPE_CHECKING:
    from collections.abc import Collection

    import polars as pl

    from mainspring.contract import Contract

RuleCounts: TypeAlias = dict[tuple[str, str], tuple[int, int]]
"""By (column, rule): rows that break it, rows that it looked at."""

SMALLEST = 0.001
"""A rise in broken rows is named only if it is at least this share of the rows."""
_OF_THE_TABLE = ("extra column", "unique")
"""Rules that say nothing about a window: what is unique over all rows is not judged inside one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenRule:
    """One rule on one window: the share of rows that break it and the highest share that is no surprise.

    ``usual`` is the reference's share, ``limit`` the share that the contract itself allows where it names one.
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
        """Whether more rows break the rule than chance explains with *level*, or than the contract allows."""
        if self.limit is not None and self.share > self.limit and self.usual <= self.limit:
            return True
        return self.chance <= level and self.share - self.usual >= SMALLEST


def count_rules(frame: pl.DataFrame, contract: Contract, columns: Collection[str]) -> RuleCounts:
    """Count every declared rule of *columns* on *frame*. A column that the frame lacks breaks its rule in every row."""
    from mainspring.data.check import check

    declared = [name for name in columns if name in contract.columns]
    found = check(frame, contract, columns=declared)
    return {
        (rule.column, rule.rule): (rule.failed, rule.rows_checked)
        for rule in found.rules
        if rule.rule not in _OF_THE_TABLE
    }


def compare(usual: RuleCounts, window: RuleCounts, contract: Contract, *, level: float) -> list[BrokenRule]:
    """Hold the counts of a window against those of the reference, in the window's order."""
    found = []
    for (column, rule), (failed, rows) in window.items():
        if not rows:
            continue
        before, looked_at = usual.get((column, rule), (0, max((n for _, n in usual.values()), default=rows)))
        limit = contract.columns[column].maximum_null_fraction if rule == "null fraction" else None
        found.append(
            BrokenRule(
                column=column,
                rule=rule,
                share=failed / rows,
                usual=before / looked_at if looked_at else 0.0,
                high=bands.share_band(before, looked_at, rows, level, sides=1)[1],
                chance=bands.share_chance(before, looked_at, failed, rows, sides=1),
                rows=rows,
                limit=limit,
            )
        )
    return found
