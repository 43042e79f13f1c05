"""What every `Leases` must do. Those that need a clock set by hand are beside the adapters' own tests."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from mainspring.core.errors import InputError

if TYPE_CHECKING:
    from mainspring.ledger import Ledger


class LeasesContract:
    """Every `Leases` passes these. Provide a `ledger` fixture that is empty, with a clock that moves forward."""

    def test_one_has_it_and_nobody_else(self, ledger: Ledger) -> None:
        """Nor the same holder a second time: it may be another process of the same name. Each name is for itself."""
        lease = ledger.leases.acquire("loop/churn", "a", 60)
        assert lease is not None
        assert (lease.name, lease.holder, lease.token) == ("loop/churn", "a", 1)
        assert ledger.leases.current("loop/churn") == lease
        assert ledger.leases.acquire("loop/churn", "b", 60) is None
        assert ledger.leases.acquire("loop/churn", "a", 60) is None
        assert ledger.leases.current("loop/fraud") is None
        assert ledger.leases.acquire("loop/fraud", "b", 60) is not None

    def test_a_lease_that_is_given_back_is_free_at_once(self, ledger: Ledger) -> None:
        """Under a higher token; the old one counts no more, for nothing."""
        first = ledger.leases.acquire("loop", "a", 60)
        assert first is not None
        ledger.leases.release(first)
        assert ledger.leases.current("loop") is None
        assert ledger.leases.renew(first, 60) is None
        second = ledger.leases.acquire("loop", "b", 60)
        assert second is not None
        assert second.token == 2
        ledger.leases.release(first)
        assert ledger.leases.renew(first, 60) is None
        assert ledger.leases.current("loop") == second

    def test_renewing_makes_it_last(self, ledger: Ledger) -> None:
        """With the same token."""
        lease = ledger.leases.acquire("loop", "a", 60)
        assert lease is not None
        longer = ledger.leases.renew(lease, 600)
        assert longer is not None
        assert longer.token == lease.token
        assert (longer.expires - lease.expires).total_seconds() >= 540
        assert ledger.leases.current("loop") == longer

    def test_a_time_that_makes_no_sense_is_named(self, ledger: Ledger) -> None:
        """Nobody gets it."""
        for seconds in (0, -1, math.nan, math.inf):
            with pytest.raises(InputError, match="Expected a positive number of seconds for the lease loop, got "):
                ledger.leases.acquire("loop", "a", seconds)
        assert ledger.leases.current("loop") is None

    def test_the_usual_rounds_are_not_in_the_trail(self, ledger: Ledger) -> None:
        """They would bury what matters."""
        for _ in range(3):
            lease = ledger.leases.acquire("compact", "a", 60)
            assert lease is not None
            assert ledger.leases.renew(lease, 60) is not None
            ledger.leases.release(lease)
        assert ledger.audit.entries() == ()
