"""Which columns of a window are no longer distributed as in the reference.

Each column is held against its bands by several statistics (PSI, Jensen-Shannon, Kolmogorov-Smirnov, a shift in
location, the shares of nulls, of unusable values and of values the reference never had), each sharing the column's
chance of error (Bonferroni); the columns of a window share the window's (S. Holm, "A simple sequentially rejective
multiple test procedure", 1979). So the share of quiet windows in which any column is named stays below
``false_alarms``, whatever the columns' dependence and however many they are. A quarter of that share is spent
(:data:`SPENT`), so that whoever counts two hundred quiet windows also *sees* no more than promised.

A very large window finds differences that matter to nobody. A column is therefore named only if at least one row
in a hundred lies elsewhere (:data:`SMALLEST`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mainspring.core.errors import NotFound
from mainspring.monitor import comparison
from mainspring.monitor.number_bins import NumberBins
from mainspring.monitor.profile import Reference, WindowProfile

if TYPE_CHECKING:
    from collections.abc import Collection

    from mainspring.monitor.column_profile import ColumnProfile
    from mainspring.monitor.comparison import Comparison
    from mainspring.monitor.kind import Kind
    from mainspring.monitor.profile import ReferenceColumn

FALSE_ALARMS = 0.01
SPENT = 0.25
"""The share of the promised false alarms that is spent: 200 quiet windows then show more than 1 % with a chance of
1 %."""
SMALLEST = 0.01
"""A change is named only if at least this share of rows lies elsewhere."""
TESTS = 7
"""So many statistics judge a column."""
_SHARES = ("nulls", "unusable")
_OF_ROWS = (*_SHARES, "unseen")
_READ_AS = {"number": "number", "time": "date", "level": "category", "empty": "value", "opaque": "value"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnDrift:
    """What is known about one column of a window.

    ``psi``, ``js`` (distance, base 2), ``ks`` and ``shift`` (see :mod:`mainspring.monitor.statistic`) are None
    where there was nothing to measure; ``band`` gives for each measured one the value it stays below while nothing
    has changed (``shift`` by its size). ``outside`` names what left its band; ``chance`` is the column's p-value.
    ``shares``: of rows that are null (``nulls``), unusable, or beyond what the reference had (``unseen``).
    ``unseen``: levels that the reference never had, with their rows. ``before`` and ``after`` hold the shares of
    nulls and the (winsorised) means. ``note`` says in words what else happened: missing, another type, a clock.
    """

    name: str
    kind: Kind
    drifted: bool
    rows: int
    psi: float | None = None
    js: float | None = None
    ks: float | None = None
    shift: float | None = None
    band: dict[str, float] = field(default_factory=dict)
    outside: tuple[str, ...] = ()
    chance: float = 1.0
    shares: dict[str, float] = field(default_factory=dict)
    unseen: dict[str, int] = field(default_factory=dict)
    before: dict[str, float] = field(default_factory=dict)
    after: dict[str, float] = field(default_factory=dict)
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "name": self.name, "kind": self.kind, "drifted": self.drifted, "rows": self.rows,
            "psi": self.psi, "js": self.js, "ks": self.ks, "shift": self.shift, "band": dict(self.band),
            "outside": list(self.outside), "chance": self.chance, "shares": dict(self.shares),
            "unseen": dict(self.unseen),
            "before": dict(self.before), "after": dict(self.after), "note": self.note,
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftReport:
    """The columns of a window in the reference's order, those it does not know last.

    ``rows`` is the window's size, ``false_alarms`` the accepted share of quiet windows in which a column is named.
    """

    rows: int
    reference_rows: int
    columns: tuple[ColumnDrift, ...]
    false_alarms: float = FALSE_ALARMS

    @property
    def drifted(self) -> tuple[str, ...]:
        """The named columns, furthest off first."""
        named = [column for column in self.columns if column.drifted]
        return tuple(column.name for column in sorted(named, key=lambda column: -_size(column)))

    def column(self, name: str) -> ColumnDrift:
        """The finding on one column. Raises KeyError for another name."""
        return {column.name: column for column in self.columns}[name]

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "rows": self.rows,
            "reference_rows": self.reference_rows,
            "false_alarms": self.false_alarms,
            "drifted": list(self.drifted),
            "columns": [column.as_dict() for column in self.columns],
        }


def drift(
    reference: Any,
    current: Any,
    *,
    false_alarms: float = FALSE_ALARMS,
    ignore: Collection[str] = (),
) -> DriftReport:
    """Compare *current* with *reference*: frames, paths, or what is profiled or fitted already.

    Parquet paths are streamed. Columns in *ignore* are not judged. Raises InputError where a table cannot be read,
    NotFound where a column to be ignored is in neither.

    >>> import numpy as np, polars as pl
    >>> draw = np.random.default_rng(0)
    >>> before = pl.DataFrame({"a": draw.normal(size=5_000), "b": draw.normal(size=5_000)})
    >>> after = pl.DataFrame({"a": draw.normal(size=2_000), "b": draw.normal(0.3, size=2_000)})
    >>> drift(before, after).drifted
    ('b',)
    """
    fitted = reference if isinstance(reference, Reference) else Reference.fit(reference)
    window = current if isinstance(current, WindowProfile) else fitted.profile(current)
    for name in ignore:
        if name not in fitted.columns and name not in window.extra:
            raise NotFound.among("column", name, [*fitted.columns, *window.extra])
    return compare(fitted, window, false_alarms=false_alarms, ignore=ignore)


def compare(
    reference: Reference,
    window: WindowProfile,
    *,
    false_alarms: float = FALSE_ALARMS,
    ignore: Collection[str] = (),
    others: int = 0,
) -> DriftReport:
    """:func:`drift` for a profiled window; *others* further tests share the window's false alarms."""
    names = [name for name in reference.columns if name not in ignore]
    measured = {name: comparison.compare(reference.columns[name], window.columns[name]) for name in names}
    chances = [found.chance(TESTS) for found in measured.values()]
    level = holm_level(chances, false_alarms * SPENT, others=others)
    columns = [_finding(name, reference.columns[name], window.columns[name], measured[name], level) for name in names]
    new = [
        ColumnDrift(
            name=name, kind="opaque", drifted=False, rows=window.rows, note=f"new: not in the reference ({dtype})"
        )
        for name, dtype in window.extra.items()
        if name not in ignore
    ]
    return DriftReport(
        rows=window.rows, reference_rows=reference.rows, columns=(*columns, *new), false_alarms=false_alarms
    )


