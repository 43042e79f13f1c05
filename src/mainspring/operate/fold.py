"""Which alerts have one cause: a pure plan of what to open, what to add to and what to close.

Causes are told apart by when and where they begin:

* Broken data of columns that break in the same window is one cause. What their distribution does afterwards is its
  effect.
* A column that begins to drift joins an incident that began at most :data:`ONSET` windows ago; later it is a new cause.
* A model that does worse, or says other things than before, is an effect of what began at most :data:`ONSET` windows
  ago; without such a beginning it is a cause of its own, a changed relation between columns and target.
* An incident is over when no alert of its own kind has come for :data:`QUIET` windows: a model that answers well
  again is mended, even if its columns still look different from before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mainspring.monitor.signals import Signal

Kind: TypeAlias = Literal["data quality", "drift", "performance", "service"]
ONSET = 1
QUIET = 2
OUTPUTS = frozenset({"prediction", "score"})
"""The names under which a model's own answers are watched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What folding has to know of an open incident.

    ``columns`` it is about; the windows in which it was ``opened`` and in which the ``last`` alert of its own kind
    came.
    """

    id: int
    kind: Kind
    columns: frozenset[str]
    opened: int
    last: int
    alerts: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """``opening``: kind and alerts of each new incident. ``joining``: the case as it becomes, and its new alerts."""

    opening: tuple[tuple[Kind, tuple[Signal, ...]], ...]
    joining: tuple[tuple[Case, tuple[Signal, ...]], ...]
    closing: tuple[Case, ...]


def plan(cases: Sequence[Case], alerts: Sequence[Signal], window: int) -> Plan:
    """Fold the *alerts* of *window* into the open *cases*."""
    groups: dict[int, tuple[Case, list[Signal]]] = {case.id: (case, []) for case in cases}
    fresh: dict[Kind, list[Signal]] = {}
    broken = {alert.column for alert in alerts if alert.kind == "data quality"}
    effects: list[Signal] = []
    for alert in alerts:
        if _is_effect(alert):
            effects.append(alert)
            continue
        home = _home_of_column(cases, alert, window)
        if home is not None:
            groups[home.id][1].append(alert)
        elif alert.kind == "drift" and alert.column in broken:
            fresh.setdefault("data quality", []).append(alert)
        else:
            fresh.setdefault(alert.kind, []).append(alert)
    if "drift" in fresh and (young := _young(cases, ("drift", "performance"), window)) is not None:
        groups[young.id][1].extend(fresh.pop("drift"))
    _place_effects(effects, groups, fresh, window)
    joining = [_joined(case, tuple(found), window) for case, found in groups.values() if found]
    now = {case.id: case for case, _ in joining}
    closing = [case for case in cases if window - now.get(case.id, case).last >= QUIET]
    over = {case.id for case in closing}
    return Plan(
        tuple((kind, tuple(found)) for kind, found in fresh.items()),
        tuple(one for one in joining if one[0].id not in over),
        tuple(closing),
    )


def _is_effect(alert: Signal) -> bool:
    return alert.kind == "performance" or alert.column in OUTPUTS


def _home_of_column(cases: Sequence[Case], alert: Signal, window: int) -> Case | None:
    """The open incident that is about this alert's column already, or began with others of its kind just now."""
    for case in cases:
        if alert.column is None or alert.column not in case.columns:
            continue
        # a column that breaks is news, also where its distribution has long been another
        if alert.kind != "data quality" or case.kind == "data quality" or window - case.opened <= ONSET:
            return case
    if alert.kind == "service":
        return next((case for case in cases if case.kind == "service"), None)
    if alert.kind == "data quality":
        return _young(cases, ("data quality",), window)
    return None


def _young(cases: Sequence[Case], kinds: tuple[Kind, ...], window: int) -> Case | None:
    return next((case for case in cases if case.kind in kinds and window - case.opened <= ONSET), None)


def _place_effects(
    effects: list[Signal],
    groups: dict[int, tuple[Case, list[Signal]]],
    fresh: dict[Kind, list[Signal]],
    window: int,
) -> None:
    """Give effects to what began now, else to an incident that has had them, else to a young one, else to a new one."""
    if not effects:
        return
    cases = [case for case, _ in groups.values()]
    kinds: tuple[Kind, ...] = ("data quality", "drift", "performance")
    had = [case for case in cases if case.kind == "performance"]
    had += [case for case in cases if case.columns & OUTPUTS and case.kind != "performance"]
    worse = any(effect.kind == "performance" for effect in effects)
    if "data quality" in fresh:
        fresh["data quality"].extend(effects)
    elif "drift" in fresh:
        # a model that does worse is the news, the columns that moved with it are its suspects
        fresh["performance" if worse else "drift"] = fresh.pop("drift") + effects
    elif had and (not worse or had[0].kind == "performance"):
        groups[had[0].id][1].extend(effects)
    elif (young := _young(cases, kinds, window)) is not None:
        groups[young.id][1].extend(effects)
    else:
        fresh["performance" if worse else "drift"] = effects


def _joined(case: Case, found: tuple[Signal, ...], window: int) -> tuple[Case, tuple[Signal, ...]]:
    kind = case.kind
    if kind == "drift" and any(alert.kind == "performance" for alert in found):
        kind = "performance"
    columns = case.columns | columns_of(found)
    own = any(_belongs(alert, kind) for alert in found)
    last = window if own else case.last
    return replace(case, kind=kind, columns=columns, last=last, alerts=case.alerts + len(found)), found


def _belongs(alert: Signal, kind: Kind) -> bool:
    """Whether an alert keeps an incident of *kind* open."""
    return alert.kind == kind


def columns_of(alerts: Sequence[Signal]) -> frozenset[str]:
    """The columns that *alerts* are about."""
    return frozenset(alert.column for alert in alerts if alert.column is not None)
