"""A workspace whose clock stands still."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mainspring.core.clock import SimulatedClock
from mainspring.workspace import Workspace
from tests.serve.log.workbench import NOON

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock(NOON)


@pytest.fixture
def workspace(tmp_path: Path, clock: SimulatedClock) -> Iterator[Workspace]:
    with Workspace.open(tmp_path / "workspace", actor="tester", clock=clock) as opened:
        yield opened
