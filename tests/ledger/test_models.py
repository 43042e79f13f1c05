from __future__ import annotations

from mainspring.ledger.testing import ModelsContract


class TestModels(ModelsContract):
    """The contract of the port, over every ledger."""
