"""Columns that broke upstream: found by their unit, set aside while it lasts, and kept out of what is learned.

A model that is retrained on a column in the wrong unit learns the fault, and is wrong again on the day it is mended.
So while a column looks multiplied or divided by a usual factor, its values are missing to the model, no retrain is
made, and the rows of that time are later learned from without it. A fault that does not end is taken as the new normal.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mainspring.operate.diagnosis import unit_change
from mainspring.operate.history import Stretch

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

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
class Tracker:
    """Which columns are broken, told from window to window. Windows are stretches of rows, or of their numbers.

    ``open``: the present faults by column. ``broken``: where each column was broken.
    """

    open: dict[str, Fault] = field(default_factory=dict)
    broken: dict[str, list[Stretch]] = field(default_factory=dict)
    _drifting: dict[str, int] = field(default_factory=dict)
    """By column, where it began to drift without a break."""
    _normal: set[str] = field(default_factory=set)

    @property
    def words(self) -> str:
        """What is broken now, empty where nothing is."""
        return "; ".join(f"{fault.column} {fault.words}" for fault in self.open.values())

    def touches(self, stretch: Stretch) -> bool:
        """Whether a column was broken in a window that lies in *stretch*."""
        return any(one.start < stretch.end and stretch.start < one.end for one in self.stretches)

    @property
    def stretches(self) -> list[Stretch]:
        """Where something was broken."""
        return [one for each in self.broken.values() for one in each]

    def forget(self, before: int) -> None:
        """Forget what was broken before that place only."""
        kept = {name: [one for one in each if one.end > before] for name, each in self.broken.items()}
        self.broken = {name: each for name, each in kept.items() if each}

    def look(
        self,
        stretch: Stretch,
        drifted: Collection[str],
        before: Stretch | None,
        changed: Callable[[str, int], str],
    ) -> tuple[tuple[Fault, ...], dict[str, Stretch]]:
        """Look at the window *stretch* in which some columns *drifted*, after the window *before*.

        *changed* says in words by what factor a column differs from what it was before a given place, or nothing.
        Gives the faults that are new, and where each column that is broken now was broken and not known to be. A fault
        reaches over neighbouring windows in which its column drifted, too: it rarely begins and ends with a window.
        """
        new = []
        for name in [name for name in self.open if name not in drifted]:
            del self.open[name]
        self._normal &= {name for name in self._normal if name in drifted}
        self._drifting = {name: self._drifting.get(name, stretch.start) for name in drifted}
        for name in drifted:
            # a first window of which only a part is broken would blur what was usual
            if name not in self.open and name not in self._normal and (words := changed(name, self._drifting[name])):
                begun = stretch.start if before is None else before.start
                start = max(begun, self._drifting[name])
                self.open[name] = Fault(column=name, words=words, start=start, windows=0)
                new.append(self.open[name])
        broken: dict[str, Stretch] = {}
        for name, fault in list(self.open.items()):
            if fault.windows >= PATIENCE:
                del self.open[name]
                self._normal.add(name)
            else:
                self.open[name] = replace(fault, windows=fault.windows + 1)
                broken[name] = Stretch(fault.start if fault.windows == 0 else stretch.start, stretch.end)
        for name, one in broken.items():
            self.broken.setdefault(name, []).append(one)
        return tuple(new), broken

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "open": [asdict(fault) for fault in self.open.values()],
            "broken": {name: [[one.start, one.end] for one in each] for name, each in self.broken.items()},
            "drifting": dict(self._drifting),
            "normal": sorted(self._normal),
        }

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any] | None) -> Tracker:
        """Read :meth:`as_dict` back; None: nothing was followed yet."""
        if raw is None:
            return cls()
        return cls(
            {one["column"]: Fault(**one) for one in raw["open"]},
            {name: [Stretch(start, end) for start, end in each] for name, each in raw["broken"].items()},
            dict(raw["drifting"]),
            set(raw["normal"]),
        )


@dataclass(slots=True)
class Faults:
    """The present faults of one history's columns. ``sound`` is the history without what was broken."""

    sound: pl.DataFrame
    _tracker: Tracker = field(default_factory=Tracker)

    @property
    def open(self) -> dict[str, Fault]:
        """The present faults by column."""
        return self._tracker.open

    @property
    def words(self) -> str:
        """What is broken now, empty where nothing is."""
        return self._tracker.words

    def without(self, rows: pl.DataFrame) -> pl.DataFrame:
        """*rows* with missing values where a column is broken now."""
        return blank(rows, self.open)

    def touches(self, stretch: Stretch) -> bool:
        """Whether a column was broken in a window that lies in *stretch*."""
        return self._tracker.touches(stretch)

    def typical(self, start: int, end: int) -> pl.DataFrame:
        """The rows from *start* to *end* in which nothing was broken, or all of them where too few are left."""
        import polars as pl

        rows = self.sound[start:end]
        broken = [one for one in self._tracker.stretches if one.start < end and start < one.end]
        if not broken:
            return rows
        row = pl.int_range(start, end, eager=True)
        inside = pl.any_horizontal((row >= one.start) & (row < one.end) for one in broken)
        kept = rows.filter(~pl.select(inside).to_series())
        return kept if len(kept) >= len(rows) / 4 else rows

    def look(self, stretch: Stretch, drifted: Collection[str], before: Stretch | None) -> tuple[Fault, ...]:
        """Look at the window *stretch*, see :meth:`Tracker.look`. Gives the faults that are new."""
        new, broken = self._tracker.look(
            stretch, drifted, before, lambda name, since: self._changed(name, stretch, since)
        )
        for name, rows in broken.items():
            self.sound = _blank_between(self.sound, name, rows.start, rows.end)
        return new

    def _changed(self, name: str, stretch: Stretch, since: int) -> str:
        values = self.sound[name]
        if not values.dtype.is_numeric():
            return ""
        before = values[:since].drop_nulls().tail(COMPARED * stretch.rows)
        return unit_change(before, values[stretch.start : stretch.end])


def blank(rows: pl.DataFrame, columns: Collection[str]) -> pl.DataFrame:
    """*rows* with missing values in *columns*, as far as they have them."""
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
