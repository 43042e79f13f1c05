"""The audit trail: who changed what, chained by digests so that a later change shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from mainspring.ledger.operation import Permission, operation


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One change.

    ``digest`` covers everything else in the entry, ``previous`` included; ``previous`` is "" for the first.
    """

    number: int
    time: datetime
    actor: str
    action: str
    subject: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    previous: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tampering:
    """The first place where the chain does not hold."""

    number: int
    reason: str


class Audit(Protocol):
    """An append-only trail.

    The chain shows an entry that was changed, put in or taken out of the middle. Entries cut off its end show only
    against a `head` that was kept elsewhere.
    """

    @operation(needs=Permission.WRITE)
    def append(self, action: str, subject: str, *, detail: Mapping[str, Any] | None = None) -> AuditEntry:
        """Add an entry of the ledger's actor, now."""
        ...

    @operation(needs=Permission.READ)
    def entries(
        self, *, subject: str | None = None, after: int = 0, limit: int | None = None
    ) -> tuple[AuditEntry, ...]:
        """The entries from number *after* + 1 on, oldest first; of one *subject* where given."""
        ...

    @operation(needs=Permission.READ)
    def head(self) -> AuditEntry | None:
        """The last entry, None where there is none."""
        ...

    @operation(needs=Permission.READ)
    def verify(self, *, head: str | None = None) -> Tampering | None:
        """Check every entry. With *head*, the digest of an earlier `head`, also that this entry is still there."""
        ...
