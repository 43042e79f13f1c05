"""Incidents in memory pass the ledger's own suite, all but the audit trail, which a rehearsal does not have."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from mainspring.core.clock import SystemClock
from mainspring.ledger.testing.incidents import IncidentsContract
from mainspring.operate.memory import MemoryIncidents


class TestMemoryIncidents(IncidentsContract):
    @pytest.fixture
    def ledger(self) -> Any:
        return SimpleNamespace(incidents=MemoryIncidents(SystemClock()))

    test_every_change_is_in_the_trail = None  # type: ignore[assignment]  # nothing outlives the process
