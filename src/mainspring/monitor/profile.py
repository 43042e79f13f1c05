"""The reference (what a model was trained on, as bins and counts) and the profile of a window in its terms.

>>> import polars as pl
>>> reference = Reference.fit(pl.DataFrame({"age": [20, 30, 40, 50], "sex": ["f", "m", "m", None]}))
>>> a = reference.profile(pl.DataFrame({"age": [20, None], "sex": ["m", "x"]}))
>>> b = reference.profile(pl.DataFrame({"age": [99], "sex": ["f"]}))
>>> (a + b).columns["sex"].unseen, (a + b).columns["age"].nulls, (a + b).rows
({'x': 1}, 1, 3)
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mainspring.core.errors import InputError, NotFound, listed
from mainspring.monitor import column_profile, level_bins, number_bins
from mainspring.monitor.column_profile import Bins, ColumnProfile
from mainspring.monitor.kind import Kind, kind_of, read_as
from mainspring.monitor.level_bins import LevelBins
from mainspring.monitor.number_bins import NumberBins
from mainspring.monitor.source import HELD, Source, source_of
from mainspring.monitor.unrest import Unrest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from mainspring.contract import Contract
    from mainspring.monitor.quality import RuleCounts

BINS = 32
SAMPLE = 2_048
"""About so many values, evenly spaced over the rows, choose how a column is mapped to cells."""
OWN_WINDOWS = 32
"""So many of the reference's own windows show how a column moves of its own accord."""
FORMAT = 1
_SAME_STEP = 0.9


@dataclass(frozen=True, slots=True)
class ReferenceColumn:
    """One column of the reference: its kind, its bins (None where it cannot be binned) and its own profile.

    ``rising``: the column grows steadily with the rows (a clock or a counter), so that a later window always lies
    beyond it; its distribution is not judged. ``unrest``: how it moves between the reference's own windows, if known.
    """

    kind: Kind
    bins: Bins | None
    profile: ColumnProfile
    rising: bool = False
    unrest: Unrest | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        bins = None if self.bins is None else self.bins.as_dict()
        unrest = None if self.unrest is None else self.unrest.as_dict()
        return {
            "kind": self.kind, "rising": self.rising, "bins": bins, "profile": self.profile.as_dict(), "unrest": unrest,
        }  # fmt: skip

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> ReferenceColumn:
        """Read :meth:`as_dict` back."""
        bins: Bins | None = None
        if raw["bins"] is not None:
            bins = LevelBins.from_dict(raw["bins"]) if raw["kind"] == "level" else NumberBins.from_dict(raw["bins"])
        unrest = None if raw["unrest"] is None else Unrest.from_dict(raw["unrest"])
        return cls(raw["kind"], bins, ColumnProfile.from_dict(raw["profile"]), bool(raw["rising"]), unrest)


