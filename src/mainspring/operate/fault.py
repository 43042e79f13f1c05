"""Columns that broke upstream: found by their unit, set aside while it lasts, and kept out of what is learned.

A model that is retrained on a column in the wrong unit learns the fault, and is wrong again on the day it is mended.
So while a column looks multiplied or divided by a usual factor, its values are missing to the model, no retrain is
made, and the rows of that time are later learned from without it. A fault that does not end is taken as the new normal.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mainspring.operate.diagnosis import unit_change
from mainspring.operate.history import Stretch

if TYPE_CHECKING:
    from collections.abc import Collection

    import polars as pl

PATIENCE = 8
"""After so many windows a changed unit is no fault any more but how things are."""
COMPARED = 4
"""A window is held against so many windows' worth of sound values before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A broken column: what is wrong with it in ``words``, and the rows from ``start`` on that are affected."""

    column: str
    words: str
    start: int
    windows: int = 1


@dataclass(slots=True)
class Faults:
    """The present faults of one history's columns. ``sound`` is the history without what was broken."""

    sound: pl.DataFrame
    open: dict[str, Fault] = field(default_factory=dict)
    _stretches: list[Stretch] = field(default_factory=list)
    _drifting: dict[str, int] = field(default_factory=dict)
    """By column, the row from which on it has been drifting without a break."""
    _normal: set[str] = field(default_factory=set)

    @property
    def words(self) -> str:
        """What is broken now, empty where nothing is."""
        return "; ".join(f"{fault.column} {fault.words}" for fault in self.open.values())

    def without(self, rows: pl.DataFrame) -> pl.DataFrame:
        """*rows* with missing values where a column is broken now."""
        return _blank(rows, self.open)

    def touches(self, stretch: Stretch) -> bool:
        """Whether a column was broken in a window that lies in *stretch*."""
        return any(one.start < stretch.end and stretch.start < one.end for one in self._stretches)

    def typical(self, start: int, end: int) -> pl.DataFrame:
        """The rows from *start* to *end* in which nothing was broken, or all of them where too few are left."""
        import polars as pl

        rows = self.sound[start:end]
        broken = [one for one in self._stretches if one.start < end and start < one.end]
        if not broken:
            return rows
        row = pl.int_range(start, end, eager=True)
        inside = pl.any_horizontal((row >= one.start) & (row < one.end) for one in broken)
        kept = rows.filter(~pl.select(inside).to_series())
        return kept if len(kept) >= len(rows) / 4 else rows

    def look(self, stretch: Stretch, drifted: Collection[str], before: Stretch | None) -> tuple[Fault, ...]:
        """Look at the window *stretch* in which some columns *drifted*, after the window *before*.

        Gives the faults that are new. A fault reaches over neighbouring windows in which its column drifted, too: it
        rarely begins and ends with a window.
        """
        new = []
        for name in [name for name in self.open if name not in drifted]:
            del self.open[name]
        self._normal &= {name for name in self._normal if name in drifted}
        self._drifting = {name: self._drifting.get(name, stretch.start) for name in drifted}
        for name in drifted:
            if name not in self.open and name not in self._normal and (words := self._changed(name, stretch)):
                begun = stretch.start if before is None else before.start
                start = max(begun, self._drifting[name])
                self.open[name] = Fault(column=name, words=words, start=start, windows=0)
                new.append(self.open[name])
        for name, fault in list(self.open.items()):
            if fault.windows >= PATIENCE:
                del self.open[name]
                self._normal.add(name)
            else:
                self.open[name] = replace(fault, windows=fault.windows + 1)
                first = fault.start if fault.windows == 0 else stretch.start
                self._stretches.append(Stretch(first, stretch.end))
                self.sound = _blank_between(self.sound, name, first, stretch.end)
        return tuple(new)

    def _changed(self, name: str, stretch: Stretch) -> str:
        values = self.sound[name]
        if not values.dtype.is_numeric():
            return ""
        # a first window of which only a part is broken would blur what was usual
        before = values[: self._drifting[name]].drop_nulls().tail(COMPARED * stretch.rows)
        return unit_change(before, values[stretch.start : stretch.end])


def _blank(rows: pl.DataFrame, columns: Collection[str]) -> pl.DataFrame:
    import polars as pl

    names = [name for name in columns if name in rows.columns]
    if not names:
        return rows
    return rows.with_columns(pl.lit(None, dtype=rows.schema[name]).alias(name) for name in names)


def _blank_between(frame: pl.DataFrame, column: str, start: int, end: int) -> pl.DataFrame:
    import polars as pl

    row = pl.int_range(pl.len())
    inside = (row >= start) & (row < end)
    return frame.with_columns(pl.when(~inside).then(pl.col(column)))
