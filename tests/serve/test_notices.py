"""Incidents about an endpoint end when what they tell is over, also where another endpoint had opened them."""

from __future__ import annotations

import errno
import os
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from mainspring.serve import notices as module
from mainspring.serve.log.writer import LogWriter
from mainspring.serve.notices import AGAIN, LOST, QUIET, REFUSED, SHORT, STUCK, Notices
from mainspring.serve.wire import LogTrouble
from mainspring.workspace import Workspace
from tests.serve import shop
from tests.serve.live import client, serving, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mainspring.ledger.ports.incidents import Incident


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.open(tmp_path / "workspace") as opened:
        yield opened


def notices(place: Workspace) -> Notices:
    """Those of an endpoint that has just begun."""
    return Notices(lambda: place, "shop")


def opened(place: Workspace) -> dict[str, Any]:
    found = place.ledger.incidents.search(model="shop", kind="service", status="open")
    return {each.details["cause"]: each for each in found}


def test_a_refused_version_is_told_until_it_serves_or_nobody_asks_for_it(place: Workspace) -> None:
    notices(place).refused(2, "it is damaged", kept=1)
    again = notices(place)
    again.settled({2}, {1})
    assert list(opened(place)) == [REFUSED]
    again.settled(set(), {1})
    assert not opened(place)
    again.refused(3, "it is damaged", kept=1)
    again.settled(set(), {3})
    assert not opened(place)
    last = place.ledger.incidents.search(model="shop")[0]
    assert place.ledger.incidents.get(last.id).events[-1].text == "shop/3 is served now."


def test_missing_workers_are_told_until_all_answer(place: Workspace) -> None:
    first = notices(place)
    first.workers(1, 2, "the bundle is damaged")
    assert opened(place)[SHORT].summary.endswith("1 of 2 workers of the endpoint of shop answer nobody: "
                                                 "the bundle is damaged")  # fmt: skip
    notices(place).workers(0, 2, "")
    assert not opened(place)


def test_a_log_is_well_when_every_worker_writes_its_own(place: Workspace) -> None:
    told = notices(place)
    well = LogTrouble(None, 0, 0)
    told.log(1, LogTrouble("No space left on device", 100, 3))
    told.log(2, LogTrouble("No space left on device", 5, 1))
    assert opened(place)[LOST].details["dropped"] == 100
    told.log(1, LogTrouble(None, 100, 3))
    assert list(opened(place)) == [LOST], "the other one's is not well"
    told.log(2, LogTrouble(None, 7, 1))
    found = opened(place)[LOST].details
    assert (found["error"], found["dropped"]) == ("the queue was full", 107), "fewer than the other, more than before"
    told.log(2, LogTrouble(None, 7, 1))
    assert not opened(place)

    told.log(1, LogTrouble("No space left on device", 100, 4))
    told.log_ended(1)
    notices(place).log(3, well)
    assert not opened(place), "the next endpoint's log is written"


def test_what_could_not_be_told_is_told_later(tmp_path: Path) -> None:
    rooms: list[Workspace] = []
    told = Notices(lambda: rooms[0], "shop")
    trouble = LogTrouble(None, 4, 0)
    told.log(1, trouble)  # there is no ledger
    with Workspace.open(tmp_path / "workspace") as place:
        rooms.append(place)
        told.log(1, trouble)
        assert list(opened(place)) == [LOST]


def only(place: Workspace) -> Incident:
    """The one incident that there is, with its timeline."""
    (found,) = place.ledger.incidents.search(model="shop")
    return place.ledger.incidents.get(found.id)


def test_what_stands_in_the_incident_when_it_is_closed_is_what_was_lost(place: Workspace) -> None:
    told = notices(place)
    told.log(1, LogTrouble("ENOSPC", 0, 1))
    told.log(1, LogTrouble("ENOSPC", 5_000, 9))
    assert opened(place)[LOST].details["dropped"] == 5_000
    told.log(1, LogTrouble("ENOSPC", 5_300, 10))
    told.log(1, LogTrouble(None, 5_300, 10))
    over = only(place)
    assert (over.status, over.details["dropped"]) == ("closed", 5_300)
    assert over.summary.endswith("5300 predictions were not logged")
    assert over.events[-1].text == "The prediction log is written again; 5300 predictions were not logged."

    told.log(1, LogTrouble("ENOSPC", 5_310, 11))
    assert opened(place)[LOST].details["dropped"] == 10, "not those of the trouble before"


