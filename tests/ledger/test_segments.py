from __future__ import annotations

from mainspring.ledger.testing import SegmentsContract


class TestSegments(SegmentsContract):
    """The contract of the port, over every ledger."""
