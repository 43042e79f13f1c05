"""What every `Datasets` must do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mainspring.core.errors import NotFound

if TYPE_CHECKING:
    from mainspring.ledger import Ledger


class DatasetsContract:
    """Every `Datasets` passes these. Provide a `ledger` fixture that is empty."""

    def test_versions_count_up(self, ledger: Ledger) -> None:
        """The newest is the default."""
        ledger.datasets.create("customers", digest="d1", rows=10, schema={"age": "Int64"}, source="a.csv")
        second = ledger.datasets.create("customers", digest="d2", rows=12, profile={"age": {"mean": 40.5}})
        assert second.version == 2
        assert ledger.datasets.get("customers") == second
        assert dict(ledger.datasets.get("customers", 1).schema) == {"age": "Int64"}
        assert [each.rows for each in ledger.datasets.versions("customers")] == [12, 10]
        assert ledger.datasets.names() == ("customers",)

    def test_the_same_table_again_is_the_same_version(self, ledger: Ledger) -> None:
        """A nightly job that finds nothing new makes nothing new; going back to an older table does."""
        first = ledger.datasets.create("customers", digest="d1", rows=10)
        assert ledger.datasets.create("customers", digest="d1", rows=10) == first
        ledger.datasets.create("customers", digest="d2", rows=11)
        assert ledger.datasets.create("customers", digest="d1", rows=10).version == 3

    def test_missing_ones_are_named_with_the_nearest(self, ledger: Ledger) -> None:
        """So that a slip of the hand costs nothing."""
        ledger.datasets.create("customers", digest="d1", rows=10)
        with pytest.raises(NotFound, match=r"No dataset named 'custmers'\. Did you mean customers\?"):
            ledger.datasets.get("custmers")
        with pytest.raises(NotFound, match="The dataset 'customers' has no version 4; it has 1 to 1"):
            ledger.datasets.get("customers", 4)
