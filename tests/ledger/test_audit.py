from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from mainspring.ledger import open_ledger
from mainspring.ledger.testing import AuditContract

if TYPE_CHECKING:
    from pathlib import Path


class TestAudit(AuditContract):
    """The contract of the port, over every ledger."""


@pytest.mark.parametrize(
    ("statement", "number", "reason"),
    [
        ("UPDATE audit SET actor = 'someone else' WHERE number = 3", 3, "entry 3 was changed after it was written"),
        ("UPDATE audit SET detail = '{\"n\":9}' WHERE number = 1", 1, "entry 1 was changed after it was written"),
        ("UPDATE audit SET time = time + 1 WHERE number = 5", 5, "entry 5 was changed after it was written"),
        ("DELETE FROM audit WHERE number = 2", 2, "entry 2 is missing; the next one is 3"),
        ("DELETE FROM audit WHERE number = 1", 1, "entry 1 is missing; the next one is 2"),
        (
            "UPDATE audit SET previous = (SELECT digest FROM audit WHERE number = 1) WHERE number = 4",
            4,
            "entry 4 does not follow the entry before it",
        ),
    ],
)
def test_tampering_is_found_at_the_first_broken_entry(tmp_path: Path, statement: str, number: int, reason: str) -> None:
    path = tmp_path / "ledger.db"
    with open_ledger(path, actor="ann") as ledger:
        for each in range(5):
            ledger.audit.append("a", "s", detail={"n": each})
        head = ledger.audit.head()
        assert ledger.audit.verify() is None
        with closing(sqlite3.connect(path)) as intruder:
            assert intruder.execute(statement).rowcount == 1
            intruder.commit()
        found = ledger.audit.verify()
    assert found is not None
    assert (found.number, found.reason) == (number, reason)
    assert head is not None


def test_a_trail_cut_at_its_end_shows_against_the_head_that_was_kept(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with open_ledger(path, actor="ann") as ledger:
        for _ in range(5):
            ledger.audit.append("a", "s")
        head = ledger.audit.head()
        assert head is not None
        with closing(sqlite3.connect(path)) as intruder:
            intruder.execute("DELETE FROM audit WHERE number = 5")
            intruder.commit()
        assert ledger.audit.verify() is None
        assert ledger.audit.verify(head=head.digest) is not None
