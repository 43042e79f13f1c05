from __future__ import annotations

from mainspring.ledger.testing import DatasetsContract


class TestDatasets(DatasetsContract):
    """The contract of the port, over every ledger."""
