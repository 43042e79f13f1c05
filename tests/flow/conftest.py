from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.flow.workbench import Workbench

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    root = tmp_path / "a shop"
    root.mkdir()
    return Workbench(root)
