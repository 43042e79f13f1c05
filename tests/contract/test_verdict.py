"""The truth table of a verdict."""

from __future__ import annotations

import pytest

from mainspring.contract import Requirement, judge
from mainspring.core.estimate import Estimate

NAN = float("nan")


@pytest.mark.parametrize(
    ("requirement", "estimate", "result", "reason"),
    [
        (Requirement(metric="f1", at_least=0.5), Estimate(0.5, rows=9), "pass", ""),
        (Requirement(metric="f1", at_least=0.5), Estimate(0.49, rows=9), "fail", ""),
        (Requirement(metric="rmse", at_most=2.0), Estimate(2.0, rows=9), "pass", ""),
        (Requirement(metric="rmse", at_most=2.0), Estimate(2.1, rows=9), "fail", ""),
        (Requirement(metric="f1", below_champion_by_at_most=0.01), Estimate(-0.2, rows=9), "pass", ""),
        (Requirement(metric="f1", below_champion_by_at_most=0.01), Estimate(0.02, rows=9), "fail", ""),
        (Requirement(metric="f1", at_least=0.5), Estimate(0.9, rows=0), "fail", "no rows were looked at"),
        (Requirement(metric="f1", at_least=0.5), Estimate(NAN, rows=9), "fail", "the metric is not a number"),
        (Requirement(metric="f1", at_least=0.5), None, "not measurable", "no labels yet"),
    ],
)
def test_a_bound_is_kept_or_not(requirement: Requirement, estimate: Estimate | None, result: str, reason: str) -> None:
    verdict = judge(requirement, estimate, stage="holdout", reason="" if estimate else "no labels yet")
    assert (verdict.result, verdict.reason) == (result, reason)
    assert verdict.blocks == (result == "fail")


def test_a_should_never_blocks() -> None:
    requirement = Requirement(metric="f1", at_least=0.5, priority="should")
    assert not judge(requirement, Estimate(0.1, rows=5), stage="holdout").blocks
