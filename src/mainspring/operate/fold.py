"""Which alerts have one cause: a pure plan of what to open, what to add to and what to close.

Causes are told apart by when and where they begin:

* Broken data of columns that break in the same window is one cause. What their distribution does then is its effect.
  A column that breaks is news beside an incident of drift, unless this began at most :data:`ONSET` windows ago and is
  about nothing else: then the drift was the beginning of the break.
* A column that begins to drift joins an incident that began at most :data:`ONSET` windows ago; later it is a new cause.
* A model that does worse, or says other things than before, is an effect of what began at most :data:`ONSET` windows
  ago, or of data that broke at most :data:`HARM` windows ago and still is broken: labels come late, and of little harm
  one is sure only after several windows. Without such a beginning it is a cause of its own, a changed relation between
  columns and target.
* An error budget that burns tells of what has long been so, often from the first day on. It is told with what hurts,
  but a model that does worse than before is not told as part of it.
* People are told again of an incident in which data broke in a new way, in much more rows than they were told of, or
  that has begun to do harm.
* An incident is over when no alert of its own kind has come for :data:`QUIET` windows: a model that answers well
  again is mended, even if its columns still look different from before. What labels told only labels can end: where
  they come late, windows that were not measured yet do not count.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mainspring.monitor.signals import Signal

Kind: TypeAlias = Literal["data quality", "drift", "performance", "service"]
ONSET = 1
HARM = 8
QUIET = 2
GROWN = 0.05
"""Twice the share of broken rows that was told of is news, if it is so much more of all rows."""
OUTPUTS = frozenset({"prediction", "score"})
"""The names under which a model's own answers are watched."""
BUDGET = "budget of "
"""What tells of a requirement's error budget is named so."""
_HARM = "harm"
_HURTING: tuple[Kind, ...] = ("performance", "data quality")
_ESTIMATED = "estimated "
"""What was not measured with labels is named so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What folding has to know of an open incident.

    ``columns`` it is about; the windows in which it was ``opened`` and in which the ``last`` alert of its own kind
    came. ``unnamed``: one of these named no column. ``measured``: one was measured with labels, and since the last one
    ``quiet`` windows were measured. ``held``: whatever opened it also ends it, quiet windows do not. ``named``: its
    alerts so far, by name; ``repeats``: so many windows told nothing but these. ``told``: how much there was of each
    thing of which people were told.
    """

    id: int
    kind: Kind
    columns: frozenset[str]
    opened: int
    last: int
    alerts: int = 0
    unnamed: bool = False
    measured: bool = False
    quiet: int = 0
    held: bool = False
    named: frozenset[str] = frozenset()
    repeats: int = 0
    told: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, number: int, kind: Kind, alerts: Sequence[Signal], window: int) -> Case:
        """The case of a new incident."""
        empty = cls(id=number, kind=kind, columns=frozenset(), opened=window, last=window)
        return _joined(empty, tuple(alerts), window)[0]


@dataclass(frozen=True, slots=True)
class Plan:
    """``opening``: kind and alerts of each new incident. ``joining``: the case as it becomes, and its new alerts.

    ``waiting``: cases of which nothing was seen, as they become.
    """

    opening: tuple[tuple[Kind, tuple[Signal, ...]], ...]
    joining: tuple[tuple[Case, tuple[Signal, ...]], ...]
    closing: tuple[Case, ...]
    waiting: tuple[Case, ...] = ()


