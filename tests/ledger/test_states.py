"""Documents: of two that change one at once, one is told; a fence falls in the very transaction of the write."""

from __future__ import annotations

from threading import Barrier, Thread
from typing import TYPE_CHECKING

import pytest

from mainspring.core.errors import Refused
from mainspring.ledger import open_ledger
from mainspring.ledger.testing import StatesContract
from tests.ledger.hands import Hands

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.ledger import Ledger


class TestStates(StatesContract):
    """The contract of the port, over every ledger."""


def test_threads_that_add_to_one_document_lose_nothing(ledger: Ledger) -> None:
    """Each reads, adds one and writes what it expects to be the next; who was slower reads again."""
    ledger.states.put("count", "n", 0)
    barrier, failures, refused = Barrier(4), list[BaseException](), list[int]()

    def work() -> None:
        try:
            barrier.wait()
            left = 25
            while left:
                found = ledger.states.get("count", "n")
                assert found is not None
                try:
                    ledger.states.put("count", "n", found.value + 1, expected=found.revision)
                except Refused:
                    refused.append(1)
                else:
                    left -= 1
        except BaseException as error:
            failures.append(error)

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    found = ledger.states.get("count", "n")
    assert found is not None
    assert found.value == 100


def test_of_two_threads_with_one_revision_one_writes(ledger: Ledger) -> None:
    for round_ in range(20):
        before = ledger.states.put("watch", "churn", "before")
        barrier, outcomes = Barrier(2), list[object]()

        def work(name: str, barrier: Barrier, revision: int, outcomes: list[object]) -> None:
            barrier.wait()
            try:
                outcomes.append(ledger.states.put("watch", "churn", name, expected=revision))
            except Refused as error:
                outcomes.append(error)

        threads = [Thread(target=work, args=(name, barrier, before.revision, outcomes)) for name in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(isinstance(each, Refused) for each in outcomes) == 1, round_
        assert ledger.states.get("watch", "churn") in outcomes


def test_a_holder_that_slept_writes_nothing(tmp_path: Path) -> None:
    """Two openings of one file, as two processes have them: the fence is looked up where the write happens."""
    clock = Hands()
    path = tmp_path / "ledger.db"
    with open_ledger(path, clock=clock) as sleeper, open_ledger(path, clock=clock) as taker:
        old = sleeper.leases.acquire("loop", "a", 30)
        assert old is not None
        clock.move(31)
        new = taker.leases.acquire("loop", "b", 30)
        assert new is not None
        taker.states.put("watch", "churn", "b", fence=("loop", new.token))

        def late() -> None:
            with sleeper.together():
                sleeper.incidents.open(model="churn", kind="drift", summary="twice")
                sleeper.states.put("watch", "churn", "a", fence=("loop", old.token))

        with pytest.raises(Refused, match=r"The lease loop went to b \(token 2; this is token 1\)"):
            late()
        found = sleeper.states.get("watch", "churn")
        assert found is not None
        assert found.value == "b"
        assert sleeper.incidents.search() == ()
