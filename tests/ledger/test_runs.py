from __future__ import annotations

from mainspring.ledger.testing import RunsContract


class TestRuns(RunsContract):
    """The contract of the port, over every ledger."""
