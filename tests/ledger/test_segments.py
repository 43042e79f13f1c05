from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Engine, event

from mainspring.ledger import open_ledger
from mainspring.ledger.testing import SegmentsContract

if TYPE_CHECKING:
    from pathlib import Path

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class TestSegments(SegmentsContract):
    """The contract of the port, over every ledger."""


@pytest.mark.parametrize(
    "wanted",
    [
        {"model": "churn", "after": 7},
        {"model": "churn", "kind": "labels"},
        {"model": "churn", "kind": "predictions", "since": NOON},
    ],
)
def test_those_that_are_gone_are_not_walked(tmp_path: Path, wanted: dict[str, Any]) -> None:
    """Their rows stay for ever, so the search goes by an index that they are not in."""
    asked: list[tuple[str, Any]] = []

    def listen(_c: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        asked.append((statement, values))

    path = tmp_path / "ledger.db"
    with open_ledger(path) as ledger:
        event.listen(Engine, "before_cursor_execute", listen)
        try:
            assert ledger.segments.search(**wanted) == ()
        finally:
            event.remove(Engine, "before_cursor_execute", listen)
    statement, values = next(each for each in asked if "FROM segments" in each[0])
    with closing(sqlite3.connect(path)) as connection:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
        partial = {row[1] for row in connection.execute("PRAGMA index_list(segments)") if row[4]}
    assert any(f"INDEX {name} (model=?" in plan[0] for name in partial), plan
    if "kind" not in wanted:
        assert len(plan) == 1, "found in the order of the ids, not sorted"
