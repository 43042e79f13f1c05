"""A clock that was ahead and is set back: the watch goes on at once, says so once, and judges no row twice."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl
import pytest

from mainspring.core.clock import SimulatedClock
from mainspring.core.errors import Refused
from mainspring.operate.live import ahead, document
from mainspring.operate.live.service import ServiceWatch
from mainspring.operate.live.watch import watch
from mainspring.workspace import Workspace
from tests.operate.live.bench import HOUR, NOON, ROWS, Bench, world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

TWO_DAYS = timedelta(days=2)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


def hurried(bench: Bench, by: timedelta = TWO_DAYS) -> datetime:
    """Serve and watch an hour with the clock ahead, and set it back; the time that was judged up to."""
    right = bench.at
    bench.at += by
    bench.hours(1, seed=300)
    until = bench.watch().until
    set_to(bench, right)
    assert until is not None
    return until


def set_to(bench: Bench, now: datetime) -> None:
    """Let it be *now*, whatever it was."""
    bench.at = now
    bench.clock = SimulatedClock(now)
    bench.workspace.close()
    bench.workspace = Workspace.open(bench.root / ".mainspring", clock=bench.clock, actor="test")


def broken(bench: Bench, hours: int) -> None:
    for place in range(hours):
        bench.serve(world(ROWS, seed=400 + place).with_columns(pl.col("a") * 1_000))


def judged(bench: Bench) -> dict[datetime, int]:
    """The rows of every window that was judged."""
    every = document.between(bench.workspace.ledger.states, "world", NOON - TWO_DAYS, NOON + 9 * TWO_DAYS)
    return {one.start: one.rows for one in every if one.rows}


def test_what_came_since_the_clock_was_set_back_is_judged_at_once_and_only_once(bench: Bench) -> None:
    bench.hours(4)
    bench.watch()
    until = hurried(bench)
    broken(bench, 12)
    found = bench.watch()
    assert [(one.start, one.rows) for one in found.judged] == [(NOON + place * HOUR, ROWS) for place in range(4, 16)]
    assert found.again == ()
    assert found.until == NOON + 16 * HOUR
    said, unit = (bench.workspace.ledger.incidents.get(one.id) for one in found.opened)
    assert (said.kind, said.details["cause"]) == ("service", ahead.AHEAD)
    assert "judged up to 2026-03-04 17:00 UTC, but it is 2026-03-03 04:01 UTC" in said.summary
    assert "Judging goes on from 2026-03-02 16:00 UTC" in said.summary
    assert any("a clock was ahead" in line for line in found.service)
    assert "a looks multiplied by 1000" in str(unit.details["changed"])
    again = bench.watch()
    assert (again.judged, again.again, again.opened, again.service) == ((), (), (), ())
    # its time comes: what was judged ahead stays, and only what came to it since is judged
    set_to(bench, until - HOUR)
    bench.hours(1, seed=700)
    found = bench.watch()
    assert [(one.start, one.rows) for one in found.again] == [(until - HOUR, 2 * ROWS)]
    assert sum(judged(bench).values()) == 18 * ROWS
    assert bench.workspace.ledger.incidents.get(said.id).status == "open"
    bench.hours(1, seed=701)
    assert [(one.start, one.rows) for one in bench.watch().judged] == [(until, ROWS)]
    assert bench.workspace.ledger.incidents.get(said.id).status == "closed"


def test_a_window_that_was_judged_ahead_and_got_nothing_new_is_passed(bench: Bench) -> None:
    bench.hours(2)
    bench.watch()
    until = hurried(bench)
    bench.hours(1, seed=310)
    bench.watch()
    set_to(bench, until + HOUR)
    found = bench.watch()
    assert found.again == ()
    assert all(not one.rows for one in found.judged)
    assert found.until is not None
    assert found.until > until
    assert sum(judged(bench).values()) == 4 * ROWS


def test_the_endpoint_is_looked_after_at_once(bench: Bench) -> None:
    bench.hours(6)
    bench.watch()
    hurried(bench, timedelta(days=5))
    said = watch(bench.project, bench.workspace)
    assert [one.details["cause"] for one in said.opened] == [ahead.AHEAD]
    # nothing comes any more
    bench.clock.set(bench.at + timedelta(minutes=16))
    found = watch(bench.project, bench.workspace)
    service = document.served(bench.workspace.ledger.states, "world")
    assert service.next == bench.at + timedelta(minutes=15)
    assert any("no requests came" in line for line in found.service), found.service
    assert len(service.points) == 6 * 12 + 3
    assert [one.kind for one in found.opened] == ["service"]
    assert watch(bench.project, bench.workspace).service == ()


def test_errors_since_the_clock_was_set_back_are_told(bench: Bench) -> None:
    bench.hours(6)
    bench.watch()
    hurried(bench)
    bench.serve(world(ROWS, seed=500), failed=200)
    assert any("answered with an error" in line for line in bench.watch().service)


def test_a_clock_that_is_ahead_by_less_than_a_window_is_no_matter(bench: Bench) -> None:
    bench.hours(4)
    bench.watch()
    set_to(bench, bench.at - timedelta(minutes=1))
    assert bench.watch().opened == ()
    assert document.remembered(bench.workspace.ledger.states, "world").next == NOON + 4 * HOUR


def test_a_clock_that_knows_nothing_of_the_present_is_not_believed(bench: Bench) -> None:
    bench.hours(3)
    bench.watch()
    set_to(bench, NOON - timedelta(days=900))
    found = watch(bench.project, bench.workspace)
    assert (found.judged, found.opened, found.until) == ((), (), NOON + 3 * HOUR)
    assert judged(bench) == {NOON + place * HOUR: ROWS for place in range(3)}


def test_windows_by_rows_go_on_and_what_comes_is_not_late_to_the_one_that_reached_ahead(tmp_path: Path) -> None:
    bench = Bench(tmp_path, more="[monitor]\nwindow = 300")
    bench.hours(3)
    bench.watch()
    hurried(bench)
    broken(bench, 3)
    found = bench.watch()
    assert len(found.judged) == 4
    assert found.again == ()
    assert all(NOON + 3 * HOUR <= one.start < one.end <= bench.at for one in found.judged)
    assert all(300 <= one.rows < 310 for one in found.judged)
    assert any("a is distributed otherwise" in text for one in found.judged for text in one.alerts)
    assert bench.watch().judged == ()
    bench.close()


def test_two_watches_take_it_back_once(bench: Bench) -> None:
    bench.hours(4)
    bench.watch()
    hurried(bench)
    broken(bench, 3)
    now = bench.at + timedelta(minutes=1)
    stale = document.remembered(bench.workspace.ledger.states, "world")
    together, failed = threading.Barrier(2), []

    def look() -> None:
        with Workspace.open(bench.root / ".mainspring", clock=SimulatedClock(now), actor="other") as place:
            together.wait()
            try:
                watch(bench.project, place)
            except Exception as error:
                failed.append(error)

    both = [threading.Thread(target=look) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert failed == []
    every = bench.workspace.ledger.incidents.search(model="world", limit=100)
    assert [one.details.get("cause") for one in every].count(ahead.AHEAD) == 1
    assert {start: rows for start, rows in judged(bench).items() if start < bench.at} == {
        NOON + place * HOUR: ROWS for place in range(7)
    }
    bench.clock.set(now)
    contract = bench.project.contract
    with pytest.raises(Refused):
        ahead.mended(contract, bench.workspace, ServiceWatch(contract, bench.workspace), stale)
