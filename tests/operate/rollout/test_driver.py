"""Rollouts on a real ledger: what becomes true together, who may act, and what a kill leaves behind."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, Any

import pytest

from mainspring.core.clock import SimulatedClock
from mainspring.core.errors import NotFound, Refused, StoreError
from mainspring.operate import remedy
from mainspring.operate.live.lease import held
from mainspring.operate.rollout import Evidence, Judged, abort, last, outlook, rollback, running, start, tick
from mainspring.registry import Registry
from mainspring.workspace import Workspace
from tests.operate.rollout import killed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mainspring.operate.rollout import Tick

START = datetime(2026, 1, 1, tzinfo=UTC)
CONTRACT = killed.CONTRACT
GOOD = Evidence(rows=1_000, champion=1)


def models(workspace: Workspace) -> None:
    digest = workspace.store.put(b"a model")
    for passed in (True, True, False, True):
        workspace.ledger.models.create("shop", digest=digest, passed=passed)
    Registry(workspace).promote("shop", 1)


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock(START)


@pytest.fixture
def workspace(tmp_path: Path, clock: SimulatedClock) -> Iterator[Workspace]:
    with Workspace.open(tmp_path / "ws", actor="ann", clock=clock) as opened:
        models(opened)
        yield opened


def seen(workspace: Workspace, evidence: Evidence = GOOD) -> Tick | None:
    return tick(workspace, CONTRACT, "shop", gather=lambda *_: evidence)


def percents(workspace: Workspace) -> list[float]:
    return [rule.percent for rule in workspace.ledger.endpoints.history("shop")]


def champion(workspace: Workspace) -> int | None:
    return workspace.ledger.models.aliases("shop").get("champion")


def test_it_goes_up_the_steps_and_ends_as_champion(workspace: Workspace, clock: SimulatedClock) -> None:
    workspace.ledger.endpoints.set("shop", shadow=[4, 2])
    start(workspace, CONTRACT, "shop", 2, reason="better on autumn")
    assert (percents(workspace), workspace.ledger.endpoints.get("shop").shadow) == ([0, 5], (4,))  # type: ignore[union-attr]
    found = []
    while (one := seen(workspace)) is not None:
        found.append(one.decision.action)
        clock.advance(timedelta(minutes=5))
    assert found == ["hold", "hold", "advance", "hold", "advance", "hold", "finish"]
    assert percents(workspace) == [0, 5, 25, 100, 0]
    assert champion(workspace) == 2
    assert Registry(workspace).history("shop")[-1].reason.startswith("better on autumn: rollout: 1,000 rows answered")
    done = last(workspace.ledger.states, "shop")
    assert done is not None
    assert (done.status, [note.action for note in done.notes]) == ("done", ["start", "advance", "advance", "finish"])
    assert workspace.ledger.audit.verify() is None


def test_what_breaks_is_taken_back_and_told_as_one_incident_that_is_over(workspace: Workspace) -> None:
    start(workspace, CONTRACT, "shop", 2)
    broken = Judged(name="errors", result="fail", text="errors: 4 % of 100 answers, 0 % before", sure=True)
    one = seen(workspace, replace(GOOD, compared=(broken,)))
    assert one is not None
    assert one.decision.action == "roll back"
    assert (percents(workspace), champion(workspace)) == ([5, 0], 1)
    (incident,) = workspace.ledger.incidents.search(model="shop")
    assert (incident.kind, incident.status, incident.action) == ("service", "closed", "roll back")
    assert incident.summary == (
        "Version 2 was taken back from 5 % of the traffic: errors: 4 % of 100 answers, 0 % before. "
        "Version 1 answers everything again."
    )
    assert seen(workspace) is None


def test_another_begins_only_when_the_one_is_over_and_the_earlier_is_kept(
    workspace: Workspace, clock: SimulatedClock
) -> None:
    start(workspace, CONTRACT, "shop", 2)
    with pytest.raises(Refused, match=r"A rollout of shop/2 is running, at 5 %.*mainspring rollout shop --abort"):
        start(workspace, CONTRACT, "shop", 4)
    abort(workspace, "shop")
    clock.advance(timedelta(hours=1))
    assert start(workspace, CONTRACT, "shop", 4, steps=[0.5, 100]).percent == 0.5
    (earlier,) = workspace.ledger.states.search("rollouts", "shop/")
    assert (earlier.value["version"], earlier.value["outcome"]) == (2, "stopped by ann")


@pytest.mark.parametrize(
    ("version", "said"),
    [(1, "shop/1 is the champion already"), (3, 'shop/3 failed a must before release.*--override "why it may"')],
)
def test_what_may_not_go_live_does_not_begin(workspace: Workspace, version: int, said: str) -> None:
    with pytest.raises(Refused, match=said):
        start(workspace, CONTRACT, "shop", version)
    assert percents(workspace) == []


def test_a_failed_must_may_go_live_where_somebody_says_why(workspace: Workspace) -> None:
    start(workspace, CONTRACT, "shop", 3, override="the old one is wrong", steps=[100], hold=timedelta(0))
    assert seen(workspace) is not None
    assert champion(workspace) == 3
    assert Registry(workspace).history("shop")[-1].override == "the old one is wrong"


def test_the_promotion_of_another_version_is_refused_meanwhile(workspace: Workspace) -> None:
    start(workspace, CONTRACT, "shop", 2)
    registry = Registry(workspace)
    with pytest.raises(Refused, match=r"shop/4 cannot become champion: version 2 is being rolled out.*--abort"):
        registry.promote("shop", 4)
    registry.promote("shop", 4, alias="challenger")
    assert running(workspace.ledger.states, "shop") is not None
    # an override is taken, shows in the history, and ends the rollout
    registry.promote("shop", 4, override="the champion leaks")
    assert registry.history("shop")[-1].override == "the champion leaks"
    one = seen(workspace)
    assert one is not None
    assert (one.decision.action, one.rollout.status) == ("abort", "aborted")
    assert "version 4 is champion" in one.rollout.outcome
    assert (percents(workspace), champion(workspace)) == ([5, 0], 4)


def test_its_own_version_may_be_promoted_by_hand_which_ends_it(workspace: Workspace) -> None:
    start(workspace, CONTRACT, "shop", 2)
    Registry(workspace).promote("shop", 2)
    one = seen(workspace)
    assert one is not None
    assert one.rollout.status == "done"
    assert (percents(workspace), champion(workspace)) == ([5, 0], 2)
    assert len(Registry(workspace).history("shop")) == 2


def test_who_changes_the_traffic_takes_over(workspace: Workspace) -> None:
    start(workspace, CONTRACT, "shop", 2)
    workspace.ledger.endpoints.set("shop", canary=4, percent=50)
    one = seen(workspace)
    assert one is not None
    assert (one.rollout.status, one.rollout.outcome) == ("aborted", "somebody changed the traffic")
    assert percents(workspace) == [5, 50]


def test_a_rollback_takes_back_champion_and_canary_at_once(workspace: Workspace) -> None:
    Registry(workspace).promote("shop", 4)
    start(workspace, CONTRACT, "shop", 2)
    change, stopped = rollback(workspace, "shop", reason="complaints")
    assert change is not None
    assert (change.before, change.after) == (4, 1)
    assert stopped is not None
    assert (stopped.status, stopped.outcome) == ("aborted", "complaints")
    live = workspace.ledger.endpoints.live("shop")
    assert (live.champion, live.traffic and live.traffic.canary) == (1, None)
    assert seen(workspace) is None


def test_a_rollback_with_nothing_before_the_champion_takes_back_the_canary_alone(workspace: Workspace) -> None:
    with pytest.raises(Refused, match="no champion came before shop/1"):
        rollback(workspace, "shop")
    start(workspace, CONTRACT, "shop", 2)
    change, stopped = rollback(workspace, "shop")
    assert change is None
    assert stopped is not None
    assert percents(workspace) == [5, 0]
    workspace.ledger.endpoints.set("shop", canary=4, percent=50)
    assert rollback(workspace, "shop") == (None, None)
    assert percents(workspace) == [5, 0, 50, 0]


def test_abort_names_what_is_not_there(workspace: Workspace) -> None:
    with pytest.raises(NotFound, match="No rollout of 'shop' is running"):
        abort(workspace, "shop")


def test_a_log_that_cannot_be_read_holds_the_step(workspace: Workspace, clock: SimulatedClock) -> None:
    def gone(*_: Any) -> Evidence:
        raise StoreError("the store is gone")

    start(workspace, CONTRACT, "shop", 2)
    clock.advance(timedelta(hours=1))
    one = tick(workspace, CONTRACT, "shop", gather=gone)
    assert one is not None
    assert (one.decision.action, "the store is gone" in one.decision.reason) == ("hold", True)


def test_a_version_whose_answers_cannot_be_read_for_long_is_taken_back(
    workspace: Workspace, clock: SimulatedClock
) -> None:
    def defect(*_: Any) -> Evidence:
        raise TypeError("a defect")

    start(workspace, CONTRACT, "shop", 2)
    for minutes in range(5):
        one = tick(workspace, CONTRACT, "shop", gather=defect)
        assert one is not None
        assert one.decision.action == ("roll back" if minutes == 3 else "hold")
        if one.rollout.status != "running":
            break
        clock.advance(CONTRACT.rollout.hold)
    assert percents(workspace)[-1] == 0
    assert champion(workspace) == 1
    incident = workspace.ledger.incidents.search()[0]
    assert incident.kind == "service"
    assert "TypeError: a defect. Version 1 answers everything again" in incident.summary


def test_a_version_that_an_endpoint_cannot_load_is_taken_back(workspace: Workspace) -> None:
    start(workspace, CONTRACT, "shop", 2)
    workspace.ledger.states.put("serve", "shop", {"refused": {"1": "not this one", "3": "nor this"}})
    assert outlook(workspace, CONTRACT, "shop", gather=lambda *_: GOOD) is not None
    one = seen(workspace)
    assert one is not None
    assert one.decision.action == "hold"
    workspace.ledger.states.put("serve", "shop", {"refused": {"2": "model.txt is damaged"}})
    one = seen(workspace)
    assert one is not None
    assert one.rollout.status == "rolled back"
    assert one.rollout.outcome == "an endpoint cannot load it: model.txt is damaged"
    assert workspace.ledger.incidents.search()[0].kind == "service"
    assert outlook(workspace, CONTRACT, "shop") is None


def test_a_pause_holds_the_step_and_a_fallback_does_not_end_it(workspace: Workspace, clock: SimulatedClock) -> None:
    start(workspace, CONTRACT, "shop", 2)
    clock.advance(timedelta(hours=1))
    remedy.pause(workspace, "shop", reason="audit")
    one = seen(workspace)
    assert one is not None
    assert one.decision.reason == "paused: audit"
    contract = replace(CONTRACT, fallback=replace(CONTRACT.fallback, prediction="no"))
    before = workspace.ledger.endpoints.live("shop").revision
    remedy.fall_back(workspace, contract, "shop")
    assert workspace.ledger.endpoints.live("shop").revision > before
    assert remedy.resume(workspace, "shop") == ("pause", "fallback")
    one = seen(workspace)
    assert one is not None
    assert one.decision.action == "advance"


def test_only_who_holds_the_lease_acts(workspace: Workspace, clock: SimulatedClock) -> None:
    start(workspace, CONTRACT, "shop", 2)
    clock.advance(timedelta(hours=1))
    leases = workspace.ledger.leases
    lease = leases.acquire("rollout/shop", "another machine", 30)
    assert lease is not None
    one = seen(workspace)
    assert one is not None
    assert (one.busy, one.decision.reason) == (True, "another machine drives it")
    leases.release(lease)
    one = seen(workspace)
    assert one is not None
    assert (one.busy, one.decision.action) == (False, "advance")


def test_who_was_too_slow_writes_nothing(workspace: Workspace, clock: SimulatedClock, tmp_path: Path) -> None:
    """A driver sleeps over the log for longer than its lease; another takes the step meanwhile."""
    start(workspace, CONTRACT, "shop", 2)
    clock.advance(timedelta(hours=1))

    def slow(*_: Any) -> Evidence:
        clock.advance(timedelta(minutes=1))
        with Workspace.open(tmp_path / "ws", actor="bob", clock=clock) as other:
            quick = seen(other)
            assert quick is not None
            assert quick.decision.action == "advance"
        clock.advance(timedelta(minutes=20))
        return GOOD

    one = tick(workspace, CONTRACT, "shop", gather=slow)
    assert one is not None
    assert (one.busy, one.decision.action, one.rollout.at) == (True, "hold", 1)
    assert percents(workspace) == [5, 25]


def test_who_reads_the_log_for_longer_than_the_lease_lasts_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mainspring.operate.rollout.driver.held", partial(held, seconds=0.5))
    with Workspace.open(tmp_path / "ws", actor="ann") as workspace, Workspace.open(tmp_path / "ws") as other:
        models(workspace)
        start(workspace, CONTRACT, "shop", 2, hold=timedelta(0))

        def slow(*_: Any) -> Evidence:
            sleep(1.2)
            second = seen(other)
            assert second is not None
            assert second.busy
            return GOOD

        one = tick(workspace, CONTRACT, "shop", gather=slow)
    assert one is not None
    assert (one.busy, one.decision.action) == (False, "advance")


def test_since_when_something_looks_broken_is_remembered(workspace: Workspace, clock: SimulatedClock) -> None:
    start(workspace, CONTRACT, "shop", 2)
    bad = replace(GOOD, required=(Judged(name="accuracy", result="fail", text="accuracy is 0.7"),), looked=500)
    found: list[tuple[str, datetime | None]] = []
    for minutes in (0, 60, 29, 1):  # the hold is ten minutes
        clock.advance(timedelta(minutes=minutes))
        looked = seen(workspace, bad if found else replace(GOOD, rows=5))
        assert looked is not None
        found.append((looked.decision.action, looked.rollout.failing_since))
    begun = START + timedelta(hours=1)
    assert found == [("hold", None), ("hold", begun), ("hold", begun), ("roll back", begun)]


def test_an_abort_while_the_log_is_read_wins(workspace: Workspace, clock: SimulatedClock) -> None:
    start(workspace, CONTRACT, "shop", 2)
    clock.advance(timedelta(hours=1))

    def interrupted(*_: Any) -> Evidence:
        abort(workspace, "shop")
        return GOOD

    assert tick(workspace, CONTRACT, "shop", gather=interrupted) is None
    assert (percents(workspace), champion(workspace)) == ([5, 0], 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
@pytest.mark.parametrize(
    ("kind", "course", "end", "status"),
    [("good", [5.0, 25.0, 100.0, 0.0], 2, "done"), ("broken", [5.0, 25.0, 0.0], 1, "rolled back")],
)
@pytest.mark.parametrize(
    ("first", "stride"), [(2, 5), *(pytest.param(first, 5, marks=pytest.mark.slow) for first in (1, 3, 4, 5))]
)
def test_a_kill_at_any_statement_leaves_a_rollout_that_goes_on(
    tmp_path: Path, kind: str, course: list[float], end: int, status: str, first: int, stride: int
) -> None:
    with Workspace.open(tmp_path / "template", actor="ann") as workspace:
        models(workspace)
    remains = tmp_path / "remains"
    remains.mkdir()
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-m", "tests.operate.rollout.killed", tmp_path / "template", remains, kind,
         str(first), str(stride)],
        cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    places = sorted(remains.iterdir(), key=lambda place: int(place.name))
    assert len(places) > 10
    later = SimulatedClock(datetime.now(UTC) + timedelta(minutes=5))
    found: set[int] = set()
    for place in places:
        with Workspace.open(place, actor="next", create=False, clock=later) as workspace:
            states = workspace.ledger.states
            left = last(states, "shop")
            found.add(len(percents(workspace)))
            # what the kill left is one of the states between two steps, never something in between
            assert percents(workspace) == course[: len(percents(workspace))]
            assert (left.percent if left else 0) == (percents(workspace) or [0])[-1]
            assert champion(workspace) == (end if left and left.status == status else 1)
            if left is None:
                start(workspace, CONTRACT, "shop", 2, hold=timedelta(0), minimum_rows=1)
            while tick(workspace, CONTRACT, "shop", gather=killed.GATHER[kind]) is not None:
                pass
            after = last(states, "shop")
            assert after is not None
            assert (percents(workspace), champion(workspace), after.status) == (course, end, status)
            assert len(workspace.ledger.incidents.search()) == (1 if kind == "broken" else 0)
            assert workspace.ledger.audit.verify() is None
    assert found == set(range(len(course) + 1))
