"""The incident desk: folds each window's alerts into incidents, explains them, and writes down what was done."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mainspring.ledger.ports.incidents import SEVERITIES, usual_severity
from mainspring.operate.diagnosis import diagnose, plain
from mainspring.operate.fold import ONSET, Case, columns_of, is_burning, name_of, plan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mainspring.core.clock import Clock
    from mainspring.ledger.ports.incidents import Incident, Incidents, Severity
    from mainspring.monitor.signals import Signal
    from mainspring.operate.diagnosis import Diagnosis, Evidence
    from mainspring.operate.fold import Kind

NAMED_SIGNALS = 12
"""At most so many alerts of one window are written into a timeline entry."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be written after a window: incidents to open and to add to, with what explains them, and to close.

    ``waiting``: cases of which nothing was seen. Nothing is written of them, but they become another.
    """

    window: int
    opening: tuple[tuple[Kind, tuple[Signal, ...], Diagnosis], ...]
    joining: tuple[tuple[Case, tuple[Signal, ...], Diagnosis | None], ...]
    closing: tuple[Case, ...]
    waiting: tuple[Case, ...] = ()


class Desk:
    """Keeps the incidents of one model in *port*: the ledger's, or one in memory."""

    def __init__(self, port: Incidents, *, model: str, clock: Clock, cases: Sequence[Case] = ()) -> None:
        """Begin with the open *cases*. Times come from *clock*."""
        self.port = port
        self._model = model
        self._clock = clock
        self._cases = {case.id: case for case in cases}

    @property
    def open(self) -> tuple[Case, ...]:
        """The open incidents, oldest first."""
        return tuple(self._cases.values())

    def note(
        self, window: int, alerts: Sequence[Signal], evidence: Evidence, *, where: str = ""
    ) -> tuple[Incident, ...]:
        """Fold the *alerts* of *window*, called *where* by people. Gives the incidents opened by it."""
        return self.keep(self.draw(window, alerts, lambda: evidence), where=where)

    def draw(
        self,
        window: int,
        alerts: Sequence[Signal],
        evidence: Callable[[], Evidence | None],
        *,
        measured: bool = True,
    ) -> Draft:
        """Fold the *alerts* of *window* and explain them, without writing anything.

        *evidence* is asked for only where there is something to explain; where it is None the alerts speak for
        themselves. *measured*: whether the window's labels were there, and were not before.
        """
        drawn = plan(self.open, alerts, window, measured=measured)
        over = {case.id for case in drawn.closing}
        cases = {**self._cases, **{case.id: case for case, _ in drawn.joining}}
        # what began too long ago to be of one cause with what begins now, or broke and is told by its own incident
        told = frozenset(
            column
            for case in cases.values()
            if case.id not in over and (window - case.opened > ONSET or case.kind == "data quality")
            for column in case.columns
        )
        told |= {column for kind, found in drawn.opening if kind == "data quality" for column in columns_of(found)}
        joining = []
        for case, found in drawn.joining:
            # of harm alone there is nothing to say about which data broke, nor of a budget about why
            again = _is_other(self._cases[case.id], case) and _is_about(case.kind, found)
            known = told - case.columns
            joining.append((case, found, _explained(case.kind, found, evidence, known) if again else None))
        opening = [
            (kind, found, _explained(kind, found, evidence, told - columns_of(found))) for kind, found in drawn.opening
        ]
        return Draft(window, tuple(opening), tuple(joining), drawn.closing, drawn.waiting)

    def keep(self, draft: Draft, *, where: str = "") -> tuple[Incident, ...]:
        """Write a *draft* down. Gives the incidents opened by it."""
        for case in draft.waiting:
            self._cases[case.id] = case
        for case in draft.closing:
            self.close(case)
        for case, found, told in draft.joining:
            self._join(case, found, told, where)
        return tuple(self._opened(draft.window, kind, found, told, where) for kind, found, told in draft.opening)

    def act(self, action: str, text: str) -> None:
        """Write an action (retrain, hold, roll back …) into every open incident that is about data or the model."""
        now = self._clock.now()
        for case in self.open:
            if case.kind == "service":
                continue
            kept = self.port.get(case.id)
            said = kept.action
            last = next((event.text for event in reversed(kept.events) if event.kind == "action"), None)
            if action == "hold" and last == text:
                continue
            # an incident that was acted upon does not become one that was merely watched
            if not (action == "hold" and said):
                self.port.update(case.id, action=action, at=now)
            self.port.append(case.id, kind="action", text=text, data={"action": action}, at=now)

    def close(self, case: Case, text: str = "nothing of it was seen in the last windows") -> None:
        """Close the incident of *case*."""
        self.port.close(case.id, text=text, at=self._clock.now())
        del self._cases[case.id]

    def finish(self, text: str) -> None:
        """Add a last note to what is still open."""
        for case in self.open:
            self.port.append(case.id, kind="note", text=text, at=self._clock.now())

    def _opened(self, window: int, kind: Kind, found: tuple[Signal, ...], told: Diagnosis, where: str) -> Incident:
        now = self._clock.now()
        details: dict[str, Any] = {
            "slice": told.slice,
            "changed": list(told.changed),
            "columns": sorted(columns_of(found)),
            "alerts": len(found),
            "window": where,
        }
        made = self.port.open(
            model=self._model, kind=kind, summary=told.summary, suspects=told.suspects, details=details,
            severity=_gravest(kind, found), at=now,
        )  # fmt: skip
        self._signals(made.id, found, where)
        self._cases[made.id] = Case.of(made.id, kind, found, window)
        return made

    def _join(self, case: Case, found: tuple[Signal, ...], told: Diagnosis | None, where: str) -> None:
        before, self._cases[case.id] = self._cases[case.id], case
        news = _is_other(before, case)
        details: dict[str, Any] = {"alerts": case.alerts, "columns": sorted(case.columns)}
        if told is not None:
            details |= {"slice": told.slice, "changed": list(told.changed)}
            self.port.update(
                case.id,
                kind=case.kind,
                summary=told.summary,
                suspects=told.suspects,
                details=details,
                at=self._clock.now(),
            )
        else:
            become: dict[str, Any] = {} if before.kind == case.kind else {"kind": case.kind}
            summary = plain(found).summary if become else None
            self.port.update(case.id, details=details, summary=summary, **become, at=self._clock.now())
        # by what is new only: a person may find the rest less grave
        fresh = [one for one in found if name_of(one) not in before.named]
        gravest = _gravest(case.kind, fresh) if fresh else "info"
        if SEVERITIES.index(gravest) > SEVERITIES.index(self.port.get(case.id).severity):
            summary = plain(fresh).summary if told is None else None
            self.port.update(case.id, severity=gravest, summary=summary, at=self._clock.now())
        if news:
            summary = plain(found).summary if told is None else told.summary
            self.port.append(case.id, kind="changed", text=summary, at=self._clock.now())
        # of what lasts ever fewer windows are told: the 1st, 2nd, 4th, 8th …
        if news or not case.repeats & (case.repeats - 1):
            self._signals(case.id, found, where)

    def _signals(self, number: int, found: tuple[Signal, ...], where: str) -> None:
        texts = [signal.text for signal in found[:NAMED_SIGNALS]]
        more = len(found) - len(texts)
        text = f"{where}: " * bool(where) + "; ".join(texts) + (f"; and {more} more" if more else "")
        self.port.append(number, kind="signal", text=text, data={"alerts": len(found)}, at=self._clock.now())


def _gravest(kind: Kind, found: Sequence[Signal]) -> Severity:
    return max((one.severity or usual_severity(kind) for one in found), key=SEVERITIES.index)


def _is_other(before: Case, after: Case) -> bool:
    """Whether people are to be told again of an incident that has become another."""
    return before.kind != after.kind or before.told != after.told


def _is_about(kind: Kind, found: Sequence[Signal]) -> bool:
    if kind == "data quality":
        return any(alert.kind == kind and alert.column is not None for alert in found)
    return not all(is_burning(alert) for alert in found)


def _explained(
    kind: Kind, found: Sequence[Signal], evidence: Callable[[], Evidence | None], told: frozenset[str]
) -> Diagnosis:
    """The diagnosis of what is new; an endpoint that is slow or silent is not explained by its rows."""
    seen = None if kind == "service" else evidence()
    return plain(found) if seen is None else diagnose(kind, found, replace(seen, told=told))
