"""What every `States` must do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mainspring.core.errors import Refused

if TYPE_CHECKING:
    from mainspring.ledger import Ledger


class StatesContract:
    """Every `States` passes these. Provide a `ledger` fixture that is empty."""

    def test_a_document_comes_back(self, ledger: Ledger) -> None:
        """Any plain JSON value, also one that says nothing; a new one takes its place whole."""
        values: tuple[Any, ...] = ({"a": [1, 2.5, None, "ü"], "b": {"c": True}}, [], {}, None, 0, "text")
        for value in values:
            put = ledger.states.put("watch", "churn", value)
            assert put.value == value
            assert ledger.states.get("watch", "churn") == put
        assert ledger.states.get("watch", "fraud") is None
        assert ledger.states.get("serve", "churn") is None

    def test_the_revision_rises_also_over_a_deletion(self, ledger: Ledger) -> None:
        """So that nobody takes a new document for the one it knew."""
        seen = [ledger.states.put("watch", "churn", number).revision for number in range(3)]
        assert ledger.states.delete("watch", "churn")
        assert not ledger.states.delete("watch", "churn")
        seen.append(ledger.states.put("watch", "churn", 9).revision)
        assert seen == sorted(set(seen))

    def test_the_slower_of_two_is_refused(self, ledger: Ledger) -> None:
        """Where it says what it expects: a revision, or that there is none."""
        first = ledger.states.put("watch", "churn", 1, expected=0)
        second = ledger.states.put("watch", "churn", 2, expected=first.revision)
        for late in (0, first.revision):
            wanted = f"The watch churn is at revision {second.revision} by now, not {late}: someone was faster"
            with pytest.raises(Refused, match=wanted):
                ledger.states.put("watch", "churn", 3, expected=late)
            with pytest.raises(Refused, match=wanted):
                ledger.states.delete("watch", "churn", expected=late)
        assert ledger.states.get("watch", "churn") == second
        assert ledger.states.delete("watch", "churn", expected=second.revision)
        with pytest.raises(Refused, match=f"at revision 0 by now, not {second.revision}"):
            ledger.states.put("watch", "churn", 3, expected=second.revision)

    def test_search_goes_by_the_beginning_of_the_key(self, ledger: Ledger) -> None:
        """In order; a sign that means something in a pattern means itself."""
        for key in ("b/2", "a/1", "a/3", "a%", "a/2", "ä"):
            ledger.states.put("outbox", key, key)
        ledger.states.put("watch", "a/4", 0)
        assert [each.key for each in ledger.states.search("outbox", "a/")] == ["a/1", "a/2", "a/3"]
        assert [each.key for each in ledger.states.search("outbox", "a%")] == ["a%"]
        assert [each.key for each in ledger.states.search("outbox", limit=2)] == ["a%", "a/1"]
        assert len(ledger.states.search("outbox")) == 6
        assert ledger.states.search("nothing") == ()

    def test_search_goes_from_one_key_to_another(self, ledger: Ledger) -> None:
        """*since* is in, *until* is out, over a new year too; the prefix still holds."""
        for key in ("a/2025-12-31", "a/2026-01-01", "a/2026-01-02", "b/2026-01-01"):
            ledger.states.put("window", key, key)

        def between(prefix: str, since: str | None, until: str | None, limit: int | None = None) -> list[str]:
            found = ledger.states.search("window", prefix, since=since, until=until, limit=limit)
            return [each.key for each in found]

        assert between("a/", "a/2025-12-31", "a/2026-01-02") == ["a/2025-12-31", "a/2026-01-01"]
        assert between("a/", "a/2026", None) == ["a/2026-01-01", "a/2026-01-02"]
        assert between("b/", "a/2026", None) == ["b/2026-01-01"]
        assert between("", None, "a/2026-01-01") == ["a/2025-12-31"]
        assert between("a/", None, "b", limit=1) == ["a/2025-12-31"]
        assert between("a/", "b", None) == []

    def test_a_fence_that_fell_stops_every_change(self, ledger: Ledger) -> None:
        """Once somebody else acquired the lease; and one that was never given fences nothing in."""
        first = ledger.leases.acquire("loop", "a", 60)
        assert first is not None
        old = ("loop", first.token)
        kept = ledger.states.put("watch", "churn", 1, fence=old)
        ledger.leases.release(first)
        kept = ledger.states.put("watch", "churn", 2, fence=old)  # nobody else has begun
        second = ledger.leases.acquire("loop", "b", 60)
        assert second is not None
        with pytest.raises(
            Refused, match=r"The lease loop went to b \(token 2; this is token 1\): nothing was written"
        ):
            ledger.states.put("watch", "churn", 3, fence=old)
        with pytest.raises(Refused, match="went to b"):
            ledger.states.delete("watch", "churn", fence=old)
        for never in (("loop", 3), ("other", 1)):
            with pytest.raises(Refused, match="was never given with token"):
                ledger.states.put("watch", "churn", 3, fence=never)
        assert ledger.states.get("watch", "churn") == kept
        assert ledger.states.put("watch", "churn", 4, fence=("loop", second.token)).value == 4

    def test_a_fence_guards_everything_in_the_block(self, ledger: Ledger) -> None:
        """What was written beside the document goes with it."""
        first = ledger.leases.acquire("loop", "a", 60)
        assert first is not None
        ledger.leases.release(first)
        ledger.leases.acquire("loop", "b", 60)

        def too_late() -> None:
            with ledger.together():
                ledger.models.create("churn", digest="d", passed=True)
                ledger.states.put("watch", "churn", 1, fence=("loop", first.token))

        with pytest.raises(Refused, match="The lease loop went to b"):
            too_late()
        assert ledger.models.names() == ()
