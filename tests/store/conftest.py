from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mainspring.store import Store, open_store

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store in a folder of its own."""
    return open_store(tmp_path / "store")