def plan(cases: Sequence[Case], alerts: Sequence[Signal], window: int, *, measured: bool = True) -> Plan:
    """Fold the *alerts* of *window* into the open *cases*; *measured*: its labels were there, and were not before."""
    groups: dict[int, tuple[Case, list[Signal]]] = {case.id: (case, []) for case in cases}
    fresh: dict[Kind, list[Signal]] = {}
    breaks = [alert for alert in alerts if alert.kind == "data quality"]
    broken = frozenset(alert.column for alert in breaks if alert.column is not None)
    homes = {alert.column: _home_of_column(cases, alert, window, broken) for alert in breaks}
    effects: list[Signal] = []
    burning: list[Signal] = []
    for alert in alerts:
        if _is_effect(alert):
            (burning if is_burning(alert) else effects).append(alert)
            continue
        home = _home_of_column(cases, alert, window, broken) or homes.get(alert.column)
        if home is not None:
            groups[home.id][1].append(alert)
        elif alert.kind == "drift" and alert.column in broken:
            fresh.setdefault("data quality", []).append(alert)
        else:
            fresh.setdefault(alert.kind, []).append(alert)
    acute = [case for case in cases if not _is_chronic(case)]
    if "drift" in fresh and (young := _young(acute, ("drift", "performance"), window)) is not None:
        groups[young.id][1].extend(fresh.pop("drift"))
    _place_effects(effects, groups, fresh, window)
    _place_burning(burning, groups, fresh, window)
    after = [(_after(case, tuple(found), window, measured=measured), tuple(found)) for case, found in groups.values()]
    going = [(case, found) for case, found in after if not _is_over(case, window)]
    left = {case.id for case, _ in going}
    return Plan(
        opening=tuple((kind, tuple(found)) for kind, found in fresh.items()),
        joining=tuple((case, found) for case, found in going if found),
        closing=tuple(case for case in cases if case.id not in left),
        waiting=tuple(case for case, found in going if not found),
    )


def _after(case: Case, found: tuple[Signal, ...], window: int, *, measured: bool) -> Case:
    """The *case* when *window* is over."""
    if found:
        case, own = _joined(case, found, window)
        if own:
            return case
    return replace(case, quiet=case.quiet + measured)


def _is_over(case: Case, window: int) -> bool:
    if case.held:
        return False
    if case.measured and case.kind == "performance":
        return case.quiet >= QUIET
    return window - case.last >= QUIET


def _is_effect(alert: Signal) -> bool:
    return alert.kind == "performance" or alert.column in OUTPUTS


def _home_of_column(cases: Sequence[Case], alert: Signal, window: int, broken: frozenset[str]) -> Case | None:
    """The open incident that is about this alert's column already, or began with others of its kind just now."""
    for case in cases:
        if alert.column is None or alert.column not in case.columns:
            continue
        if alert.kind != "data quality" or case.kind == "data quality":
            return case
        # a column that breaks is news, also where its distribution has long been another, or others moved with it
        if window - case.opened <= ONSET and case.columns - OUTPUTS <= broken:
            return case
    if alert.kind == "service":
        return next((case for case in cases if case.kind == "service"), None)
    if alert.kind == "data quality":
        lasting = (
            case
            for case in cases
            if case.kind == "data quality"
            and alert.column is None
            # a requirement on the data is broken by what is broken in them, whichever column that is
            and (case.unnamed or (alert.name.startswith(BUDGET) and window - case.last <= ONSET))
        )
        return next(lasting, None) or _young(cases, ("data quality",), window)
    return None


def _young(cases: Sequence[Case], kinds: tuple[Kind, ...], window: int) -> Case | None:
    return next((case for case in cases if case.kind in kinds and window - case.opened <= ONSET), None)


def _place_effects(
    effects: list[Signal],
    groups: dict[int, tuple[Case, list[Signal]]],
    fresh: dict[Kind, list[Signal]],
    window: int,
) -> None:
    """Give effects to what began now, else to an incident that has had them, else to a likely cause, else to a new one.

    Harm comes from data that are broken sooner than from what merely began to drift.
    """
    if not effects:
        return
    cases = [case for case, _ in groups.values()]
    kinds: tuple[Kind, ...] = ("data quality", "drift", "performance")
    had = [case for case in cases if case.kind == "performance" and not _is_chronic(case)]
    had += [case for case in cases if case.columns & OUTPUTS and case.kind != "performance"]
    worse = any(effect.kind == "performance" for effect in effects)
    if "data quality" in fresh:
        fresh["data quality"].extend(effects)
    elif "drift" in fresh:
        # a model that does worse is the news, the columns that moved with it are its suspects
        fresh["performance" if worse else "drift"] = fresh.pop("drift") + effects
    elif had and (not worse or had[0].kind == "performance"):
        groups[had[0].id][1].extend(effects)
    elif (cause := _lasting(groups, window) or _young(cases, kinds, window)) is not None:
        groups[cause.id][1].extend(effects)
    else:
        fresh["performance" if worse else "drift"] = effects


