"""What every `Incidents` must do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from mainspring.core.errors import NotFound, Refused
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

    def test_a_missing_number_says_which_there_are(self, ledger: Ledger) -> None:
        """For every method."""
        with pytest.raises(NotFound, match=r"No incident 7\. There is none yet\."):
            ledger.incidents.get(7)
        ledger.incidents.open(model="m", kind="drift", summary="x")
        with pytest.raises(NotFound, match=r"No incident 7\. They go from 1 to 1\."):
            ledger.incidents.append(7, kind="note", text="x")

    def test_every_change_is_in_the_trail(self, ledger: Ledger) -> None:
        """In the order it happened."""
        made = ledger.incidents.open(model="m", kind="drift", summary="x")
        ledger.incidents.update(made.id, owner="ann")
        ledger.incidents.append(made.id, kind="note", text="y")
        ledger.incidents.close(made.id)
        entries = ledger.audit.entries(subject=f"incidents/{made.id}")
        assert [each.action.partition(".")[2] for each in entries] == ["open", "update", "append", "close"]
        assert ledger.audit.verify() is None
