"""What every `Models` must do."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from mainspring.core.errors import NotFound, Refused
from mainspring.core.estimate import Estimate

if TYPE_CHECKING:
    from mainspring.ledger import Ledger

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


class ModelsContract:
    """Every `Models` passes these. Provide a `ledger` fixture that is empty."""

    def test_a_version_comes_back_as_it_was_made(self, ledger: Ledger) -> None:
        """Estimates with their intervals; what was not measured is still not a number."""
        metrics = {"roc_auc": Estimate(0.81, 0.79, 0.83, 500), "brier_score": Estimate(math.nan)}
        made = ledger.models.create(
            "churn",
            digest="d",
            passed=True,
            metrics=metrics,
            evidence={"verdicts": [{"result": "pass"}]},
            created=MONDAY,
        )
        found = ledger.models.get("churn", 1)
        assert found.metrics["roc_auc"] == metrics["roc_auc"]
        assert math.isnan(found.metrics["brier_score"].value)
        assert (found.version, found.passed, found.created) == (1, True, MONDAY)
        assert found.evidence == made.evidence == {"verdicts": [{"result": "pass"}]}

    def test_numbers_rise_by_model(self, ledger: Ledger) -> None:
        """Each name counts for itself."""
        for name in ("churn", "churn", "fraud"):
            ledger.models.create(name, digest="d", passed=True)
        assert [each.version for each in ledger.models.versions("churn")] == [2, 1]
        assert ledger.models.names() == ("churn", "fraud")
        with pytest.raises(NotFound, match=r"No model named 'chrun'\. Did you mean churn\?"):
            ledger.models.versions("chrun")
        with pytest.raises(NotFound, match="The model 'churn' has no version 9; it has 1 to 2"):
            ledger.models.get("churn", 9)

    def test_an_alias_moves_and_history_shows_it(self, ledger: Ledger) -> None:
        """Who, when, why, and which rule was lifted."""
        for _ in range(2):
            ledger.models.create("churn", digest="d", passed=True)
        ledger.models.set_alias("churn", "champion", 1, reason="first", at=MONDAY)
        moved = ledger.models.set_alias(
            "churn", "champion", 2, reason="better", override="the gap is known", at=MONDAY + timedelta(days=1)
        )
        assert (moved.before, moved.after, moved.override, moved.back) == (1, 2, "the gap is known", False)
        assert dict(ledger.models.aliases("churn")) == {"champion": 2}
        assert ledger.models.get("churn", 2).aliases == ("champion",)
        assert ledger.models.get("churn", 1).aliases == ()
        assert ledger.models.set_alias("churn", "champion", 1, back=True, at=MONDAY + timedelta(days=1)).back
        history = [(each.after, each.back) for each in ledger.models.transitions("churn")]
        assert history == [(1, False), (2, False), (1, True)]
        ledger.models.set_alias("churn", "champion", None, at=MONDAY + timedelta(days=2))
        assert dict(ledger.models.aliases("churn")) == {}
        with pytest.raises(NotFound, match="has no version 7"):
            ledger.models.set_alias("churn", "champion", 7)

    def test_at_a_date_says_what_was_live(self, ledger: Ledger) -> None:
        """None before the first, and by alias."""
        for _ in range(2):
            ledger.models.create("churn", digest="d", passed=True)
        ledger.models.set_alias("churn", "champion", 1, at=MONDAY)
        ledger.models.set_alias("churn", "challenger", 2, at=MONDAY + timedelta(hours=1))
        ledger.models.set_alias("churn", "champion", 2, at=MONDAY + timedelta(days=7))

        def live(days: float, alias: str = "champion") -> int | None:
            found = ledger.models.at("churn", MONDAY + timedelta(days=days), alias=alias)
            return None if found is None else found.after

        assert [live(days) for days in (-1, 0, 3, 7, 100)] == [None, 1, 1, 2, 2]
        assert live(3, "challenger") == 2

    def test_the_slower_of_two_is_refused(self, ledger: Ledger) -> None:
        """Two promotions at once: one of them must look again."""
        for _ in range(3):
            ledger.models.create("churn", digest="d", passed=True)
        ledger.models.set_alias("churn", "champion", 1, expected=None)
        ledger.models.set_alias("churn", "champion", 2, expected=1)
        with pytest.raises(Refused, match="churn@champion names version 2 by now, not version 1: someone was faster"):
            ledger.models.set_alias("churn", "champion", 3, expected=1)
        assert dict(ledger.models.aliases("churn")) == {"champion": 2}
        assert len(ledger.models.transitions("churn")) == 2

    def test_notes_are_added_to_a_version(self, ledger: Ledger) -> None:
        """Tags merge, the description is replaced, what is None stays."""
        ledger.models.create("churn", digest="d", passed=True, tags={"a": "1"}, description="old")
        ledger.models.annotate("churn", 1, tags={"b": "2"})
        found = ledger.models.annotate("churn", 1, description="new")
        assert (dict(found.tags), found.description) == ({"a": "1", "b": "2"}, "new")

    def test_every_change_is_in_the_trail(self, ledger: Ledger) -> None:
        """In the order it happened; a refused one is not."""
        ledger.models.create("churn", digest="d", passed=False)
        ledger.models.set_alias("churn", "champion", 1, reason="why not", override="demo")
        ledger.models.annotate("churn", 1, description="x")
        with pytest.raises(NotFound):
            ledger.models.set_alias("churn", "champion", 2)
        entries = ledger.audit.entries(subject="models/churn")
        assert [each.action for each in entries] == ["model.create", "model.alias", "model.annotate"]
        assert entries[1].detail["override"] == "demo"
        assert ledger.audit.verify() is None
