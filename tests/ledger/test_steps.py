from __future__ import annotations

from mainspring.ledger.testing import StepsContract


class TestSteps(StepsContract):
    """The contract of the port, over every ledger."""
