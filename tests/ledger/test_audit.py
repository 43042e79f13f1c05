from __future__ import annotations

from mainspring.ledger.testing import AuditContract


class TestAudit(AuditContract):
    """The contract of the port, over every ledger."""
