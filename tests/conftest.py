"""Fixtures for every test."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets beside the project; the test is skipped where it is not there."""
    if not SHARED.is_dir():
        pytest.skip(f"the real data sets are not here ({SHARED.name} folder beside the project)")
    return SHARED
