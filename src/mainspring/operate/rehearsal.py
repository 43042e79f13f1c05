"""What a rehearsal found: three lines over time, the incidents, what was done, and the verdict in one sentence."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mainspring.contract.metric import METRICS
from mainspring.operate import loop as loops

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from mainspring.contract import Contract
    from mainspring.core.estimate import Estimate
    from mainspring.ledger.ports.incidents import Incident
    from mainspring.operate.policy import Policy

Moment = str | int | float


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """One window: the moments of its first and last row, and the metric on it (NaN where it cannot be measured)."""

    start: Moment
    end: Moment
    rows: int
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """Window number ``place`` of ``windows``, gone through: incidents that it ``opened``, and how many are open."""

    place: int
    windows: int
    start: Moment
    rows: int
    step: loops.Step
    opened: tuple[Incident, ...]
    open: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One of the three: the metric over all judged rows together and per window, and what it cost.

    ``retrains``: models that were made again after the first one. ``fits``: fits in all, candidates included.
    ``seconds``: of computing, for fitting, predicting and (the loop) watching.
    """

    name: str
    value: Estimate
    windows: tuple[Period, ...]
    retrains: int
    fits: int
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values; a window that cannot be measured has the value None."""
        return {
            "value": _plain(self.value.value),
            "low": _plain(self.value.low),
            "high": _plain(self.value.high),
            "windows": [
                {"start": p.start, "end": p.end, "rows": p.rows, "value": _plain(p.value)} for p in self.windows
            ],
            "retrains": self.retrains,
            "fits": self.fits,
            "seconds": self.seconds,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Spell:
    """An incident with the numbers of the windows after which it was opened and closed (None: still open)."""

    incident: Incident
    opened: int
    closed: int | None

    @classmethod
    def of(cls, incident: Incident, ends: list[datetime]) -> Spell:
        """Find the windows of *incident* by the moments at which windows *ends*."""
        closed = None if incident.closed is None else min(bisect_left(ends, incident.closed), len(ends) - 1)
        return cls(incident=incident, opened=min(bisect_left(ends, incident.opened), len(ends) - 1), closed=closed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """The result of a rehearsal.

    ``start``: rows known from the start, up to the moment ``learned_until``. ``window_rows``: rows of a usual window.
    ``steps``: what the loop found and did after each window; ``alerts``: all of them together.
    """

    metric: str
    contract: Contract
    static: Arm
    loop: Arm
    oracle: Arm
    alerts: int
    steps: tuple[loops.Step, ...]
    incidents: tuple[Spell, ...]
    policy: Policy
    rows: int
    start: int
    window_rows: int
    label_delay: int | timedelta | None
    began: Moment
    learned_until: Moment
    ended: Moment
    notes: tuple[str, ...] = ()

    @property
    def higher_is_better(self) -> bool:
        """Which way the metric points."""
        return METRICS[self.metric].higher_is_better

    @property
    def gain(self) -> float:
        """How much better the loop was than the static model; above zero it was better."""
        better = self.loop.value.value - self.static.value.value
        return better if self.higher_is_better else -better

    @property
    def promoted(self) -> int:
        """How many retrained models went live."""
        return sum(1 for step in self.steps if step.retrained is not None and step.retrained.promoted)

    @property
    def rollbacks(self) -> int:
        """How often the loop went back to the model before."""
        return sum(1 for step in self.steps if step.decision.action == "roll back")

    @property
    def verdict(self) -> str:
        """The result in one sentence for people."""
        name, static, loop = self.metric.replace("_", " "), self.static.value.value, self.loop.value.value
        judged = sum(period.rows for period in self.loop.windows)
        cost = f"{self.loop.retrains} retrains and {_seconds(self.loop.seconds)} of computing"
        if not math.isfinite(self.gain):
            return f"The {name} cannot be measured on these rows."
        if self.metric == "accuracy" and abs(loop - static) * judged >= 1:
            count = round(abs(loop - static) * judged)
            word = "fewer" if loop > static else "more"
            effect = f" ({count:,} {word} wrong answers in {judged:,})"
        else:
            share = abs(self.gain) / abs(static) if static else 0.0
            effect = f" ({share:.0%} {'better' if self.gain > 0 else 'worse'})"
        if self.gain > 0:
            alone = f"Left alone the model would have had {name} {static:.4g}"
            return f"{alone}; the loop keeps it at {loop:.4g}{effect}, for {cost}."
        against = f"{name} {loop:.4g} against {static:.4g} left alone"
        return f"The loop would not have helped: {against}{effect}, for {cost}."

    def as_dict(self) -> dict[str, Any]:
        """The result as plain JSON values."""
        project = self.contract.project
        return {
            "metric": self.metric,
            "higher_is_better": self.higher_is_better,
            "task": project.task,
            "target": project.target,
            "time": project.time,
            "rows": self.rows,
            "train": {"rows": self.start, "start": self.began, "end": self.learned_until},
            "policy": self.policy.describe(),
            "verdict": self.verdict,
            "static": self.static.as_dict(),
            "loop": {
                **self.loop.as_dict(),
                "promoted": self.promoted,
                "rollbacks": self.rollbacks,
                "alerts": self.alerts,
                "incidents": [self._incident(spell) for spell in self.incidents],
                "steps": [loops.as_dict(step) for step in self.steps],
            },
            "oracle": self.oracle.as_dict(),
            "notes": list(self.notes),
        }

    def _incident(self, spell: Spell) -> dict[str, Any]:
        found = spell.incident
        return {
            "kind": found.kind,
            "opened": self.loop.windows[spell.opened].end,
            "closed": None if spell.closed is None else self.loop.windows[spell.closed].end,
            "suspects": [suspect.name for suspect in found.suspects],
            "action": found.action or "none",
            "summary": found.summary,
            "alerts": found.details.get("alerts", 0),
            "slice": found.details.get("slice", ""),
            "changed": found.details.get("changed", []),
        }


def _plain(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _seconds(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5_400 else f"{seconds / 3600:.1f} h"
