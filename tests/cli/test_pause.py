"""``mainspring pause`` and ``resume``: orders about a model, without an incident."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

from mainspring.contract import Contract
from mainspring.operate import remedy
from mainspring.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Call

FALLBACK = '[project]\nname = "shop"\ntask = "binary"\ntarget = "y"\n[fallback]\nprediction = "no"\n'


def test_a_pause_is_ordered_and_lifted(call_in: Call, own_shop: Path) -> None:
    done = call_in("pause", "shop", "--for", "2h", "--reason", "audit", where=own_shop)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("The loop only judges shop until ")
    assert done.out.endswith(" UTC. To lift it: mainspring resume shop\n")
    found = json.loads(call_in("pause", "shop", "--json", where=own_shop).out)
    assert (found["model"], found["until"], found["reason"]) == ("shop", None, "")
    with Workspace.open(own_shop) as place:
        assert remedy.paused(place.ledger.states, "shop", place.clock.now()) is not None
        remedy.fall_back(place, Contract.parse(FALLBACK), "shop")
    assert call_in("resume", "shop", where=own_shop).out == "Lifted of shop: pause and fallback.\n"
    assert call_in("resume", "shop", where=own_shop).out.startswith("There was nothing to lift: shop is not paused")
    assert json.loads(call_in("resume", "shop", "--json", where=own_shop).out) == {"model": "shop", "lifted": []}


def test_a_pause_that_ran_out_was_not_lifted(call_in: Call, own_shop: Path) -> None:
    with Workspace.open(own_shop) as place:
        remedy.pause(place, "shop", until=place.clock.now() - timedelta(minutes=1))
    assert call_in("resume", "shop", where=own_shop).out.startswith("There was nothing to lift: shop is not paused")


def test_wrong_use_is_one_message(call_in: Call, own_shop: Path) -> None:
    for command, said in [
        (["pause", "shpo"], "No model named 'shpo'. Did you mean shop?"),
        (["resume", "shpo"], "No model named 'shpo'. Did you mean shop?"),
        (["pause", "shop", "--for", "soon"], "--for is a span of time such as 90s"),
        (["pause", "shop", "--for", "999999999d"], "--for is 36500d (100 years) at most; got '999999999d'"),
    ]:
        done = call_in(*command, where=own_shop)
        assert (done.code, done.out) == (2, "")
        assert said in done.err
