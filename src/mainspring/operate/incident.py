"""The incident desk: folds each window's alerts into incidents, explains them, and writes down what was done."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mainspring.operate.diagnosis import Evidence, diagnose
from mainspring.operate.fold import ONSET, Case, columns_of, plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mainspring.core.clock import Clock
    from mainspring.ledger.ports.incidents import Incident, Incidents
    from mainspring.monitor.signals import Signal
    from mainspring.operate.fold import Kind

NAMED_SIGNALS = 12
"""At most so many alerts of one window are written into a timeline entry."""


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
        drawn = plan(self.open, alerts, window)
        for case in drawn.closing:
            self._close(case)
        for case, found in drawn.joining:
            self._join(case, found, evidence, where)
        return tuple(self._opened(window, kind, found, evidence, where) for kind, found in drawn.opening)

    def act(self, action: str, text: str) -> None:
        """Write an action (retrain, hold, roll back …) into every open incident."""
        now = self._clock.now()
        for case in self.open:
            said = self.port.get(case.id).action
            # an incident that was acted upon does not become one that was merely watched
            if not (action == "hold" and said):
                self.port.update(case.id, action=action, at=now)
            self.port.append(case.id, kind="action", text=text, data={"action": action}, at=now)

    def finish(self, text: str) -> None:
        """Add a last note to what is still open."""
        for case in self.open:
            self.port.append(case.id, kind="note", text=text, at=self._clock.now())

    def _opened(self, window: int, kind: Kind, found: tuple[Signal, ...], evidence: Evidence, where: str) -> Incident:
        now = self._clock.now()
        told = diagnose(kind, found, replace(evidence, told=self._told(window)))
        details: dict[str, Any] = {
            "slice": told.slice,
            "changed": list(told.changed),
            "columns": sorted(columns_of(found)),
            "alerts": len(found),
            "window": where,
        }
        made = self.port.open(
            model=self._model, kind=kind, summary=told.summary, suspects=told.suspects, details=details, at=now
        )
        self._signals(made.id, found, where)
        case = Case(id=made.id, kind=kind, columns=columns_of(found), opened=window, last=window, alerts=len(found))
        self._cases[made.id] = case
        return made

    def _told(self, window: int) -> frozenset[str]:
        """The columns of incidents that began too long ago to be of one cause with what begins in *window*."""
        return frozenset(column for case in self.open if window - case.opened > ONSET for column in case.columns)

    def _join(self, case: Case, found: tuple[Signal, ...], evidence: Evidence, where: str) -> None:
        before = self._cases[case.id]
        self._cases[case.id] = case
        details: dict[str, Any] = {"alerts": case.alerts, "columns": sorted(case.columns)}
        if case.kind != before.kind:
            # what was drift only has begun to hurt: tell it again
            told = diagnose(case.kind, found, evidence)
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
            self.port.update(case.id, details=details, at=self._clock.now())
        self._signals(case.id, found, where)

    def _signals(self, number: int, found: tuple[Signal, ...], where: str) -> None:
        texts = [signal.text for signal in found[:NAMED_SIGNALS]]
        more = len(found) - len(texts)
        text = f"{where}: " * bool(where) + "; ".join(texts) + (f"; and {more} more" if more else "")
        self.port.append(number, kind="signal", text=text, data={"alerts": len(found)}, at=self._clock.now())

    def _close(self, case: Case) -> None:
        quiet = "nothing of it was seen in the last windows"
        self.port.close(case.id, text=quiet, at=self._clock.now())
        del self._cases[case.id]
