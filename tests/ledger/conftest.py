"""Every ledger there is, for the contract suites."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mainspring.ledger import open_ledger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mainspring.ledger import Ledger


@pytest.fixture(params=["file", "memory"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger, once in a file and once in memory."""
    url = tmp_path / "ledger.db" if request.param == "file" else "sqlite://"
    with open_ledger(url, actor="tester") as opened:
        yield opened
