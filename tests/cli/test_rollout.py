"""``mainspring rollout`` and what it means for ``promote`` and ``rollback``."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from mainspring.cli.rollout import _said
from mainspring.operate.rollout import Decision, Rollout, Tick, abort
from mainspring.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Call


def test_begin_look_and_abort(call_in: Call, own_shop: Path) -> None:
    done = call_in("rollout", "shop", "--status", where=own_shop)
    assert (done.code, done.out) == (0, "There was no rollout of shop yet.\n")
    done = call_in("rollout", "shop", "3", "--steps", "0.5,50,100", "--hold", "1h", "--detach", where=own_shop)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("shop/3 beside shop/1: running  [0.5 %] → 50 % → 100 %\n")
    assert done.out.rstrip().endswith("Next: hold: 0 of 100 rows answered at this step")
    found = json.loads(call_in("rollout", "shop", "--status", "--json", where=own_shop).out)
    assert found["next"]["action"] == "hold"
    assert (found["model"], found["rollout"]["status"], found["rollout"]["hold"]) == ("shop", "running", "PT3600S")
    again = ["rollout", "shop", "3", "--detach", "--steps", "0.5,50,100"]
    assert call_in(*again, where=own_shop).code == 0
    done = call_in(*again, "--hold", "2h", "--minimum-rows", "5", where=own_shop)
    assert (done.code, done.out) == (2, "")
    assert "runs already, by steps of 0.5, 50, 100 % held for 1h with at least 100 rows" in " ".join(done.err.split())
    assert "Leave out --hold, --minimum-rows to go on with it" in " ".join(done.err.split())
    done = call_in("rollout", "shop", "--abort", "--reason", "not today", where=own_shop)
    assert done.code == 0
    assert "aborted" in done.out.splitlines()[0]
    assert done.out.rstrip().endswith("not today")
    assert call_in("rollout", "shop", "--abort", where=own_shop).code == 2


def test_what_was_seen_is_told_of_the_step_where_it_was_seen() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    made = Rollout(
        model="shop", version=3, champion=1, steps=(5.0, 25.0, 100.0), hold=timedelta(minutes=1), minimum_rows=10,
        started=start, since=start, traffic=1,
    )  # fmt: skip
    for at, status, action, text in (
        (0, "running", "hold", "5 %: hold: 12 rows"),
        (1, "running", "advance", "5 %: advance to 25 %: 12 rows"),
        (2, "running", "advance", "25 %: advance to 100 %: 12 rows"),
        (2, "done", "finish", "100 %: finish: 12 rows"),
        (1, "rolled back", "roll back", "25 %: roll back: 12 rows"),
    ):
        tick = Tick(replace(made, at=at, status=status), Decision(action, "12 rows"))  # type: ignore[arg-type]
        assert _said(tick) == text


def test_a_rollback_takes_the_canary_back_too(call_in: Call, own_shop: Path) -> None:
    call_in("rollout", "shop", "3", "--detach", where=own_shop)
    done = call_in("rollback", "shop", where=own_shop)
    assert (done.code, done.out) == (
        0,
        "The rollout of shop/3 is stopped: no traffic goes to it any more.\n"
        "shop/1 stays the champion (none came before it) and answers everything.\n",
    )
    with Workspace.open(own_shop) as place:
        live = place.ledger.endpoints.live("shop")
    assert (live.champion, live.traffic and (live.traffic.canary, live.traffic.percent)) == (1, (None, 0.0))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["shop", "3", "--steps", "25,5,100"], "--steps are rising percents that end at 100, such as 5,25,100"),
        (["shop", "3", "--steps", "5,50"], "--steps are rising percents that end at 100"),
        (["shop", "3", "--steps", "1e-9,100"], "--steps begin with at least 0.01 %, the least share of the traffic"),
        (["shpo", "--status", "--json"], "Did you mean shop?"),
        (["shop", "3", "--minimum-rows", "0"], "--minimum-rows is a number of rows from 1 on"),
        (["shop", "3", "--hold", "soon"], "--hold is a span of time such as 90s, 10m"),
        (["shop", "3", "--abort", "--status"], "Choose one of --abort, --status and --detach"),
        (["shop", "1"], "shop/1 is the champion already"),
        (["shop", "2"], "shop/2 failed a must before release"),
        (["shop", "9"], "has no version 9; it has 1 to 3"),
        (["shpo", "--status"], "Did you mean shop?"),
        (["shop", "--abort"], "No rollout of 'shop' is running"),
    ],
)
def test_wrong_use_is_one_message_and_changes_nothing(
    call_in: Call, shop: Path, arguments: list[str], message: str
) -> None:
    done = call_in("rollout", *arguments, where=shop)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    with Workspace.open(shop) as place:
        assert place.ledger.endpoints.history("shop") == ()


def test_a_promotion_meanwhile_stops_it_and_a_run_does_not_promote(call_in: Call, own_shop: Path) -> None:
    call_in("rollout", "shop", "3", "--detach", where=own_shop)
    contract = own_shop / "mainspring.toml"
    contract.write_text(contract.read_text().replace('promotion = "approval"', 'promotion = "rule"'))
    done = call_in("run", "--set", "kind=linear", where=own_shop)
    said = " ".join((done.out + done.err).split())
    assert "version 3 is being rolled out. When that is over: mainspring promote shop 4" in said
    done = call_in("promote", "shop", "4", where=own_shop)
    assert done.code == 2
    assert "shop/4 cannot become champion: version 3 is being rolled out" in done.err
    done = call_in("promote", "shop", "4", "--override", "the champion leaks", where=own_shop)
    assert (done.code, done.out.splitlines()[0]) == (0, "The rollout of shop/3 is aborted.")
    done = call_in("rollout", "shop", "--status", where=own_shop)
    assert "version 4 is champion, so what was measured against version 1 no longer counts" in done.out
    call_in("rollout", "shop", "3", "--detach", where=own_shop)
    done = call_in("promote", "shop", "3", where=own_shop)
    assert (done.code, done.out.splitlines()[0]) == (0, "The rollout of shop/3 is done.")
    with Workspace.open(own_shop) as place:
        rules = [(rule.canary, rule.percent) for rule in place.ledger.endpoints.history("shop")]
    assert rules == [(3, 5), (None, 0)] * 2


def test_in_the_foreground_it_follows_until_the_end(call_in: Call, own_shop: Path) -> None:
    def stop() -> None:
        with Workspace.open(own_shop) as place:
            while True:
                rule = place.ledger.endpoints.get("shop")
                if rule is not None and rule.canary == 3:
                    abort(place, "shop", reason="by another process")
                    return
                time.sleep(0.05)

    other = threading.Thread(target=stop)
    other.start()
    done = call_in("rollout", "shop", "3", "--hold", "2s", where=own_shop)
    other.join()
    assert done.code == 1, done.err
    assert "aborted" in done.out.splitlines()[0]
    assert "5 % of the traffic" in done.err
