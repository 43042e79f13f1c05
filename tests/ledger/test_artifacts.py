from __future__ import annotations

from mainspring.ledger.testing import ArtifactsContract


class TestArtifacts(ArtifactsContract):
    """The contract of the port, over every ledger."""
