"""The demo: two simulated years of lending, replayed through the loop, and what it found held against what happened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from mainspring.contract.parse import parse
from mainspring.demo.loans import LABEL_DELAY, History, simulate
from mainspring.operate.backtest import backtest
from mainspring.operate.backtest_page import page as backtest_page
from mainspring.report.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable

    from mainspring.contract import Contract
    from mainspring.demo.loans import Event
    from mainspring.ledger.ports.incidents import Incident
    from mainspring.operate.rehearsal import Backtest, Passed, Spell

SIMULATED = "Everything in this demo is simulated: no person applied for these loans."
"""Said wherever results of the demo are shown."""
PATIENCE = timedelta(days=21)
"""What is found so long after an event's last labels came is not counted as found."""
_WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """An event beside the incident that it led to.

    ``spell`` is None where it was not found. ``after``: from the start of the event to the end of the window in which
    the incident was opened; ``earliest``: the least that was possible, because an event that shows in outcomes alone
    cannot be seen before these are known. ``rank``: the place of the first suspect that truly was changed, None where
    no column was to blame or none of them is suspected. ``answer``: what the loop did, ``right``: whether it named the
    cause and did what helps.
    """

    event: Event
    spell: Spell | None
    after: timedelta | None
    earliest: timedelta
    rank: int | None
    answer: str
    right: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What was simulated, what the loop made of it, and how the two compare. ``others``: incidents without an event."""

    history: History
    result: Backtest
    findings: tuple[Finding, ...]
    others: tuple[Spell, ...]

    def as_dict(self) -> dict[str, Any]:
        """The result as plain JSON values."""
        return {
            "simulated": True,
            "rows": self.result.rows,
            "events": [_as_dict(finding) for finding in self.findings],
            "found": sum(finding.spell is not None for finding in self.findings),
            "incidents_without_an_event": len(self.others),
            "backtest": self.result.as_dict(),
        }


def contract() -> Contract:
    """The contract of the simulated lender."""
    return parse((files("mainspring.demo") / "loans.toml").read_text("utf-8"), source="loans.toml")


def tell(*, seed: int = 7, weeks: int = 104, watch: Callable[[Passed], None] | None = None) -> Story:
    """Simulate *weeks* weeks, replay the second half of them, and compare. *watch* is called after every window."""
    history = simulate(seed=seed, weeks=weeks)
    result = backtest(history.frame, contract=contract(), metric="roc_auc", watch=watch)
    return compare(history, result)


def compare(history: History, result: Backtest) -> Story:
    """Hold the incidents of *result* against the events of *history*."""
    left = sorted(result.incidents, key=lambda spell: spell.opened)
    findings = []
    for event in history.events:
        spell = next((spell for spell in left if _fits(event, spell, result)), None)
        if spell is not None:
            left.remove(spell)
        findings.append(_finding(event, spell, result))
    return Story(history=history, result=result, findings=tuple(findings), others=tuple(left))


def page(story: Story) -> str:
    """The report as one HTML text that opens offline."""
    return backtest_page(
        story.result,
        title="A year with the loop",
        subtitle=SIMULATED,
        sections=[("What happened, and what was found", [_table(story), _rest(story)])],
    )


def rows(story: Story) -> list[list[str]]:
    """Truth against detection as a table: what happened, when, found after, suspected, what was done, right or not."""
    return [
        [
            finding.event.kind,
            finding.event.start.isoformat(),
            _found(finding),
            _suspected(finding),
            finding.answer,
            "yes" if finding.right else "no",
        ]
        for finding in story.findings
    ]


HEADER = ("what happened", "from", "found", "suspected", "the loop", "right")


def _fits(event: Event, spell: Spell, result: Backtest) -> bool:
    """Whether an incident may be about *event*: opened in its time, suspecting what it changed."""
    begin, end = _moment(event.start), _moment(event.end) + LABEL_DELAY + PATIENCE
    opened = _closing(result, spell.opened)
    if not begin <= opened <= end:
        return False
    if not event.columns:
        return spell.incident.kind == "performance" and not spell.incident.suspects
    return _rank(event, spell.incident) is not None


def _finding(event: Event, spell: Spell | None, result: Backtest) -> Finding:
    after = None if spell is None else _closing(result, spell.opened) - _moment(event.start)
    rank = None if spell is None else _rank(event, spell.incident)
    retrained = _retrained(event, result)
    answer, right = _answer(event, spell, retrained=retrained)
    return Finding(
        event=event,
        spell=spell,
        after=after,
        earliest=timedelta(0) if event.columns else LABEL_DELAY,
        rank=rank,
        answer=answer,
        right=right and (rank == 1 or not event.columns),
    )


def _answer(event: Event, spell: Spell | None, *, retrained: bool) -> tuple[str, bool]:
    """What the loop did about *event* in words, and whether that was right."""
    if spell is None:
        return "did not see it", False
    aside = any(one.kind == "action" and one.data.get("action") == "set aside" for one in spell.incident.events)
    match event.kind:
        case "unit change":
            did = "set the column aside" if aside else "watched"
            return f"{did}, {'retrained on it' if retrained else 'learned nothing of it'}", aside and not retrained
        case "harmless shift":
            did = "retrained without need" if retrained else "watched: labels showed no harm"
            return did, not retrained
        case "new category":
            did = "learned it with the next retrain" if retrained else "reported it: labels showed no harm"
            return did, True
        case "concept change":
            return ("retrained" if retrained else "watched"), retrained


def _retrained(event: Event, result: Backtest) -> bool:
    """Whether a new model went live that learned while *event* lasted or just after, when its labels came."""
    begin, end = _moment(event.start), _moment(event.end) + LABEL_DELAY
    return any(
        step.retrained is not None and step.retrained.promoted and begin <= _closing(result, step.window) <= end
        for step in result.steps
    )


def _rank(event: Event, incident: Incident) -> int | None:
    names = [suspect.name for suspect in incident.suspects]
    return next((place for place, name in enumerate(names, 1) if name in event.columns), None)


def _closing(result: Backtest, window: int) -> datetime:
    """The moment of the last row of a window."""
    return datetime.fromisoformat(str(result.loop.windows[window].end))


def _moment(day: Any) -> datetime:
    return datetime.combine(day, time())


def _found(finding: Finding) -> str:
    if finding.after is None:
        return "no"
    days = max(finding.after.days + bool(finding.after.seconds), 1)
    late = f" (labels come after {finding.earliest.days})" if finding.earliest else ""
    return f"after {days} {'day' if days == 1 else 'days'}{late}"


def _suspected(finding: Finding) -> str:
    if finding.spell is None:
        return "–"
    names = [suspect.name for suspect in finding.spell.incident.suspects]
    return ", ".join(names) or "no column: the relation itself"


def _table(story: Story) -> Table:
    told = [[finding.event.story, *row] for finding, row in zip(story.findings, rows(story), strict=True)]
    marks = ["good" if finding.right else "bad" for finding in story.findings]
    return Table(header=["the truth", *HEADER], rows=told, marks=marks)


def _rest(story: Story) -> str:
    if not story.others:
        return "No incident was opened without an event behind it."
    count = len(story.others)
    said = "1 incident was" if count == 1 else f"{count} incidents were"
    return f"{said} opened without an event behind: {'; '.join(spell.incident.summary for spell in story.others)}"


def _as_dict(finding: Finding) -> dict[str, Any]:
    event = finding.event
    return {
        "kind": event.kind,
        "start": event.start.isoformat(),
        "end": event.end.isoformat(),
        "columns": list(event.columns),
        "hurts": event.hurts,
        "found": finding.spell is not None,
        "days": None if finding.after is None else finding.after.total_seconds() / 86_400,
        "suspects": [] if finding.spell is None else [one.name for one in finding.spell.incident.suspects],
        "rank": finding.rank,
        "answer": finding.answer,
        "right": finding.right,
    }
