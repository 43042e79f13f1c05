"""What every `Endpoints` must do."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from mainspring.core.errors import InputError, NotFound, Refused
from mainspring.ledger.ports import Live

if TYPE_CHECKING:
    from mainspring.ledger import Ledger

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


def _churn(ledger: Ledger, versions: int = 3) -> None:
    for _ in range(versions):
        ledger.models.create("churn", digest="d", passed=True)


class EndpointsContract:
    """Every `Endpoints` passes these. Provide a `ledger` fixture that is empty."""

    def test_a_rule_comes_back_and_the_old_ones_stay(self, ledger: Ledger) -> None:
        """Who, when and why, with revisions from 1."""
        _churn(ledger)
        assert ledger.endpoints.get("churn") is None
        first = ledger.endpoints.set("churn", canary=2, percent=5, shadow=[3], reason="rollout", at=MONDAY)
        assert (first.shadow, first.canary, first.percent, first.revision) == ((3,), 2, 5.0, 1)
        assert (first.updated, first.actor, first.reason) == (MONDAY, "tester", "rollout")
        assert ledger.endpoints.get("churn") == first
        second = ledger.endpoints.set("churn")
        assert (second.shadow, second.canary, second.percent, second.revision) == ((), None, 0.0, 2)
        assert ledger.endpoints.history("churn") == (first, second)
        assert ledger.endpoints.history("fraud") == ()

    def test_the_slower_of_two_is_refused(self, ledger: Ledger) -> None:
        """Where it says what it expects: a revision, or that there is none."""
        _churn(ledger)
        ledger.endpoints.set("churn", canary=2, percent=5, expected=0)
        ledger.endpoints.set("churn", canary=2, percent=25, expected=1)
        for late in (0, 1, 3):
            with pytest.raises(Refused, match=f"The traffic of churn is at revision 2 by now, not {late}: someone was"):
                ledger.endpoints.set("churn", canary=2, percent=50, expected=late)
        ledger.endpoints.set("churn", canary=2, percent=50)
        assert [each.percent for each in ledger.endpoints.history("churn")] == [5, 25, 50]

    def test_a_rule_that_makes_no_sense_is_named(self, ledger: Ledger) -> None:
        """And none is kept."""
        _churn(ledger)
        for share in (-1, 100.5, math.nan):
            with pytest.raises(InputError, match=f"Expected a canary's share from 0 to 100 percent, got {share}"):
                ledger.endpoints.set("churn", canary=2, percent=share)
        with pytest.raises(InputError, match=r"5 percent of the traffic go to no canary; name its version\."):
            ledger.endpoints.set("churn", percent=5)
        for shadow in ([2], [3, 3]):
            with pytest.raises(InputError, match=r"Version [23] has two parts"):
                ledger.endpoints.set("churn", canary=2, percent=5, shadow=shadow)
        with pytest.raises(NotFound, match="The model 'churn' has no version 9; it has 1 to 3"):
            ledger.endpoints.set("churn", shadow=[9])
        with pytest.raises(NotFound, match=r"No model named 'chrun'\. Did you mean churn\?"):
            ledger.endpoints.set("chrun")
        assert ledger.endpoints.history("churn") == ()

    def test_live_says_the_champion_and_the_rule(self, ledger: Ledger) -> None:
        """Also where there is neither; other models and aliases do not show."""
        assert ledger.endpoints.live("churn") == Live(champion=None, traffic=None, revision=0)
        _churn(ledger)
        rule = ledger.endpoints.set("churn", canary=2, percent=5)
        assert (ledger.endpoints.live("churn").champion, ledger.endpoints.live("churn").traffic) == (None, rule)
        ledger.models.set_alias("churn", "champion", 1)
        found = ledger.endpoints.live("churn")
        assert (found.champion, found.traffic) == (1, rule)
        ledger.models.create("fraud", digest="d", passed=True)
        ledger.models.set_alias("fraud", "champion", 1)
        ledger.endpoints.set("fraud", canary=1, percent=1)
        ledger.models.set_alias("churn", "challenger", 2)
        assert ledger.endpoints.live("churn") == found

    def test_the_revision_rises_with_every_change_and_with_no_other(self, ledger: Ledger) -> None:
        """A value that comes back is a change too: a worker may have slept through what was between."""
        _churn(ledger)
        changes = (
            lambda: ledger.models.set_alias("churn", "champion", 1),
            lambda: ledger.models.set_alias("churn", "champion", 2),
            lambda: ledger.models.set_alias("churn", "champion", 1),
            lambda: ledger.models.set_alias("churn", "champion", 1),
            lambda: ledger.endpoints.set("churn", canary=2, percent=5),
            lambda: ledger.endpoints.set("churn"),
            lambda: ledger.endpoints.set("churn", canary=2, percent=5),
            lambda: ledger.endpoints.set("churn", canary=2, percent=5),
            lambda: ledger.models.set_alias("churn", "champion", None),
            lambda: ledger.models.set_alias("churn", "champion", 1),
        )
        last = ledger.endpoints.live("churn").revision
        for change in changes:
            change()
            found = ledger.endpoints.live("churn").revision
            assert found > last
            last = found
        with pytest.raises(NotFound):
            ledger.models.set_alias("churn", "champion", 9)
        ledger.models.annotate("churn", 1, description="x")
        assert ledger.endpoints.live("churn").revision == last

    def test_every_change_is_in_the_trail(self, ledger: Ledger) -> None:
        """With the rule and the reason."""
        _churn(ledger)
        ledger.endpoints.set("churn", canary=2, percent=5, shadow=[3], reason="rollout")
        with pytest.raises(Refused):
            ledger.endpoints.set("churn", expected=0)
        told = ledger.audit.entries(subject="endpoints/churn")
        assert [(each.action, dict(each.detail)) for each in told] == [
            (
                "endpoint.traffic",
                {"canary": 2, "percent": 5.0, "shadow": [3], "revision": 1, "reason": "rollout"},
            )
        ]
        assert ledger.audit.verify() is None
