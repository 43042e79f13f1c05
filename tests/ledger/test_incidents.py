from __future__ import annotations

from mainspring.ledger.testing import IncidentsContract


class TestIncidents(IncidentsContract):
    """The contract of the port, over every ledger."""
