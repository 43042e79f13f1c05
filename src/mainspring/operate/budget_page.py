"""The error budgets of one model as a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainspring.core.duration import format_duration
from mainspring.operate.budget import Budget, course, spark
from mainspring.report.figure import BAD, Figure
from mainspring.report.page import Page
from mainspring.report.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

MARKS = {"kept": "good", "burning": "warn", "burning fast": "bad", "spent": "bad", "unproven": "warn", "unknown": ""}
UNPROVEN = (
    "unproven: it held for less of the measured time than its objective, "
    "and is within its budget only by time that was not measured."
)


def page(model: str, budgets: Sequence[Budget]) -> str:
    """One self-contained HTML page."""
    made = Page(f"Error budgets of {model}", subtitle=_subtitle(budgets), verdict=_verdict(budgets))
    for found in budgets[:4]:
        small = f"{found.health}; objective {found.objective:.4g}"
        made.tiles.append((found.requirement, "–" if found.attained is None else f"{found.attained:.2%}", small))
    if budgets:
        made.section("Requirements", _table(budgets))
        made.section("What was left of each budget", _courses(budgets))
        made.section("How fast they are used up", _burns(budgets))
    made.footer = (
        "A window counts by its length. The burn rate is how many times faster than allowed a budget is used; long and "
        "short looks back follow table 5-8 of The Site Reliability Workbook."
    )
    if any(found.health == "unproven" for found in budgets):
        made.footer += f" {UNPROVEN.capitalize()}"
    return made.render()


def span_words(span: timedelta) -> str:
    """A span in whole minutes, with its sign."""
    from datetime import timedelta as delta

    minutes = round(abs(span).total_seconds() / 60)
    said = format_duration(delta(minutes=minutes)) if minutes else f"{abs(span).total_seconds():.3g}s"
    return f"−{said}" if span.total_seconds() < 0 else said


def _subtitle(budgets: Sequence[Budget]) -> str:
    if not budgets:
        return "No window has been judged yet"
    return f"The {format_duration(budgets[0].over)} until {budgets[0].now:%Y-%m-%d %H:%M} UTC"


def _verdict(budgets: Sequence[Budget]) -> tuple[str, str]:
    spent = [found for found in budgets if found.health == "spent"]
    burning = [found for found in budgets if found.health.startswith("burning")]
    if spent:
        return "bad", f"The budget of {len(spent)} of {len(budgets)} requirements is spent: {spent[0].requirement}."
    if burning:
        return "warn", f"{burning[0].requirement} is {burning[0].health}."
    unproven = [found for found in budgets if found.health == "unproven"]
    if unproven:
        return "warn", f"{unproven[0].requirement} held for less of the measured time than its objective."
    if any(found.health == "kept" for found in budgets):
        return "good", "Every requirement that was measured keeps within its budget."
    return "warn", "Nothing has been measured in this span."


def _table(budgets: Sequence[Budget]) -> Table:
    rows = [
        [
            found.requirement,
            found.priority,
            found.health,
            "–" if found.attained is None else f"{found.attained:.3%}",
            f"{found.objective:.4%}".rstrip("0").rstrip(".%") + "%",
            span_words(found.allowed),
            span_words(found.left),
            span_words(found.unknown),
            spark(found),
        ]
        for found in budgets
    ]
    header = ("requirement", "priority", "health", "held", "objective", "budget", "left", "not measured", "the span")
    return Table(header=header, rows=rows, marks=[MARKS[found.health] for found in budgets])


def _courses(budgets: Sequence[Budget]) -> Figure:
    lines = []
    for found in budgets:
        points = course(found)
        lines.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": found.requirement,
                "x": [moment.isoformat() for moment, _ in points],
                "y": [share for _, share in points],
            }
        )
    zero = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": 0, "y1": 0, "line": {"color": BAD, "dash": "dot"}}
    layout = {
        "yaxis": {"title": {"text": "left of the budget"}, "tickformat": ".0%"},
        "shapes": [zero],
        "legend": {"orientation": "h"},
    }
    return Figure(data=lines, layout=layout, alt="What was left of each error budget over the span")


def _burns(budgets: Sequence[Budget]) -> Table:
    rows, marks = [], []
    for found in budgets:
        for burn in found.burns:
            looks = f"{span_words(burn.long)} and {span_words(burn.short)}"
            rows.append(
                [
                    found.requirement, looks, burn.long_rate, burn.short_rate, burn.threshold,
                    burn.calls_for if burn.firing else "",
                ]
            )  # fmt: skip
            marks.append("bad" if burn.firing and burn.calls_for == "page" else "warn" if burn.firing else "")
    header = ("requirement", "looks back", "long rate", "short rate", "calls at", "calls for")
    return Table(header=header, rows=rows, marks=marks)
