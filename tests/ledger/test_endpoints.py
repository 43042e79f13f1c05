from __future__ import annotations

from mainspring.ledger.testing import EndpointsContract


class TestEndpoints(EndpointsContract):
    """The contract of the port, over every ledger."""
