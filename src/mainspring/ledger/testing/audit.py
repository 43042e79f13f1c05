"""What every `Audit` must do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mainspring.ledger import Ledger


class AuditContract:
    """Every `Audit` passes these. Provide a `ledger` fixture that is empty."""

    def test_entries_are_chained(self, ledger: Ledger) -> None:
        """Each holds the digest of the one before."""
        assert ledger.audit.head() is None
        made = [ledger.audit.append("policy.hold", "models/churn", detail={"window": number}) for number in range(5)]
        assert ledger.audit.entries() == tuple(made)
        assert [each.number for each in made] == [1, 2, 3, 4, 5]
        assert [each.previous for each in made] == ["", *(each.digest for each in made[:-1])]
        assert len({each.digest for each in made}) == 5
        assert ledger.audit.head() == made[-1]
        assert ledger.audit.verify() is None
        assert ledger.audit.verify(head=made[2].digest) is None

    def test_entries_are_read_by_subject_and_in_pages(self, ledger: Ledger) -> None:
        """Oldest first."""
        for number in range(6):
            ledger.audit.append("a", f"s/{number % 2}")
        assert [each.number for each in ledger.audit.entries(subject="s/1")] == [2, 4, 6]
        assert [each.number for each in ledger.audit.entries(after=2, limit=2)] == [3, 4]

    def test_a_trail_that_lost_its_end_does_not_hold_an_earlier_head(self, ledger: Ledger) -> None:
        """The chain alone cannot show it; a head kept elsewhere can."""
        ledger.audit.append("a", "s")
        found = ledger.audit.verify(head="f" * 64)
        assert found is not None
        assert "its end was cut off" in found.reason
