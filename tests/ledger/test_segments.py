from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Engine, event

from mainspring.ledger import open_ledger
from mainspring.ledger.ports import Segment
from mainspring.ledger.testing import SegmentsContract
from tests.ledger.hands import Hands

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
    """Their rows stay for a day, so the search goes by an index that they are not in."""
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


def test_those_that_are_gone_are_forgotten_after_a_day_and_no_id_comes_twice(tmp_path: Path) -> None:
    def segment(number: int, source: str = "worker") -> Segment:
        return Segment(
            model="churn", kind="predictions", source=source, sequence=number, rows=10, start=NOON, end=NOON,
            digest=f"{source}/{number}", bytes=100,
        )  # fmt: skip

    def rows() -> list[int]:
        with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection:
            return [row[0] for row in connection.execute("SELECT id FROM segments ORDER BY id")]

    clock = Hands()
    with open_ledger(tmp_path / "ledger.db", clock=clock) as ledger:
        first = ledger.segments.add(segment(0), segment(1))
        whole = ledger.segments.replace([each.id for each in first], segment(0, "merge"))
        clock.move(23 * 3600)
        later = ledger.segments.add(segment(2))
        ledger.segments.delete([later[0].id])
        assert len(rows()) == 4
        clock.move(2 * 3600)
        ledger.segments.delete([whole.id])
        assert rows() == [whole.id, later[0].id], "what went within the day is known by name"
        assert ledger.segments.add(segment(2)) == later
        clock.move(90_000)
        ledger.segments.delete([])
        assert rows() == [later[0].id], "the last one keeps its id"
        (fresh,) = ledger.segments.add(segment(3))
        assert fresh.id > later[0].id
        told = [(each.action, each.detail["ids"]) for each in ledger.audit.entries(subject="segments/churn")]
    assert told == [
        ("segments.replace", [each.id for each in first]),
        ("segments.delete", [later[0].id]),
        ("segments.delete", [whole.id]),
    ]
