"""Leases: that of several processes one works, and that one which has been too slow notices."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from mainspring.ledger.operation import Permission, operation


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """``holder`` has ``name`` until ``expires``. ``token`` rises by one each time somebody acquires it."""

    name: str
    holder: str
    token: int
    expires: datetime


class Leases(Protocol):
    """The leases of a workspace, by the ledger's clock.

    No clock is believed alone. The time of a lease never goes back: a clock that does frees nothing early. And a
    process that has watched a lease stand still for as long as it was given, by a counter that no one sets, may take
    it although the clock went back. A holder that slept too long is stopped by its token: what it writes is to name
    the token as a fence (see `States.put`), which fails once somebody else acquired the lease.
    """

    @operation(needs=Permission.WRITE)
    def acquire(self, name: str, holder: str, seconds: float) -> Lease | None:
        """Take the lease for so many *seconds*; None while anybody holds it, the same *holder* included."""
        ...

    @operation(needs=Permission.WRITE)
    def renew(self, lease: Lease, seconds: float) -> Lease | None:
        """Hold it for *seconds* from now; None where it was released or somebody else acquired it meanwhile."""
        ...

    @operation(needs=Permission.WRITE)
    def release(self, lease: Lease) -> None:
        """Give it back at once. Nothing happens where somebody else has it by now."""

    @operation(needs=Permission.READ)
    def current(self, name: str) -> Lease | None:
        """Who holds it; None where it is free."""
        ...
