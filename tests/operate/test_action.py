"""What may be done about an incident, and what is advised."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from mainspring.contract import Contract
from mainspring.core.clock import SimulatedClock
from mainspring.core.errors import NotFound, Refused
from mainspring.ledger.ports.incidents import Incident, Suspect
from mainspring.ledger.ports.models import Transition
from mainspring.operate import remedy
from mainspring.operate.action import act, advise, suggestion
from mainspring.operate.rollout import start
from mainspring.registry import Registry
from mainspring.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
TEXT = '[project]\nname = "shop"\ntask = "binary"\ntarget = "y"\n'
CONTRACT = Contract.parse(TEXT + '[fallback]\nprediction = "no"\n')


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock(START)


@pytest.fixture
def workspace(tmp_path: Path, clock: SimulatedClock) -> Iterator[Workspace]:
    with Workspace.open(tmp_path / "ws", actor="ann", clock=clock) as opened:
        for _ in range(3):
            opened.ledger.models.create("shop", digest="0" * 64, passed=True)
        registry = Registry(opened)
        registry.promote("shop", 1)
        clock.advance(48 * HOUR)
        registry.promote("shop", 2)
        yield opened


def incident(workspace: Workspace, kind: str = "performance") -> Incident:
    return workspace.ledger.incidents.open(model="shop", kind=kind, summary="It does worse.")


def timeline(workspace: Workspace, number: int) -> list[tuple[str, str]]:
    return [(event.kind, event.text) for event in workspace.ledger.incidents.get(number).events[1:]]


def test_a_rollback_goes_through_the_registry(workspace: Workspace) -> None:
    one = incident(workspace)
    start(workspace, CONTRACT, "shop", 3)
    said = act(workspace, None, one, "rollback")
    assert said == "rolled back from version 2 to version 1; the rollout of version 3 is stopped"
    assert workspace.ledger.endpoints.live("shop").champion == 1
    assert Registry(workspace).history("shop")[-1].reason == f"incident {one.id}"
    assert timeline(workspace, one.id) == [("action", said)]
    assert workspace.ledger.incidents.get(one.id).action == "rollback"


def test_an_action_that_is_refused_leaves_nothing(workspace: Workspace) -> None:
    one = incident(workspace)
    with pytest.raises(Refused, match=r"declares nothing to fall back to.*\n.*\[fallback\]"):
        act(workspace, Contract.parse(TEXT), one, "fallback")
    with pytest.raises(NotFound, match="Did you mean retrain"):
        act(workspace, None, one, "retrian")
    workspace.ledger.incidents.close(one.id)
    with pytest.raises(Refused, match="was closed"):
        act(workspace, None, one, "pause")
    assert remedy.paused(workspace.ledger.states, "shop", START) is None
    assert [kind for kind, _ in timeline(workspace, one.id)] == ["closed"]


def test_a_retrain_is_asked_for_once_and_answered(workspace: Workspace) -> None:
    states = workspace.ledger.states
    one, other = incident(workspace), incident(workspace)
    assert act(workspace, None, one, "retrain", reason="autumn") == "asked the loop for a retrain"
    assert act(workspace, None, other, "retrain") == "a retrain was asked for before and is still to come"
    asked = remedy.waiting(states, "shop")
    assert asked is not None
    assert (asked.by, asked.reason, asked.incident, asked.status) == ("ann", "autumn", one.id, "waiting")
    taken = remedy.take(states, asked)
    with pytest.raises(Refused, match="someone was faster"):
        remedy.take(states, asked)
    left = remedy.waiting(states, "shop")
    assert left == taken, "who takes it and is killed leaves it to be taken again"
    remedy.answer(states, taken, done=True, outcome="version 4 went live")
    assert remedy.waiting(states, "shop") is None
    last = remedy.last_request(states, "shop")
    assert last is not None
    assert (last.status, last.outcome) == ("done", "version 4 went live")
    assert act(workspace, None, one, "retrain") == "asked the loop for a retrain"


def test_what_a_fence_forbids_is_not_written(workspace: Workspace) -> None:
    leases = workspace.ledger.leases
    old = leases.acquire("loop/shop", "slow", 10)
    assert old is not None
    leases.release(old)
    assert leases.acquire("loop/shop", "next", 10) is not None
    asked = remedy.ask_retrain(workspace, "shop")
    with pytest.raises(Refused):
        remedy.take(workspace.ledger.states, asked, fence=(old.name, old.token))


def test_a_pause_ends_by_itself_or_is_lifted(workspace: Workspace, clock: SimulatedClock) -> None:
    states, one = workspace.ledger.states, incident(workspace)
    until = clock.now() + 2 * HOUR
    assert act(workspace, None, one, "pause", until=until) == "the loop only judges until 2026-01-03 02:00 UTC"
    assert remedy.paused(states, "shop", until - HOUR) is not None
    assert remedy.paused(states, "shop", until) is None
    act(workspace, None, one, "pause")
    assert remedy.paused(states, "shop", until + 999 * HOUR) is not None
    assert act(workspace, None, one, "resume") == "lifted: pause"
    assert act(workspace, None, one, "resume") == "there was nothing to lift"


def test_what_was_ordered_is_lifted_after_the_incident_is_closed(workspace: Workspace) -> None:
    states, one = workspace.ledger.states, incident(workspace)
    act(workspace, None, one, "pause")
    act(workspace, CONTRACT, one, "fallback")
    workspace.ledger.incidents.close(one.id)
    assert act(workspace, None, one, "resume", reason="it is over") == "lifted: pause and fallback"
    assert remedy.paused(states, "shop", START) is None
    assert remedy.falling_back(states, "shop") is None
    assert timeline(workspace, one.id)[-1] == ("action", "lifted: pause and fallback: it is over")
    assert workspace.ledger.incidents.get(one.id).action == "fallback", "what is closed stays as it was"


def test_a_fallback_is_of_the_targets_type_and_makes_endpoints_look(workspace: Workspace) -> None:
    one = incident(workspace)
    before = workspace.ledger.endpoints.live("shop").revision
    assert act(workspace, CONTRACT, one, "fallback") == "the endpoint answers no to everything until it is resumed"
    middle = workspace.ledger.endpoints.live("shop").revision
    found = remedy.falling_back(workspace.ledger.states, "shop")
    assert found is not None
    assert (found.prediction, found.incident) == ("no", one.id)
    act(workspace, CONTRACT, one, "resume")
    assert before < middle < workspace.ledger.endpoints.live("shop").revision
    assert remedy.falling_back(workspace.ledger.states, "shop") is None
    number = Contract.parse(TEXT.replace("binary", "regression") + "[fallback]\nprediction = 12.5\n")
    remedy.fall_back(workspace, number, "shop")
    state = workspace.ledger.states.get("fallback", "shop")
    assert state is not None
    assert state.value["prediction"] == 12.5


def made(kind: str = "performance", **more: Any) -> Incident:
    return Incident(
        id=7, model="shop", kind=kind, status="open", summary="", opened=START, updated=START, **more
    )  # fmt: skip


def changes(hours: float) -> tuple[Transition, ...]:
    def change(before: int | None, after: int, time: datetime) -> Transition:
        return Transition(name="shop", alias="champion", before=before, after=after, actor="ann", time=time)

    return change(None, 1, START - 999 * HOUR), change(1, 2, START - hours * HOUR), change(2, 3, START + HOUR)


@pytest.mark.parametrize(
    ("incident", "known", "action", "said"),
    [
        (made(), {"champions": changes(3.5)}, "rollback", "version 2 went live 3h 30m before"),
        (made(), {"champions": changes(30)}, "retrain", "the model does worse"),
        (made(), {"champions": changes(3)[:1]}, "retrain", "the model does worse"),
        (made(), {"rolling": 4, "champions": changes(3)}, "stop the rollout", "version 4 is being rolled out"),
        (made("data quality", suspects=(Suspect(name="age", score=1),)), {}, "mend the source", "age broke upstream"),
        (made("service"), {}, "look at the endpoint", "answers fail or come late"),
        (made("service"), {"can_fall_back": True}, "fallback", "answers fail or come late"),
        (made("drift"), {}, "watch", "nothing is shown to be worse yet"),
        (made(action="retrain"), {"rolling": 4}, "wait", "retrain was done; see whether it helps"),
        (replace(made(), status="closed"), {"rolling": 4}, "none", "it is over"),
    ],
)
def test_advice(incident: Incident, known: dict[str, Any], action: str, said: str) -> None:
    advice = suggestion(incident, **known)
    assert advice.action == action
    assert said in advice.why
    assert advice.command in ("", f"mainspring incidents act 7 {action}", "mainspring incidents act 7 pause",
                              "mainspring rollout shop --abort")  # fmt: skip


def test_advice_from_what_the_ledger_knows(workspace: Workspace) -> None:
    assert advise(workspace, CONTRACT, incident(workspace)).action == "rollback"
    start(workspace, CONTRACT, "shop", 3)
    assert advise(workspace, None, incident(workspace)).command == "mainspring rollout shop --abort"
