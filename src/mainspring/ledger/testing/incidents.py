"""What every `Incidents` must do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from mainspring.core.errors import InputError, NotFound, Refused
from mainspring.ledger.ports import Suspect

if TYPE_CHECKING:
    from mainspring.ledger import Ledger

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


class IncidentsContract:
    """Every `Incidents` passes these. Provide a `ledger` fixture that is empty."""

    def test_an_incident_lives(self, ledger: Ledger) -> None:
        """Opened, filled with what becomes known, acted on, closed; at the times it is told."""
        opened = ledger.incidents.open(
            model="churn",
            kind="drift",
            summary="income moved",
            suspects=[Suspect(name="income", score=0.4, text="1000 times larger")],
            details={"window": 3},
            at=MONDAY,
        )
        hour = timedelta(hours=1)
        ledger.incidents.append(opened.id, kind="signal", text="PSI 0.4", data={"psi": 0.4}, at=MONDAY + hour)
        ledger.incidents.update(
            opened.id, kind="data quality", action="rollback", details={"unit": "cents"}, at=MONDAY + 2 * hour
        )
        closed = ledger.incidents.close(opened.id, text="source mended", at=MONDAY + 3 * hour)
        assert closed == ledger.incidents.get(opened.id)
        assert (closed.status, closed.kind, closed.action, closed.opened) == (
            "closed",
            "data quality",
            "rollback",
            MONDAY,
        )
        assert (closed.closed, closed.updated) == (MONDAY + 3 * hour, MONDAY + 3 * hour)
        assert dict(closed.details) == {"window": 3, "unit": "cents"}
        assert closed.suspects == (Suspect(name="income", score=0.4, text="1000 times larger"),)
        assert [event.kind for event in closed.events] == ["opened", "signal", "closed"]
        assert dict(closed.events[1].data) == {"psi": 0.4}

    def test_a_timeline_is_read_on_from_where_it_was(self, ledger: Ledger) -> None:
        """What was read before does not come again, and a change does not bring it along."""
        opened = ledger.incidents.open(model="churn", kind="drift", summary="x")
        for number in range(3):
            ledger.incidents.append(opened.id, kind="signal", text=str(number))
        assert [event.text for event in ledger.incidents.get(opened.id, after=2).events] == ["1", "2"]
        assert ledger.incidents.get(opened.id, after=4) == ledger.incidents.search()[0]
        assert ledger.incidents.update(opened.id, owner="ann") == ledger.incidents.search()[0]

    def test_a_closed_incident_changes_no_more(self, ledger: Ledger) -> None:
        """But takes notes."""
        opened = ledger.incidents.open(model="churn", kind="drift", summary="x")
        ledger.incidents.close(opened.id)
        with pytest.raises(Refused, match=f"Incident {opened.id} was closed at .*; open a new one"):
            ledger.incidents.update(opened.id, summary="y")
        with pytest.raises(Refused, match="was closed"):
            ledger.incidents.close(opened.id)
        ledger.incidents.append(opened.id, kind="note", text="post mortem")
        assert ledger.incidents.get(opened.id).events[-1].text == "post mortem"

    def test_search_finds_by_model_kind_and_status(self, ledger: Ledger) -> None:
        """Newest first, a page at a time."""
        for number in range(6):
            made = ledger.incidents.open(
                model="churn" if number % 2 else "fraud",
                kind="drift" if number < 3 else "performance",
                summary=str(number),
            )
            if number == 5:
                ledger.incidents.close(made.id)
        found = ledger.incidents.search(model="churn")
        assert [each.summary for each in found] == ["5", "3", "1"]
        assert [each.summary for each in ledger.incidents.search(status="open", kind="performance")] == ["4", "3"]
        assert [each.summary for each in ledger.incidents.search(limit=2, offset=1)] == ["4", "3"]
        assert found[0].events == ()

    def test_how_grave_it_is_goes_by_the_kind(self, ledger: Ledger) -> None:
        """Unless somebody says; a graver kind makes it graver, a lighter one no lighter."""
        usual = {"drift": "info", "data quality": "warning", "performance": "warning", "service": "critical"}
        for kind, severity in usual.items():
            assert ledger.incidents.open(model="m", kind=kind, summary="x").severity == severity
        said = ledger.incidents.open(model="m", kind="drift", summary="x", severity="critical")
        assert ledger.incidents.update(said.id, kind="performance").severity == "critical"
        grown = ledger.incidents.open(model="m", kind="drift", summary="x")
        assert ledger.incidents.update(grown.id, kind="performance").severity == "warning"
        assert ledger.incidents.update(grown.id, kind="drift").severity == "warning"
        assert ledger.incidents.update(grown.id, kind="service", severity="info").severity == "info"
        assert ledger.incidents.update(grown.id, severity="critical").severity == "critical"
        assert ledger.incidents.update(grown.id, summary="y").severity == "critical"
        assert ledger.incidents.search()[0].severity == "critical"

    def test_the_first_to_acknowledge_it_counts(self, ledger: Ledger) -> None:
        """Once; who it was is in the timeline."""
        opened = ledger.incidents.open(model="m", kind="drift", summary="x", at=MONDAY)
        assert opened.acknowledged is None
        hour = timedelta(hours=1)
        first = ledger.incidents.acknowledge(opened.id, text="looking", at=MONDAY + hour)
        assert (first.acknowledged, first.updated, first.status) == (MONDAY + hour, MONDAY + hour, "open")
        assert ledger.incidents.acknowledge(opened.id, at=MONDAY + 2 * hour) == first
        assert [(each.kind, each.text) for each in first.events] == [("opened", "x"), ("acknowledged", "looking")]
        assert first.events[-1].actor
        ledger.incidents.close(opened.id)
        with pytest.raises(Refused, match="was closed"):
            ledger.incidents.acknowledge(opened.id)

    def test_a_muted_incident_says_until_when(self, ledger: Ledger) -> None:
        """And can be heard again at once."""
        opened = ledger.incidents.open(model="m", kind="drift", summary="x", at=MONDAY)
        day = timedelta(days=1)
        muted = ledger.incidents.mute(opened.id, MONDAY + day, text="known", at=MONDAY)
        assert muted.muted_until == MONDAY + day
        assert (muted.events[-1].kind, muted.events[-1].text) == ("muted", "known")
        assert dict(muted.events[-1].data) == {"until": "2026-03-03T00:00:00+00:00"}
        with pytest.raises(
            InputError, match=f"Incident {opened.id} can be muted until a time to come, not until 2026-03"
        ):
            ledger.incidents.mute(opened.id, MONDAY + day, at=MONDAY + day)
        heard = ledger.incidents.mute(opened.id, None, at=MONDAY + day)
        assert heard.muted_until is None
        assert heard.events[-1].kind == "unmuted"
        assert ledger.incidents.get(opened.id) == heard
        ledger.incidents.close(opened.id)
        with pytest.raises(Refused, match="was closed"):
            ledger.incidents.mute(opened.id, None)

    def test_a_missing_number_says_which_there_are(self, ledger: Ledger) -> None:
        """For every method."""
        with pytest.raises(NotFound, match=r"No incident 7\. There is none yet\."):
            ledger.incidents.get(7)
        ledger.incidents.open(model="m", kind="drift", summary="x")
        calls = (
            lambda: ledger.incidents.append(7, kind="note", text="x"),
            lambda: ledger.incidents.acknowledge(7),
            lambda: ledger.incidents.mute(7, None),
        )
        for call in calls:
            with pytest.raises(NotFound, match=r"No incident 7\. They go from 1 to 1\."):
                call()

    def test_every_change_is_in_the_trail(self, ledger: Ledger) -> None:
        """In the order it happened."""
        made = ledger.incidents.open(model="m", kind="drift", summary="x")
        ledger.incidents.update(made.id, owner="ann")
        ledger.incidents.append(made.id, kind="note", text="y")
        for _ in range(2):
            ledger.incidents.acknowledge(made.id)
        ledger.incidents.mute(made.id, None)
        ledger.incidents.close(made.id)
        entries = ledger.audit.entries(subject=f"incidents/{made.id}")
        actions = ["open", "update", "append", "acknowledge", "mute", "close"]
        assert [each.action.partition(".")[2] for each in entries] == actions
        assert ledger.audit.verify() is None