@dataclass(frozen=True)
class Reference:
    """What windows are compared with: per column bins and counts, fitted once on the training rows.

    ``rules``: how often the reference itself broke the contract, see :mod:`mainspring.monitor.quality`.
    """

    rows: int
    columns: dict[str, ReferenceColumn]
    rules: RuleCounts = field(default_factory=dict)

    @classmethod
    def fit(
        cls,
        table: Any,
        *,
        columns: Iterable[str] | None = None,
        bins: int = BINS,
        window: int | None = None,
        contract: Contract | None = None,
    ) -> Reference:
        """Fit on *table*: a frame, a Parquet path (streamed, memory bounded), or another file.

        *columns*: all where None. *bins*: at most so many bins for an ordered column. *window*: the usual number of
        rows of a window, for rows in order of time that are not independent, see :meth:`settled`. *contract*: its
        column rules are counted as well, so that a window is held against what was usual (reads the table whole).
        Raises InputError for a table without rows, NotFound for a column that is not there.
        """
        source = source_of(table)
        names = list(source.types) if columns is None else list(columns)
        for name in names:
            if name not in source.types:
                raise NotFound.among("column", name, list(source.types))
        if source.rows == 0:
            raise InputError("The reference has no rows. Expected the table that the model was trained on.")
        if not 2 <= bins <= number_bins.CELLS // 4:
            raise InputError(f"bins must lie between 2 and {number_bins.CELLS // 4}, got {bins}.")
        fitted = source.each(lambda name: _fit_column(source, name, bins), names)
        rules: RuleCounts = {}
        if contract is not None:
            from mainspring.monitor.quality import count_rules

            rules = count_rules(source.frame(), contract, names)
        reference = cls(source.rows, dict(zip(names, fitted, strict=True)), rules)
        if window is None:
            return reference
        return reference.settled(_own_windows(source.frame().select(names), window))

    def settled(self, windows: Iterable[Any]) -> Reference:
        """The same reference, its bands widened by how its own *windows* (frames or profiles) differ.

        Give consecutive windows of the reference's rows, cut as later ones will be. With fewer than eight nothing
        changes. See :mod:`mainspring.monitor.unrest`.
        """
        from mainspring.monitor.comparison import compare

        calm = {name: replace(column, unrest=None) for name, column in self.columns.items()}
        seen: dict[str, list[dict[str, float]]] = {name: [] for name in calm}
        for window in windows:
            profile = window if isinstance(window, WindowProfile) else self.profile(window)
            for name, column in calm.items():
                found = compare(column, profile.columns[name]).findings
                seen[name].append({statistic: finding.value for statistic, finding in found.items()})
        columns = {name: replace(column, unrest=Unrest.of(seen[name])) for name, column in calm.items()}
        return replace(self, columns=columns)

    def profile(self, table: Any) -> WindowProfile:
        """Count *table* (a frame, a path, a Parquet path that is streamed) in the reference's bins.

        A column that the table lacks is profiled as absent; one that the reference lacks is listed in ``extra``.
        """
        source = source_of(table)
        present = [name for name in self.columns if name in source.types]
        seeds = {name: seed for name in present if (seed := _seed(self.columns[name])) is not None}
        hashes = source.hashes(seeds)
        count = partial(self._count, source, hashes)
        counted = dict(zip(present, source.each(count, present), strict=True))
        profiles = {name: counted.get(name) or column_profile.missing(source.rows) for name in self.columns}
        extra = {name: str(dtype) for name, dtype in source.types.items() if name not in self.columns}
        return WindowProfile(source.rows, profiles, extra)

    @cached_property
    def own(self) -> WindowProfile:
        """The reference's profile of itself."""
        return WindowProfile(self.rows, {name: column.profile for name, column in self.columns.items()}, {})

    def _count(self, source: Source, hashes: Mapping[str, pl.Series], name: str) -> ColumnProfile:
        column = self.columns[name]
        total, dtype = None, str(source.types[name])
        for parts in source.together(name):
            counted = _profile_parts(column, parts, dtype, hashes.get(name))
            total = counted if total is None else total + counted
        return total or column_profile.missing(0)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values; a few kilobytes a column."""
        columns = {name: column.as_dict() for name, column in self.columns.items()}
        rules = [[column, rule, *counts] for (column, rule), counts in self.rules.items()]
        return {"format": FORMAT, "rows": self.rows, "columns": columns, "rules": rules}

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Reference:
        """Read :meth:`as_dict` back. Raises InputError for a format of a later version."""
        if raw.get("format") != FORMAT:
            raise InputError(f"The profile has format {raw.get('format')!r}, this version reads format {FORMAT}.")
        columns = {name: ReferenceColumn.from_dict(column) for name, column in raw["columns"].items()}
        rules = {(column, rule): (int(failed), int(rows)) for column, rule, failed, rows in raw["rules"]}
        return cls(int(raw["rows"]), columns, rules)


@dataclass(frozen=True, slots=True)
class WindowProfile:
    """The counts of a window in the bins of one reference. ``a + b`` is exactly the profile of both windows' rows.

    ``extra``: columns that the reference does not have, with their types.
    """

    rows: int
    columns: dict[str, ColumnProfile]
    extra: dict[str, str]

    def __add__(self, other: WindowProfile) -> WindowProfile:
        """Both windows together. Raises InputError where they were counted against different columns."""
        if self.columns.keys() != other.columns.keys():
            odd = self.columns.keys() ^ other.columns.keys()
            raise InputError(f"Only profiles of one reference can be added; these differ in {listed(sorted(odd))}.")
        columns = {name: profile + other.columns[name] for name, profile in self.columns.items()}
        return WindowProfile(self.rows + other.rows, columns, {**self.extra, **other.extra})

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        columns = {name: profile.as_dict() for name, profile in self.columns.items()}
        return {"rows": self.rows, "columns": columns, "extra": dict(self.extra)}

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> WindowProfile:
        """Read :meth:`as_dict` back."""
        columns = {name: ColumnProfile.from_dict(profile) for name, profile in raw["columns"].items()}
        return cls(int(raw["rows"]), columns, dict(raw["extra"]))


def _own_windows(frame: pl.DataFrame, rows: int) -> Iterator[pl.DataFrame]:
    """At most :data:`OWN_WINDOWS` whole windows of *rows* rows, evenly spread over *frame*."""
    starts = range(0, frame.height - rows + 1, max(rows, 1))
    for place in np.unique(np.linspace(0, len(starts) - 1, OWN_WINDOWS).round()) if len(starts) else ():
        yield frame.slice(starts[int(place)], rows)


def _seed(column: ReferenceColumn) -> int | None:
    return column.bins.seed if isinstance(column.bins, LevelBins) else None


def _profile_parts(
    column: ReferenceColumn, parts: Sequence[pl.Series], dtype: str, hashes: pl.Series | None = None
) -> ColumnProfile:
    """Count some stretches of a column; *hashes*: of its texts under the seed of its bins, where they are known."""
    import polars as pl

    contents = [read_as(column.kind, part) for part in parts]
    low = high = None
    counts, steps, squares = np.zeros(0 if column.bins is None else column.bins.size, dtype=np.int64), 0, 0
    unseen: dict[str, int] = {}
    if isinstance(column.bins, LevelBins):
        found = None if hashes is None else column.bins.by_hash(hashes)
        levels = [content.values for content in contents if content.values is not None]
        if found is not None:
            counts, strange = found
            levels = [] if strange is None else [level_bins.joined(levels).filter(pl.Series(strange))]
        if levels:
            others, unseen = column.bins.count(level_bins.counted(level_bins.joined(levels)))
            counts = counts + others
    elif isinstance(column.bins, NumberBins):
        known = [content for content in contents if len(content.values)]
        if known:
            low, high = min(content.low for content in known), max(content.high for content in known)
            counts, steps, squares = column.bins.count([content.values for content in known], low, high)
    return ColumnProfile(
        rows=sum(content.rows for content in contents),
        nulls=sum(content.nulls for content in contents),
        infinite=sum(content.infinite for content in contents),
        mistyped=sum(content.mistyped for content in contents),
        counts=counts, steps=steps, squares=squares, low=low, high=high, unseen=unseen, types=(dtype,),
    )  # fmt: skip


def _fit_column(source: Source, name: str, bins: int) -> ReferenceColumn:
    kind = kind_of(source.types[name])
    if kind == "level":
        return _fit_levels(source, name)
    if kind in ("number", "time"):
        return _fit_numbers(source, name, kind, bins)
    return _unbinned(source, name, kind)


def _unbinned(source: Source, name: str, kind: Kind) -> ReferenceColumn:
    bare = ReferenceColumn(kind, None, column_profile.missing(0))
    total = column_profile.missing(0)
    for part in source.parts(name):
        total += _profile_parts(bare, [part], str(source.types[name]))
    return ReferenceColumn(kind, None, total)


def _fit_levels(source: Source, name: str) -> ReferenceColumn:
    counts, rows, nulls = [], 0, 0
    for part in source.parts(name):
        content = read_as("level", part)
        rows, nulls = rows + content.rows, nulls + content.nulls
        if content.values is not None:
            counts.append(level_bins.counted(content.values))
        if len(counts) > 16:  # keeps the memory of a column with many levels flat
            counts = [level_bins.merged(counts)]
    if not counts:
        return _unbinned(source, name, "empty")
    counted = level_bins.merged(counts)
    bins = level_bins.fit(counted)
    places, _ = bins.count(counted)
    types = (str(source.types[name]),)
    return ReferenceColumn("level", bins, ColumnProfile(rows=rows, nulls=nulls, counts=places, types=types))


def _fit_numbers(source: Source, name: str, kind: Kind, bins: int) -> ReferenceColumn:
    stride = max(1, source.rows // SAMPLE)
    held: list[NDArray[Any]] | None = [] if source.rows <= HELD else None
    sample: list[NDArray[Any]] = []
    rows = nulls = infinite = 0
    low = high = None
    for part in source.parts(name):
        content = read_as(kind, part)
        rows, nulls, infinite = rows + content.rows, nulls + content.nulls, infinite + content.infinite
        if len(content.values):
            low = content.low if low is None else min(low, content.low)
            high = content.high if high is None else max(high, content.high)
            sample.append(content.values[::stride])
            if held is not None:
                held.append(content.values)
    if low is None or high is None:
        return _unbinned(source, name, "empty")
    chosen = np.concatenate(sample)
    again = held if held is not None else _values(source, name, kind)
    fitted, cells = number_bins.fit(again, sample=chosen, low=low, high=high, bins=bins)
    places, steps, squares = fitted.fold(cells)
    profile = ColumnProfile(
        rows=rows, nulls=nulls, infinite=infinite, counts=places, steps=steps, squares=squares,
        low=low, high=high, types=(str(source.types[name]),),
    )  # fmt: skip
    return ReferenceColumn(kind, fitted, profile, rising=_is_rising(chosen, kind))


def _values(source: Source, name: str, kind: Kind) -> Iterator[NDArray[Any]]:
    for part in source.parts(name):
        yield read_as(kind, part).values


def _is_rising(sample: NDArray[Any], kind: Kind) -> bool:
    """Whether the sampled rows show a clock (times that never go back) or a counter (numbers by one same step)."""
    if len(sample) < 3:  # two rows show no habit
        return False
    steps = np.diff(sample.astype(np.float64))
    if steps.min() < 0 or steps.max() <= 0:
        return False
    if kind == "time":
        return True
    usual = float(np.median(steps))
    same = np.abs(steps - usual) <= 1e-6 * abs(usual)
    return usual > 0 and float(same.mean()) >= _SAME_STEP