def _place_burning(
    burning: list[Signal],
    groups: dict[int, tuple[Case, list[Signal]]],
    fresh: dict[Kind, list[Signal]],
    window: int,
) -> None:
    """Give budgets that burn to the incident that told of them, else to what hurts or may do so, else to a new one."""
    if not burning:
        return
    cases = [case for case, _ in groups.values()]
    names = frozenset(map(name_of, burning))
    home = next((case for case in cases if case.kind != "drift" and names & case.named), None)
    home = home or next((case for case in sorted(cases, key=_is_chronic) if case.kind == "performance"), None)
    begun = next((fresh[kind] for kind in _HURTING if kind in fresh), None)
    if home is not None:
        groups[home.id][1].extend(burning)
    elif begun is not None:
        begun.extend(burning)
    elif (cause := _lasting(groups, window) or _young(cases, ("drift",), window)) is not None:
        groups[cause.id][1].extend(burning)
    else:
        fresh["performance"] = burning


def _lasting(groups: dict[int, tuple[Case, list[Signal]]], window: int) -> Case | None:
    """The latest incident about data that broke not long ago and is broken now."""
    broken = [
        case
        for case, found in groups.values()
        if case.kind == "data quality"
        and window - case.opened <= HARM
        and (window - case.last <= ONSET or any(alert.kind == "data quality" for alert in found))
    ]
    return max(broken, key=lambda case: case.opened, default=None)


def _joined(case: Case, found: tuple[Signal, ...], window: int) -> tuple[Case, bool]:
    """The *case* with what was *found* of it, and whether that keeps it open."""
    kind, kinds = case.kind, {alert.kind for alert in found}
    if kind in ("drift", "performance") and "data quality" in kinds:
        kind = "data quality"
    elif kind == "drift" and "performance" in kinds:
        kind = "performance"
    own = [alert for alert in found if alert.kind == kind]
    names = frozenset(map(name_of, found))
    news = {name: much for name, much in _news_of(found).items() if _is_news(case.told.get(name), much)}
    joined = replace(
        case,
        named=case.named | names,
        repeats=case.repeats + 1 if names <= case.named else 0,
        kind=kind,
        columns=case.columns | columns_of(found),
        alerts=case.alerts + len(found),
        unnamed=case.unnamed or any(alert.column is None for alert in own),
        measured=case.measured or any(alert.kind == "performance" and not _is_estimate(alert) for alert in own),
        told={**case.told, **news},
    )
    return (replace(joined, last=max(window, case.last), quiet=0) if own else joined), bool(own)


def name_of(alert: Signal) -> str:
    """Under which name a case remembers that it was told of *alert*."""
    return f"{alert.name}:{alert.column or ''}"


def _news_of(alerts: Sequence[Signal]) -> dict[str, float]:
    """What people are to be told, by name, with how much there is of it: broken data and harm, which may be guessed."""
    found = {name_of(alert): alert.value for alert in alerts if alert.kind == "data quality"}
    found |= {name_of(alert): 1.0 for alert in alerts if is_burning(alert)}
    worse = [alert for alert in alerts if alert.kind == "performance" and not is_burning(alert)]
    return {**found, _HARM: max(0.5 if _is_estimate(alert) else 1.0 for alert in worse)} if worse else found


def _is_news(told: float | None, much: float) -> bool:
    return told is None or (much >= 2 * told and much - told >= GROWN)


def is_burning(alert: Signal) -> bool:
    """Whether *alert* tells of an error budget of the model."""
    return alert.kind == "performance" and alert.name.startswith(BUDGET)


def _is_chronic(case: Case) -> bool:
    """Whether nothing but burning budgets made it an incident of performance."""
    return case.kind == "performance" and bool(case.told) and _HARM not in case.told


def _is_estimate(alert: Signal) -> bool:
    return alert.name.startswith(_ESTIMATED)


def columns_of(alerts: Sequence[Signal]) -> frozenset[str]:
    """The columns that *alerts* are about."""
    return frozenset(alert.column for alert in alerts if alert.column is not None)
