"""``mainspring slo``."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from mainspring.contract import Contract, judge
from mainspring.core.estimate import Estimate
from mainspring.operate.budget import record
from mainspring.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Call


def judged(where: Path, values: list[float | None]) -> None:
    """A window an hour, the last of which has just ended."""
    requirement = Contract.load(where / "mainspring.toml").requirements[0]
    now = datetime.now(UTC)
    with Workspace.open(where) as place:
        for hour, value in enumerate(reversed(values)):
            end = now - timedelta(hours=hour)
            verdict = judge(requirement, None if value is None else Estimate(value, rows=60), stage="live")
            record(
                place.ledger.states, model="shop", start=end - timedelta(hours=1), end=end, version=1, rows=60,
                verdicts=[verdict],
            )  # fmt: skip


def test_nothing_yet(call_in: Call, own_shop: Path) -> None:
    done = call_in("slo", where=own_shop)
    assert (done.code, done.err) == (0, "")
    assert "There is nothing to say about shop yet: no window of it has been judged" in done.out


def test_a_budget_that_is_left(call_in: Call, own_shop: Path) -> None:
    judged(own_shop, [0.9] * 50 + [None] * 3)
    done = call_in("slo", "--json", where=own_shop)
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert (found["model"], found["windows"]) == ("shop", 53)
    (one,) = found["budgets"]
    assert (one["requirement"], one["health"], one["attained"]) == ("roc_auc at least 0.7", "kept", 1.0)
    assert one["left"] == one["allowed"] == 28 * 86_400 * 0.01
    done = call_in("slo", "shop", "-o", "slo.html", where=own_shop)
    assert "roc_auc at least 0.7  100.00%  0.99       6h 43m  6h 43m            3h" in done.out
    assert "Every requirement that was measured keeps within its budget" in (own_shop / "slo.html").read_text()


def test_a_spent_must_leaves_with_one(call_in: Call, own_shop: Path) -> None:
    judged(own_shop, [0.5] * 8)
    done = call_in("slo", "shop", where=own_shop)
    assert done.code == 1
    assert "−1h 17m" in done.out
    assert "spent" in done.out
    done = call_in("slo", "shop", "--over", "2w", "--workspace", ".mainspring", where=own_shop)
    assert done.code == 1


def test_what_never_held_is_not_kept_though_little_was_measured(call_in: Call, own_shop: Path) -> None:
    judged(own_shop, [0.5] * 2 + [None] * 170)
    (one,) = json.loads(call_in("slo", "--json", where=own_shop).out)["budgets"]
    assert (one["attained"], one["health"]) == (0.0, "unproven")
    assert one["left"] > 0
    done = call_in("slo", "-o", "slo.html", where=own_shop)
    assert done.code == 0
    assert "0.00%" in done.out
    assert "unproven: it held for less of the measured time than its objective" in done.out
    text = (own_shop / "slo.html").read_text()
    assert "roc_auc at least 0.7 held for less of the measured time than its objective." in text
    assert "keeps within its budget" not in text


def test_wrong_use_is_one_message(call_in: Call, own_shop: Path) -> None:
    for arguments, said in (
        (["shpo"], "Did you mean shop?"),
        (["shop", "--over", "soon"], "--over is a span of time such as 90s"),
        (["shop", "--over", "500d"], "--over is 400d at most, for older windows are not kept; got '500d'"),
    ):
        done = call_in("slo", *arguments, where=own_shop)
        assert (done.code, done.out) == (2, "")
        assert said in done.err
