"""Incidents about an endpoint end when what they tell is over, also where another endpoint had opened them."""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from mainspring.serve.notices import LOST, REFUSED, SHORT, STUCK, Notices
from mainspring.serve.wire import LogTrouble
from mainspring.workspace import Workspace
from tests.serve.live import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


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
