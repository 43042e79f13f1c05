"""What asks for another model, and what another model would not mend."""

from __future__ import annotations

from typing import Any

import pytest

from mainspring.contract import Verdict
from mainspring.monitor.signals import Signal
from mainspring.operate.trigger import triggers


def moved(kind: Any, column: str) -> Signal:
    return Signal(name="js", kind=kind, column=column, value=1.0, breached=True, rows=400, text=f"{column} moved")


def failed(metric: str, *, priority: Any = "must") -> Verdict:
    return Verdict(
        requirement=f"{metric} at least 0.8", metric=metric, stage="live", priority=priority, result="fail", value=0.5,
        bound=0.8, low=0.4, high=0.6, rows=400,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("verdict", "fires"),
    [
        (failed("roc_auc"), True),
        (failed("equal_opportunity_difference"), True),
        (failed("roc_auc", priority="should"), False),
        (failed("latency_p99_ms"), False),
        (failed("null_fraction"), False),
    ],
)
def test_only_a_must_that_another_model_may_keep_asks_for_one(verdict: Verdict, *, fires: bool) -> None:
    assert ("requirement" in triggers([], [verdict], {})) is fires


def test_a_column_that_broke_asks_for_no_model_that_learns_the_fault() -> None:
    broken, weights = [moved("drift", "a"), moved("data quality", "a")], {"a": 0.5, "b": 0.5}
    assert triggers(broken, [], weights) == {}
    assert triggers([*broken, moved("drift", "b")], [], weights) == {"drift": "b moved"}
    assert "requirement" in triggers(broken, [failed("roc_auc")], weights), "harm does all the same"