def holm_level(chances: list[float], level: float, *, others: int = 0) -> float:
    """The one level that gives Holm's answer: exactly the rejected have at most this chance.

    *others*: so many further tests of the family, counted as not rejected.

    >>> holm_level([0.001, 0.02, 0.5], 0.05)
    0.025
    """
    family = len(chances) + others
    rejected = 0
    for chance in sorted(chances):
        if chance > level / (family - rejected):
            break
        rejected += 1
    return level / max(family - max(rejected, 1) + 1, 1)


def _finding(
    name: str, column: ReferenceColumn, window: ColumnProfile, measured: Comparison, level: float
) -> ColumnDrift:
    absent = window.rows > 0 and window.present == 0
    outside = measured.outside(level / TESTS, SMALLEST)
    judged = tuple(what for what in outside if what in _SHARES) if column.rising else outside
    return ColumnDrift(
        name=name, kind=column.kind, drifted=absent or bool(judged), rows=window.present,
        psi=measured.value("psi"), js=measured.value("js"), ks=measured.value("ks"), shift=measured.value("shift"),
        band=measured.band(level / TESTS), outside=judged, chance=0.0 if absent else measured.chance(TESTS),
        shares={what: found.value for what, found in measured.findings.items() if what in _OF_ROWS},
        unseen=dict(sorted(window.unseen.items(), key=lambda item: (-item[1], item[0]))),
        before=_state(column, column.profile), after=_state(column, window), note=_note(column, window),
    )  # fmt: skip


def _state(column: ReferenceColumn, profile: ColumnProfile) -> dict[str, float]:
    state = {"nulls": profile.nulls / profile.present} if profile.present else {}
    if isinstance(column.bins, NumberBins) and profile.known:
        state["mean"], state["deviation"] = column.bins.moments(profile.known, profile.steps, profile.squares)
    return state


def _note(column: ReferenceColumn, window: ColumnProfile) -> str:
    notes = []
    if window.rows and not window.present:
        notes.append("missing: the window has no such column")
    elif window.absent:
        notes.append(f"missing in {window.absent} of {window.rows} rows")
    known_types = {*column.profile.types, "Null"}
    strange = [dtype for dtype in window.types if dtype not in known_types]
    if strange:
        notes.append(f"type: was {' or '.join(column.profile.types)}, is {' and '.join(strange)}")
    if window.mistyped:
        notes.append(f"{window.mistyped} values cannot be read as a {_READ_AS[column.kind]}")
    if window.infinite > column.profile.infinite:
        notes.append(f"{window.infinite} infinite values")
    if column.rising:
        notes.append("rises with the rows (a clock or a counter): its distribution is not judged")
    return "; ".join(notes)


def _size(column: ColumnDrift) -> float:
    """How far off a named column is, for ranking: the JS distance, or the largest share that moved."""
    if not column.rows:
        return 1.0
    moved = abs(column.after.get("nulls", 0.0) - column.before.get("nulls", 0.0))
    return max(column.js or 0.0, column.ks or 0.0, moved)
