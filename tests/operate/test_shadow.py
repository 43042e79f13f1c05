"""A version that listens: who may, and what it said beside the answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from mainspring.contract import Contract
from mainspring.core.clock import SimulatedClock
from mainspring.core.errors import InputError, NotFound, Refused
from mainspring.operate import rollout
from mainspring.operate.shadow import heard, listen
from mainspring.registry import Registry
from mainspring.serve import labels
from mainspring.serve.log.compact import compact
from mainspring.serve.log.schema import schema_of
from mainspring.workspace import Workspace
from tests.serve.log.workbench import made_id, prediction, spool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CONTRACT = Contract.parse("""
[project]
name = "shop"
task = "binary"
target = "bought"
[columns.age]
type = "integer"
[columns.bought]
type = "boolean"
[[require]]
metric = "accuracy"
at_least = 0.8
[[require]]
metric = "latency_p99_ms"
at_most = 20
""")


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.open(tmp_path / "ws", actor="ann", clock=SimulatedClock(NOON)) as opened:
        for _ in range(4):
            opened.ledger.models.create("shop", digest="0" * 64, passed=True)
        Registry(opened).promote("shop", 1)
        yield opened


def test_who_listens_is_asked_from_then_on_and_who_answers_stays(workspace: Workspace) -> None:
    workspace.ledger.endpoints.set("shop", canary=2, percent=5)
    listen(workspace, "shop", [3, 4, 3], reason="a look")
    rule = workspace.ledger.endpoints.get("shop")
    assert rule is not None
    assert (rule.shadow, rule.canary, rule.percent, rule.reason) == ((3, 4), 2, 5.0, "a look")
    assert listen(workspace, "shop", []).shadow == ()


def test_who_may_not_listen(workspace: Workspace) -> None:
    with pytest.raises(InputError, match="shop/1 is the champion: it answers"):
        listen(workspace, "shop", [1])
    with pytest.raises(NotFound, match="has no version 9"):
        listen(workspace, "shop", [9])
    with pytest.raises(NotFound, match="Did you mean shop"):
        listen(workspace, "shpo", [2])
    rollout.start(workspace, CONTRACT, "shop", 2)
    with pytest.raises(Refused, match="A rollout of shop/2 is running"):
        listen(workspace, "shop", [3])
    assert rollout.running(workspace.ledger.states, "shop") is not None


def test_what_it_said_stands_beside_the_answers_to_the_same_rows(workspace: Workspace) -> None:
    """Of 60 rows it predicts 45 as they were answered; all of its own are right, and rows it never saw do not count."""
    schema = [schema_of(CONTRACT, version=number, features=["age"], classes=(False, True)) for number in (1, 3)]
    ids = [made_id(NOON + timedelta(seconds=number)) for number in range(80)]
    spool(workspace, [_row(ids, number, 1, "champion", said=number % 4 != 0) for number in range(80)], schema[0])
    spool(workspace, [_row(ids, number, 3, "shadow", said=True) for number in range(60)], schema[1], source="s")
    workspace.ledger.endpoints.set("shop", shadow=[2, 3])
    assert isinstance(workspace.clock, SimulatedClock)
    workspace.clock.advance(timedelta(minutes=5))
    workspace.ledger.endpoints.set("shop", shadow=[3])
    compact(workspace, "shop")
    labels.add(workspace, "shop", [{"id": each, "label": True} for each in ids[:50]], source="test")
    (found,) = heard(workspace, CONTRACT, "shop")
    assert (found.version, found.since, found.rows, found.alike, found.labelled) == (3, NOON, 60, 0.75, 50)
    assert [(each.metric, each.value, each.result) for each in found.verdicts[:1]] == [("accuracy", 1.0, "pass")]
    assert [(each.value, each.result) for each in found.answered[:1]] == [(0.74, "fail")]
    assert {each.result for each in (*found.verdicts[1:], *found.answered[1:])} <= {"not measurable"}


def test_one_who_heard_nothing_yet(workspace: Workspace) -> None:
    assert heard(workspace, CONTRACT, "shop") == ()
    listen(workspace, "shop", [2])
    (found,) = heard(workspace, CONTRACT, "shop")
    assert (found.version, found.rows, found.alike, found.verdicts) == (2, 0, None, ())


def _row(ids: list[str], number: int, version: int, role: str, *, said: bool) -> bytes:
    moment = NOON + timedelta(seconds=number)
    return prediction(
        number, moment, id=ids[number], version=version, role=role, features=[30], prediction=said, scores=[0.4, 0.6]
    )
