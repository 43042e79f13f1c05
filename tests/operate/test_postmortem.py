"""The post-mortem says what the ledger knows, and nothing in it is markup that came from outside."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from mainspring.ledger.ports.incidents import Incident, IncidentEvent, Suspect
from mainspring.ledger.ports.models import Transition
from mainspring.operate.postmortem import LINES, Effect, postmortem

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def event(hours: float, kind: str, text: str, actor: str = "loop", **data: Any) -> IncidentEvent:
    return IncidentEvent(time=START + hours * HOUR, kind=kind, text=text, actor=actor, data=data)


INCIDENT = Incident(
    id=7, model="shop", kind="performance", status="closed", severity="warning",
    summary="Accuracy fell to 0.7. income looks multiplied by 1000.", opened=START, updated=START + 5 * HOUR,
    closed=START + 5 * HOUR, action="retrain", owner="ann", acknowledged=START + HOUR / 2,
    suspects=(Suspect(name="income", score=0.91, text="mean 50,000, was 50"), Suspect(name="a|b", score=0.09)),
    details={"window": "day 3", "changed": ["income looks multiplied by 1000"], "slice": "worst where town is bo"},
    events=(
        event(0, "opened", "Accuracy fell to 0.7."),
        event(0, "signal", "day 3: accuracy 0.7", alerts=3),
        event(0.5, "acknowledged", "", "ann"),
        event(1, "signal", "day 4: accuracy 0.69", alerts=2),
        event(1, "action", "hold: too early", action="hold"),
        event(2, "action", "retrain: version 2 went live", action="retrain"),
        event(5, "closed", "nothing of it was seen"),
    ),
)  # fmt: skip
CHANGES = (
    Transition(
        name="shop", alias="champion", before=None, after=1, actor="ann", time=START - 48 * HOUR, reason="first"
    ),
    Transition(name="shop", alias="champion", before=1, after=2, actor="loop", time=START + 2 * HOUR),
    Transition(name="shop", alias="champion", before=2, after=3, actor="bob", time=START + 90 * HOUR),
)


def test_everything_that_is_known_is_told_in_its_place() -> None:
    text = postmortem(
        INCIDENT, now=START + 100 * HOUR, transitions=CHANGES,
        effect=Effect(answered=12_345, failed=0, by_version=((1, 5_000), (2, 7_345))),
    )  # fmt: skip
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert headings == [
        "# Post-mortem: incident 7, shop", "## What happened", "## When it was found", "## Suspected cause",
        "## What was done", "## Effect", "## Versions live", "## Timeline", "## To be added by people",
    ]  # fmt: skip
    for said in (
        "| Duration | 5h |",
        "| Acknowledged | 2026-01-01 12:30:00 by ann, 30m after it was opened |",
        "5 alerts in 2 windows belong to it.",
        "It is worst where town is bo.",
        "It was opened at 2026-01-01 12:00:00, after the window day 3. The first signals: day 3: accuracy 0.7",
        "- income looks multiplied by 1000\n- **income** (91%): mean 50,000, was 50\n- **a\\|b** (9%)",
        "- 2026-01-01 14:00:00 retrain: version 2 went live (loop)\n- Once it was decided to wait",
        "It lasted 5h. 12,345 predictions were answered meanwhile; no request failed. version 1 answered 5,000; "
        "version 2 answered 7,345.",
        "- When it was opened: version 1, live since 2025-12-30 12:00:00: first\n"
        "- 2026-01-01 14:00:00 version 2 went live (loop)\n",
        "| 2026-01-01 17:00:00 | closed | nothing of it was seen | loop |",
    ):
        assert said in text
    assert "version 3" not in text
    assert text == postmortem(
        INCIDENT, now=START + 200 * HOUR, transitions=CHANGES,
        effect=Effect(answered=12_345, failed=0, by_version=((1, 5_000), (2, 7_345))),
    )  # fmt: skip


def test_those_who_were_turned_away_are_told_beside_those_who_failed() -> None:
    text = postmortem(INCIDENT, now=START + 100 * HOUR, effect=Effect(answered=9, failed=3, shed=1_200))
    assert "9 predictions were answered meanwhile, and 3 requests failed. 1,200 were turned away, for more was" in text


def test_an_open_one_says_that_it_is_not_over() -> None:
    still = replace(INCIDENT, status="open", closed=None, acknowledged=None, owner="", events=INCIDENT.events[:1])
    text = postmortem(still, now=START + 3 * HOUR)
    for said in ("open: this is not the last word", "3h so far", "| Owner | nobody |", "| Acknowledged | never |",
                 "Nothing was done about it.", "No version was live.", "No prediction log says"):  # fmt: skip
        assert said in text


def test_text_from_outside_is_no_markup() -> None:
    sly = replace(
        INCIDENT, summary="# Boo\n| a | <b>x</b> [y](z)", suspects=(), details={},
        events=(event(0, "note", "one\n## two | three", "<i>"),),
    )  # fmt: skip
    text = postmortem(sly, now=START)
    assert "\\# Boo \\| a \\| \\<b\\>x\\</b\\> \\[y\\](z)" in text
    assert "| 2026-01-01 12:00:00 | note | one \\#\\# two \\| three | \\<i\\> |" in text
    assert "Nothing stands out" in text


def test_a_long_timeline_is_cut_in_its_middle() -> None:
    events = tuple(event(number, "signal", f"window {number}.", alerts=1) for number in range(3 * LINES))
    text = postmortem(replace(INCIDENT, events=events), now=START)
    assert f"| … | | {2 * LINES:,} entries are left out | |" in text
    assert "window 0." in text
    assert f"window {3 * LINES - 1}." in text
    assert f"window {LINES + 50}." not in text