def test_as_long_as_it_lasts_the_number_is_brought_up_to_date_and_the_timeline_stays_short(
    place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, now = notices(place), [1_000.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    for second in range(1_800):
        now[0] += 1
        told.log(1, LogTrouble(f"error {second % 100}", 100 * second, second))
        assert opened(place)[LOST].details["dropped"] >= 100 * min(second / 2, second - 60)
    events = len(only(place).events)
    assert 30 <= events < 30 + 20 + 20, "each minute, each doubling, and some reasons"
    now[0] += 60
    told.catch_up()
    assert only(place).details["dropped"] == 179_900, "also where no worker says anything any more"
    assert len(only(place).events) == events + 1


def test_when_an_endpoint_ends_in_trouble_the_number_is_right_and_the_next_one_adds_to_it(place: Workspace) -> None:
    told = notices(place)
    told.log(1, LogTrouble("ENOSPC", 1_000, 1))
    told.log_ended(1)
    told.log(1, LogTrouble("ENOSPC", 7, 1))  # another of the same number
    told.ended("http://127.0.0.1:1", "shop", is_logged=False)
    assert opened(place)[LOST].details["dropped"] == 1_007
    after = notices(place)
    after.log(8, LogTrouble("ENOSPC", 3, 1))
    after.log(8, LogTrouble(None, 3, 1))
    assert (only(place).status, only(place).details["dropped"]) == ("closed", 1_010)


def test_a_queue_that_was_full_is_over_when_nothing_more_is_lost_for_a_while(
    place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers say what changes: that nothing does, nobody says."""
    told, now = notices(place), [1_000.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    told.log(1, LogTrouble("ENOSPC", 4, 1))
    told.log(1, LogTrouble(None, 6, 1))  # it took writes again, but not before it had lost two more
    told.catch_up()
    assert list(opened(place)) == [LOST]
    now[0] += QUIET
    told.catch_up()
    assert (only(place).status, only(place).details["dropped"]) == ("closed", 6)


def test_what_nobody_shows_to_be_over_is_not(place: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    told, now = notices(place), [1_000.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    told.log(1, LogTrouble(None, 2, 0))
    told.log(1, LogTrouble("ENOSPC", 4, 1))
    told.log_ended(1)
    now[0] += 10 * QUIET
    told.catch_up()
    assert list(opened(place)) == [LOST], "no other worker has written yet"


def test_an_endpoint_that_ends_with_a_log_it_could_not_write_says_how_much_was_in_it(workspace: Path) -> None:
    (workspace / "spool").mkdir(exist_ok=True)
    (workspace / "spool" / "shop").write_text("a file where the folder should be")
    with Workspace.open(workspace) as place:
        with serving("shop", workspace=workspace) as live, client(live) as http:
            assert http.post("/predict", json=[shop.GOOD] * 50).status_code == 200
            assert http.post("/predict", json=shop.GOOD).status_code == 200
            until(lambda: LOST in opened(place))
            assert opened(place)[LOST].details["dropped"] == 0, "it may be written yet"
            assert live.end() == 0
        assert opened(place)[LOST].details["dropped"] == 51


def test_an_endpoint_tells_of_trouble_that_was_over_before_its_ledger_took_writes_again(workspace: Path) -> None:
    (workspace / "spool").mkdir(exist_ok=True)
    (workspace / "spool" / "shop").write_text("a file where the folder should be")
    with Workspace.open(workspace) as place, closing(sqlite3.connect(workspace / "ledger.db")) as ledger:
        ledger.executescript("CREATE TRIGGER full BEFORE INSERT ON incidents BEGIN SELECT RAISE(ABORT, 'full'); END")
        with serving("shop", workspace=workspace) as live, client(live) as http:
            assert http.post("/predict", json=shop.GOOD).status_code == 200
            until(lambda: live.events("incident not opened"))
            (workspace / "spool" / "shop").unlink()
            until(lambda: 'mainspring_log_pending{model="shop"} 0.0' in http.get("/metrics").text)
            time.sleep(1.5)  # that it is well is said, and nothing more after it
            ledger.executescript("DROP TRIGGER full")
            until(lambda: place.ledger.incidents.search(model="shop", status="closed"))
            assert only(place).details["cause"] == LOST


class Ledger:
    """A workspace whose ledger takes nothing while ``is_full``."""

    def __init__(self, place: Workspace) -> None:
        self.place, self.is_full, self.asked = place, False, 0

    def __call__(self) -> Workspace:
        self.asked += 1
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.place


def test_a_full_disk_that_holds_the_ledger_too_becomes_an_incident_when_it_takes_writes(
    place: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, now = Ledger(place), [1_000.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    told = Notices(ledger, "shop")
    writer = LogWriter(tmp_path / "spool", model="shop", source="test", interval=0.01)

    def full(file: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    def tell() -> None:
        status = writer.status()
        told.log(1, LogTrouble(status.error, status.dropped, status.failed))

    with monkeypatch.context() as system:
        system.setattr(os, "write", full)
        ledger.is_full = True
        writer.append(b"one", rows=700)
        until(lambda: writer.status().error is not None)
        began = datetime.now(UTC)
        tell()
    until(lambda: writer.status().error is None)
    time.sleep(0.05)
    over = datetime.now(UTC)
    tell()
    assert writer.dropped == 0, "the queue held it"
    assert not place.ledger.incidents.search(model="shop")

    now[0] += AGAIN
    told.catch_up()
    asked, ledger.is_full = ledger.asked, False
    told.catch_up()
    assert ledger.asked == asked, "it is not asked all the time"
    now[0] += AGAIN
    told.catch_up()
    found = only(place)
    assert (found.status, found.details["cause"], found.details["dropped"]) == ("closed", LOST, 0)
    assert "No space left" in found.summary
    assert found.closed is not None
    second = timedelta(seconds=1)
    assert began <= found.opened < began + second
    assert over <= found.closed < over + second
    assert writer.close()
    told.catch_up()
    assert only(place).id == found.id


def test_trouble_that_lasts_longer_than_the_ledgers_is_open_then(
    place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, now = Ledger(place), [1_000.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    told = Notices(ledger, "shop")
    told.log(1, LogTrouble("ENOSPC", 0, 1))
    ledger.is_full = True
    told.log(1, LogTrouble("ENOSPC", 5_000, 9))
    told.log(1, LogTrouble(None, 5_000, 9))
    told.log(1, LogTrouble("ENOSPC", 6_000, 12))  # the same incident: its end was never told
    ledger.is_full = False
    told.log(1, LogTrouble("ENOSPC", 6_000, 13))
    assert only(place).details["dropped"] == 6_000
    told.log(1, LogTrouble(None, 6_000, 13))
    assert (only(place).status, len(only(place).events)) == ("closed", 3)


def test_what_an_earlier_endpoint_has_opened_is_closed_when_the_ledger_can(
    place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1_000.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    notices(place).log(1, LogTrouble("ENOSPC", 1, 1))
    ledger = Ledger(place)
    told, ledger.is_full = Notices(ledger, "shop"), True
    told.log(2, LogTrouble(None, 0, 0))
    ledger.is_full = False
    now[0] += AGAIN
    told.catch_up()
    assert not opened(place)


def test_a_log_that_waits_in_its_spools_is_told_until_it_is_brought_in(
    place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str | None] = ["the store is gone"]

    def follow(_root: Any, _model: str, stop: Event, told: Any) -> None:
        for reason in said:
            told(reason)
        stop.set()

    monkeypatch.setattr("mainspring.serve.compaction.follow", follow)
    for reason, wanted in (("the store is gone", [STUCK]), (None, [])):
        said[:] = [reason]
        stop = Event()
        notices(place).compact("shop", stop)
        until(stop.is_set)
        assert list(opened(place)) == wanted
