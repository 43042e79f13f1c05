"""The demo: two simulated years of lending, replayed through the loop, and what it found held against what happened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from mainspring.contract.parse import parse
from mainspring.demo import truth
from mainspring.demo.loans import History, simulate
from mainspring.demo.truth import HEADER, Finding, Found
from mainspring.operate.backtest import backtest
from mainspring.operate.backtest_page import page as backtest_page
from mainspring.report.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mainspring.contract import Contract
    from mainspring.operate.rehearsal import Backtest, Passed

SIMULATED = "Everything in this demo is simulated: no person applied for these loans."
"""Said wherever results of the demo are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What was simulated, what the loop made of it, and how the two compare. ``others``: incidents without an event."""

    history: History
    result: Backtest
    findings: tuple[Finding, ...]
    others: tuple[Found, ...]

    def as_dict(self) -> dict[str, Any]:
        """The result as plain JSON values."""
        return {
            "simulated": True,
            "rows": self.result.rows,
            "events": [finding.as_dict() for finding in self.findings],
            "found": sum(finding.incident is not None for finding in self.findings),
            "incidents_without_an_event": len(self.others),
            "backtest": self.result.as_dict(),
        }


def contract() -> Contract:
    """The contract of the simulated lender."""
    return parse(contract_text(), source="loans.toml")


def contract_text() -> str:
    """The contract of the simulated lender as it is written down."""
    return (files("mainspring.demo") / "loans.toml").read_text("utf-8")


def tell(*, seed: int = 7, weeks: int = 104, watch: Callable[[Passed], None] | None = None) -> Story:
    """Simulate *weeks* weeks, replay the second half of them, and compare. *watch* is called after every window."""
    history = simulate(seed=seed, weeks=weeks)
    result = backtest(history.frame, contract=contract(), metric="roc_auc", watch=watch)
    return compare(history, result)


def compare(history: History, result: Backtest) -> Story:
    """Hold the incidents of *result* against the events of *history*."""

    def closing(window: int) -> datetime:
        """The moment of the last row of a window."""
        return datetime.fromisoformat(str(result.loop.windows[window].end))

    found = [Found(spell.incident, closing(spell.opened)) for spell in result.incidents]
    released = [closing(step.window) for step in result.steps if step.retrained is not None and step.retrained.promoted]
    findings, others = truth.compare(history.events, found, released)
    return Story(history=history, result=result, findings=findings, others=others)


def page(story: Story) -> str:
    """The report as one HTML text that opens offline."""
    return backtest_page(
        story.result,
        title="A year with the loop",
        subtitle=SIMULATED,
        sections=[("What happened, and what was found", [_table(story.findings), rest(story.others)])],
    )


def _table(findings: Sequence[Finding]) -> Table:
    told = [[finding.event.story, *finding.row()] for finding in findings]
    marks = ["good" if finding.right else "bad" for finding in findings]
    return Table(header=["the truth", *HEADER], rows=told, marks=marks)


def rest(others: Sequence[Found]) -> str:
    """What is to be said of the incidents that no event explains."""
    if not others:
        return "No incident was opened without an event behind it."
    count = len(others)
    said = "1 incident was" if count == 1 else f"{count} incidents were"
    return f"{said} opened without an event behind: {'; '.join(one.incident.summary for one in others)}"
