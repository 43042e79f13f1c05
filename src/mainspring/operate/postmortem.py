"""A post-mortem as Markdown, written from what the ledger knows of an incident: facts first, then what people add."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from mainspring.core.duration import format_duration

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from mainspring.ledger.ports.incidents import Incident, IncidentEvent
    from mainspring.ledger.ports.models import Transition

LINES = 200
"""At most so many entries of the timeline are written; what is left out is counted."""
_SPECIAL = re.compile(r"([\\`*_\[\]<>|#])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What happened to those who asked while it lasted: predictions answered, and requests answered with an error.

    ``shed``: turned away because more was asked than could be answered. ``by_version`` says who answered how many.
    """

    answered: int
    failed: int
    shed: int = 0
    by_version: tuple[tuple[int, int], ...] = ()


def postmortem(
    incident: Incident,
    *,
    now: datetime,
    transitions: Sequence[Transition] = (),
    effect: Effect | None = None,
) -> str:
    """The Markdown. *transitions*: the champion's, oldest first; *effect*: from the prediction log, where there is one.

    Pure: the same incident always gives the same text.
    """
    end = incident.closed or now
    parts = [
        f"# Post-mortem: incident {incident.id}, {_text(incident.model)}",
        _text(incident.summary),
        _facts(incident, end),
        "## What happened\n\n" + _happened(incident),
        "## When it was found\n\n" + _found(incident),
        "## Suspected cause\n\n" + _causes(incident),
        "## What was done\n\n" + _actions(incident.events),
        "## Effect\n\n" + _effect(incident, end, effect),
        "## Versions live\n\n" + _versions(transitions, incident.opened, end),
        "## Timeline\n\n" + _timeline(incident.events),
        "## To be added by people\n\n"
        "- Was the suspected cause the cause? What was behind it?\n"
        "- What went well, and what only by luck?\n"
        "- What will be changed so that it does not happen again, by whom, until when?\n",
    ]
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _facts(incident: Incident, end: datetime) -> str:
    span = _span(end - incident.opened)
    rows = [
        ("Kind", incident.kind),
        ("Severity", incident.severity),
        ("Status", "resolved" if incident.status == "closed" else "open: this is not the last word"),
        ("Began to be seen", _moment(incident.opened)),
        ("Resolved", _moment(incident.closed) if incident.closed else "not yet"),
        ("Duration", span if incident.closed else f"{span} so far"),
        ("Owner", _text(incident.owner) or "nobody"),
        ("Acknowledged", _acknowledged(incident)),
    ]
    return "| | |\n| --- | --- |\n" + "\n".join(f"| {name} | {value} |" for name, value in rows)


def _acknowledged(incident: Incident) -> str:
    if incident.acknowledged is None:
        return "never"
    who = next((event.actor for event in incident.events if event.kind == "acknowledged"), "")
    after = _span(incident.acknowledged - incident.opened)
    return f"{_moment(incident.acknowledged)}{f' by {_text(who)}' if who else ''}, {after} after it was opened"


def _happened(incident: Incident) -> str:
    signals = [event for event in incident.events if event.kind == "signal"]
    said = [_text(incident.summary)]
    if incident.details.get("slice"):
        said.append(f"It is {_text(str(incident.details['slice']))}.")
    alerts = sum(int(event.data.get("alerts", 1)) for event in signals)
    if signals:
        windows = "1 window" if len(signals) == 1 else f"{len(signals)} windows"
        said.append(f"{alerts:,} alerts in {windows} belong to it.")
    return "\n\n".join(said)


def _found(incident: Incident) -> str:
    said = f"It was opened at {_moment(incident.opened)}"
    window = str(incident.details.get("window") or "")
    said += f", after the window {_text(window)}." if window else "."
    first = next((event for event in incident.events if event.kind == "signal"), None)
    return said if first is None else f"{said} The first signals: {_text(first.text)}"


def _causes(incident: Incident) -> str:
    lines = [f"- {_text(str(change))}" for change in incident.details.get("changed") or ()]
    lines += [
        f"- **{_text(suspect.name)}** ({suspect.score:.0%}){f': {_text(suspect.text)}' if suspect.text else ''}"
        for suspect in incident.suspects
    ]
    return "\n".join(lines) or "Nothing stands out: no column looks different, and nothing was released before."


def _actions(events: Sequence[IncidentEvent]) -> str:
    lines = [
        f"- {_moment(event.time)} {_text(event.text)} ({_text(event.actor)})"
        for event in events
        if event.kind == "action" and event.data.get("action") != "hold"
    ]
    holds = sum(event.kind == "action" and event.data.get("action") == "hold" for event in events)
    if holds:
        often = "Once" if holds == 1 else f"{holds} times"
        lines.append(f"- {often} it was decided to wait; the timeline says why.")
    return "\n".join(lines) or "Nothing was done about it."


def _effect(incident: Incident, end: datetime, effect: Effect | None) -> str:
    lasted = f"It lasted {_span(end - incident.opened)}."
    if effect is None:
        return f"{lasted} No prediction log says how many were affected."
    said = f"{lasted} {effect.answered:,} predictions were answered meanwhile"
    said += f", and {effect.failed:,} requests failed." if effect.failed else "; no request failed."
    if effect.shed:
        said += f" {effect.shed:,} were turned away, for more was asked than could be answered."
    if len(effect.by_version) > 1:
        said += " " + "; ".join(f"version {version} answered {rows:,}" for version, rows in effect.by_version) + "."
    return said


def _versions(transitions: Sequence[Transition], opened: datetime, end: datetime) -> str:
    before = [change for change in transitions if change.time <= opened]
    lines = []
    if before:
        change = before[-1]
        version = "no version" if change.after is None else f"version {change.after}"
        lines.append(f"- When it was opened: {version}, live since {_moment(change.time)}{_because(change)}")
    for change in transitions:
        if opened < change.time <= end:
            to = "no version" if change.after is None else f"version {change.after}"
            lines.append(f"- {_moment(change.time)} {to} went live ({_text(change.actor)}{_because(change)})")
    return "\n".join(lines) or "No version was live."


def _because(change: Transition) -> str:
    return f": {_text(change.reason)}" if change.reason else ""


def _timeline(events: Sequence[IncidentEvent]) -> str:
    shown = events if len(events) <= LINES else (*events[: LINES // 2], *events[-LINES // 2 :])
    lines = [
        f"| {_moment(event.time)} | {_text(event.kind)} | {_text(event.text)} | {_text(event.actor)} |"
        for event in shown
    ]
    left = len(events) - len(shown)
    if left:
        lines.insert(LINES // 2, f"| … | | {left:,} entries are left out | |")
    return "| time (UTC) | what | | who |\n| --- | --- | --- | --- |\n" + "\n".join(lines)


def _text(value: str) -> str:
    """Text from outside, which is neither markup nor a new line here."""
    return _SPECIAL.sub(r"\\\1", " ".join(value.split()))


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _span(span: timedelta) -> str:
    return format_duration(timedelta(seconds=max(int(span.total_seconds()), 0)))
