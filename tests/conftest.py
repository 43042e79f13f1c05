"""Fixtures for every test."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets beside the project; the test is skipped where it is not there."""
    if not SHARED.is_dir():
        pytest.skip(f"the real data sets are not here ({SHARED.name} folder beside the project)")
    return SHARED


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Processes that the test starts hear SIGINT: a shell that starts the tests in the background has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
