"""Leases: one holder whatever the clock does; two processes at once; a holder that died."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from mainspring.ledger import open_ledger
from mainspring.ledger.sql.leases import SqlLeases
from mainspring.ledger.sql.ledger import SqlLedger
from mainspring.ledger.testing import LeasesContract
from tests.ledger.hands import Hands

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mainspring.ledger import Ledger


class TestLeases(LeasesContract):
    """The contract of the port, over every ledger."""


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
def ledger_by_hand(tmp_path: Path, clock: Hands) -> Iterator[Ledger]:
    with open_ledger(tmp_path / "ledger.db", clock=clock, actor="tester") as opened:
        yield opened


def test_a_lease_that_ran_out_goes_to_the_next_and_the_trail_says_so(ledger_by_hand: Ledger, clock: Hands) -> None:
    leases = ledger_by_hand.leases
    first = leases.acquire("loop", "a", 30)
    assert first is not None
    clock.move(29.9)
    assert leases.acquire("loop", "b", 30) is None
    clock.move(0.1)
    assert leases.current("loop") is None
    second = leases.acquire("loop", "b", 30)
    assert second is not None
    assert (second.holder, second.token) == ("b", 2)
    assert leases.renew(first, 30) is None
    (told,) = ledger_by_hand.audit.entries(subject="leases/loop")
    assert (told.action, dict(told.detail)) == ("lease.take", {"from": "a", "to": "b", "token": 2})


def test_a_late_renewal_holds_if_nobody_was_there(ledger_by_hand: Ledger, clock: Hands) -> None:
    leases = ledger_by_hand.leases
    lease = leases.acquire("loop", "a", 30)
    assert lease is not None
    clock.move(100)
    again = leases.renew(lease, 30)
    assert again is not None
    assert again.token == lease.token
    assert leases.acquire("loop", "b", 30) is None


def test_a_clock_that_jumps_back_makes_no_second_holder(ledger_by_hand: Ledger, clock: Hands) -> None:
    leases = ledger_by_hand.leases
    first = leases.acquire("loop", "a", 30)
    assert first is not None
    clock.move(-3600)
    assert leases.acquire("loop", "b", 30) is None
    again = leases.renew(first, 30)
    assert again is not None, "the holder goes on"
    assert again.expires >= first.expires
    assert leases.current("loop") == again
    clock.move(3600)
    assert leases.acquire("loop", "b", 30) is None
    clock.move(30)
    assert leases.acquire("loop", "b", 30) is not None


def test_a_lease_taken_under_a_clock_ahead_is_not_shorter_for_it(ledger_by_hand: Ledger, clock: Hands) -> None:
    """Somebody takes over by a clock that is an hour ahead, and it is set right: the taker holds, not the first."""
    leases = ledger_by_hand.leases
    first = leases.acquire("loop", "a", 30)
    assert first is not None
    clock.move(3600)
    second = leases.acquire("loop", "b", 30)
    assert second is not None
    clock.move(-3600)
    assert leases.renew(first, 30) is None
    assert leases.acquire("loop", "a", 30) is None
    assert leases.renew(second, 30) is not None
    leases.release(second)
    third = leases.acquire("loop", "a", 30)
    assert third is not None
    assert third.token == 3
    assert leases.acquire("loop", "b", 30) is None, "and lasts, although it is long over by the clock that ran ahead"


def test_who_watched_a_dead_holder_long_enough_takes_over_although_the_clock_went_back(
    tmp_path: Path, clock: Hands
) -> None:
    """By a counter that nobody sets; every renewal begins the wait anew."""
    counted = 100.0
    with open_ledger(tmp_path / "ledger.db", clock=clock, actor="tester") as ledger:
        assert isinstance(ledger, SqlLedger)
        watcher = SqlLeases(ledger.session, clock=clock, actor="tester", counter=lambda: counted)
        lease = ledger.leases.acquire("loop", "a", 30)
        assert lease is not None
        clock.move(-3600)
        for step in (20.0, 20.0, 20.0):
            assert watcher.acquire("loop", "b", 30) is None
            counted += step
            lease = ledger.leases.renew(lease, 30)
            assert lease is not None
        assert watcher.acquire("loop", "b", 30) is None
        counted += 29.9
        assert watcher.acquire("loop", "b", 30) is None
        counted += 0.1
        taken = watcher.acquire("loop", "b", 30)
        assert taken is not None
        assert taken.token == 2
        assert ledger.leases.renew(lease, 30) is None


RACER = """
import sys, time
from pathlib import Path
from mainspring.ledger import open_ledger

with open_ledger(Path(sys.argv[1]), actor=sys.argv[2]) as ledger:
    print("ready", flush=True)
    sys.stdin.readline()
    turns = 0
    while turns < 20:
        lease = ledger.leases.acquire("loop", sys.argv[2], 60)
        if lease is None:
            time.sleep(0.0005)
            continue
        count = ledger.states.get("count", "n").value
        time.sleep(0.003)  # so that the other is there meanwhile
        ledger.states.put("count", "n", count + 1, fence=("loop", lease.token))
        ledger.leases.release(lease)
        print(lease.token, flush=True)
        turns += 1
"""


def test_two_processes_take_turns(tmp_path: Path) -> None:
    """They add one to a number, read and written in two calls: were both in at once, an addition would be lost."""
    path = tmp_path / "ledger.db"
    with open_ledger(path) as ledger:
        ledger.states.put("count", "n", 0)
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(path), name],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for name in ("a", "b")
    ]  # fmt: skip
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    tokens = list[int]()
    for racer in racers:
        output, errors = racer.communicate(timeout=60)
        assert racer.returncode == 0, errors
        tokens += [int(line) for line in output.split()]
    assert sorted(tokens) == list(range(1, 41)), "no token was given twice, none left out"
    with open_ledger(path) as ledger:
        counted = ledger.states.get("count", "n")
        assert counted is not None
        assert counted.value == 40
        assert ledger.leases.current("loop") is None
