"""What to demand of a model: bounds taken from what guessing and single columns reach, gaps between groups."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from mainspring.data.declare import Notes, tidy
from mainspring.report.table import cell

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from mainspring.contract import Column, Requirement
    from mainspring.core.task import Task
    from mainspring.data.baseline import Baseline
    from mainspring.data.summary import ColumnProfile

LEAST_FAIR_GROUPS = 2
FAIR_GROUPS = 10
"""A column of more values than this has to be cut into groups by hand."""
FAIR_ROWS = 160
"""A group this large has about 40 rows in the quarter that is held out; 30 are needed to be judged."""
FAIR_GAP = 0.1
"""A gap of a tenth between groups is what the field's rules of thumb allow; the project has to set its own."""
BEHIND_CHAMPION = {"roc_auc": 0.005, "accuracy": 0.005}
BEHIND_CHAMPION_SHARE = 0.01


def quality(floor: Baseline, notes: Notes) -> list[Requirement]:
    """Three bounds on the primary metric.

    A model must come at least half of the way from guessing to the best single column, or it is useless; it should do
    as well as that column, taken at the cautious end of its 95 % interval; and no version may fall behind the champion.
    """
    from mainspring.contract import Requirement
    from mainspring.contract.metric import METRICS

    higher = METRICS[floor.metric].higher_is_better
    where = f"on the {'latest' if floor.latest else 'held-out'} {floor.rows:,} rows"
    alone = f"{floor.column} alone {cell(floor.value)}" if floor.column is not None else "no single column beats it"
    why = f"guessing gives {cell(floor.trivial)} {where}, {alone}"
    cautious = max(floor.low, floor.trivial) if higher else min(floor.high, floor.trivial)
    if cautious == floor.trivial:
        least = good = _beyond(floor.trivial, higher=higher)
        how = "better than guessing" + (", as no single column surely is" if floor.column is not None else "")
    else:
        ends = ((floor.trivial + cautious) / 2, cautious)
        least, good = (_tidied(end, floor.trivial, higher=higher) for end in ends)
        how = "half of the way to the best single column"
    demands = [_bound(floor.metric, least, higher=higher, why="Clearly better than guessing")]
    notes.say("require.0", f"{demands[0].name}: {how} ({why}). Raise it as you learn")
    if good != least:
        better = f"At least as good as the column {floor.column} alone"
        demands.append(_bound(floor.metric, good, higher=higher, why=better, priority="should"))
    behind = BEHIND_CHAMPION[floor.metric] if higher else _up(BEHIND_CHAMPION_SHARE * floor.value, digits=1)
    notes.comment(f"require.{len(demands)}", "on the same rows; judged once there is a champion")
    step = "No step back when a version is replaced"
    demands.append(Requirement(metric=floor.metric, below_champion_by_at_most=behind, why=step))
    return demands


def _bound(
    metric: str, value: float, *, higher: bool, why: str, priority: Literal["must", "should"] = "must"
) -> Requirement:
    from mainspring.contract import Requirement

    least, most = (value, None) if higher else (None, value)
    return Requirement(metric=metric, at_least=least, at_most=most, priority=priority, why=why)


def _tidied(value: float, trivial: float, *, higher: bool) -> float:
    """Rounded towards guessing, to as few digits as leave it better than guessing."""
    for digits in range(2, 12):
        rounded = tidy(math.floor(value * 10**digits + 1e-9) / 10**digits) if higher else _up(value, digits=digits + 1)
        if rounded > trivial if higher else rounded < trivial:
            return rounded
    return value


def _beyond(trivial: float, *, higher: bool) -> float:
    """The next number of few digits that is better than guessing."""
    if trivial <= 0 and not higher:
        return 0.0
    for digits in range(2, 12):
        step = 10.0**-digits if higher else 10.0 ** (math.floor(math.log10(trivial)) - digits)
        near = round(trivial / step, 6)
        found = tidy((math.floor(near) + 1 if higher else math.ceil(near) - 1) * step)
        if found < 1 or not higher:
            return found
    return trivial


def _up(value: float, *, digits: int = 3) -> float:
    """Rounded up to so many significant digits."""
    if value <= 0:
        return 0.0
    step = 10.0 ** (math.floor(math.log10(value)) - digits + 1)
    return tidy(math.ceil(value / step - 1e-9) * step)


def fairness(
    typed: pl.DataFrame,
    columns: Mapping[str, ColumnProfile],
    declared: Mapping[str, Column],
    notes: Notes,
    *,
    task: Task,
    after: int,
) -> list[Requirement]:
    """For each sensitive column of a few groups: positives should be found equally often. Only for a binary task.

    *after* is how many requirements stand before these in the file.
    """
    from mainspring.contract import Requirement

    found: list[Requirement] = []
    uncut: list[str] = []
    small: list[str] = []
    for name in (c.name for c in declared.values() if c.sensitive and task == "binary" and not columns[c.name].empty):
        groups = typed[name].alias("group").drop_nulls().value_counts(name="rows")
        large = groups.filter(groups["rows"] >= FAIR_ROWS).height
        if groups.height > FAIR_GROUPS:
            uncut.append(f"{name} ({groups.height:,} values)")
            continue
        if large < LEAST_FAIR_GROUPS:
            small.append(name)
            continue
        text = f"the positives of all {groups.height} groups should be found equally often"
        notes.comment(f"require.{after + len(found)}", f"{FAIR_GAP:g} is a rule of thumb: set your own")
        found.append(
            Requirement(
                metric="equal_opportunity_difference",
                by=name,
                at_most=FAIR_GAP,
                priority="should",
                why=text.capitalize(),
            )
        )
    if found:
        names = ", ".join(str(requirement.by) for requirement in found)
        notes.reasons.append(
            f"fairness by {names}: positives should be found equally often in all groups, within {FAIR_GAP:g}"
        )
    if uncut:
        notes.reasons.append(f"no fairness requirement by {', '.join(uncut)}: cut it into a few groups to set one")
    if small:
        few = f"fewer than two groups have the {FAIR_ROWS} rows that a comparison takes"
        notes.reasons.append(f"no fairness requirement by {', '.join(small)}: {few}")
    return found
