"""Verdicts: one code for the holdout and for live windows, and what each says when it cannot measure."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl
import pytest

from mainspring.contract import Column, Contract, ProjectSection, Requirement, Verdict
from mainspring.core.errors import InputError
from mainspring.core.estimate import Estimate
from mainspring.core.predictions import Predictions
from mainspring.evaluate import difference, measure, verdicts

ROWS = 200


def said(chance: Any) -> Predictions:
    chance = np.asarray(chance, dtype=np.float64)
    return Predictions(np.where(chance >= 0.5, "yes", "no"), np.column_stack([1 - chance, chance]), ("no", "yes"))


def contract(*requirements: Requirement, **more: Any) -> Contract:
    columns = {name: Column(name=name, type="category") for name in ("region", "sex")}
    columns["age"] = Column(name="age", type="integer", maximum=90)
    project = ProjectSection(name="t", task="binary", target="y")
    return Contract(project=project, columns=columns, requirements=requirements, **more)


@pytest.fixture
def frame() -> pl.DataFrame:
    generator = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "region": ["north"] * 100 + ["south"] * 90 + ["tiny"] * 10,
            "sex": (["f", "m"] * 95) + [None] * 10,
            "age": generator.integers(18, 80, ROWS),
        }
    )


@pytest.fixture
def truth() -> list[str]:
    return ["yes", "no", "no", "yes"] * 50


@pytest.fixture
def predictions() -> Predictions:
    """Right everywhere but for every fourth row of the south."""
    chance = np.array([0.9, 0.2, 0.1, 0.8] * 50)
    chance[100:190:4] = 0.3
    return said(chance)


def one(requirement: Requirement, *rows: Any, stage: Any = "holdout", **more: Any) -> Verdict:
    (verdict,) = verdicts(contract(requirement), *rows, stage=stage, **more)
    return verdict


def test_every_verdict_carries_its_evidence(frame: pl.DataFrame, truth: list[str], predictions: Predictions) -> None:
    requirements = (
        Requirement(metric="accuracy", at_least=0.85),
        Requirement(metric="recall", at_least=0.9, priority="should"),
        Requirement(metric="log_loss", at_most=0.9, stages=("live",)),
    )
    first, second = verdicts(contract(*requirements), truth, predictions, frame, stage="holdout")
    expected = measure("accuracy", truth, predictions)
    assert (first.value, first.low, first.high) == (expected.value, expected.low, expected.high)
    assert (first.result, first.rows, first.bound, first.blocks) == ("pass", ROWS, 0.85, False)
    assert (second.requirement, second.result, second.blocks) == ("recall at least 0.9", "fail", False)
    live = verdicts(contract(*requirements), truth, predictions, frame, stage="live")
    assert [verdict.metric for verdict in live] == ["accuracy", "recall", "log_loss"]
    assert live[0].value == first.value


def test_where_looks_at_the_rows_it_names(frame: pl.DataFrame, truth: list[str], predictions: Predictions) -> None:
    south = one(Requirement(metric="accuracy", at_least=0.8, where=(("region", "south"),)), truth, predictions, frame)
    assert (south.result, south.rows) == ("fail", 90)
    assert south.value == pytest.approx(1 - 23 / 90)
    both = Requirement(metric="accuracy", at_least=0.8, where=(("region", "north"), ("sex", "m")))
    assert one(both, truth, predictions, frame).rows == 50


@pytest.mark.parametrize("stage", ["holdout", "live"])
def test_zero_rows_looked_at_is_a_fail(
    frame: pl.DataFrame, truth: list[str], predictions: Predictions, stage: str
) -> None:
    nowhere = Requirement(metric="accuracy", at_least=0.1, where=(("region", "east"),))
    verdict = one(nowhere, truth, predictions, frame, stage=stage)
    assert (verdict.result, verdict.rows) == ("fail", 0)
    assert verdict.reason == "no rows with a known truth where region is east"
    empty = one(Requirement(metric="accuracy", at_least=0.1), [], said([]), frame.clear(), stage=stage)
    assert (empty.result, empty.rows) == ("fail", 0)


def test_each_is_decided_by_the_worst_level(frame: pl.DataFrame, truth: list[str], predictions: Predictions) -> None:
    verdict = one(Requirement(metric="accuracy", at_least=0.8, each="region"), truth, predictions, frame)
    assert (verdict.result, verdict.rows) == ("fail", 90)
    assert verdict.reason == "the worst of 2: region is south (90 rows); left out: tiny (10 rows)"
    cost = one(Requirement(metric="brier_score", at_most=0.2, each="region"), truth, predictions, frame)
    assert (cost.result, cost.rows) == ("pass", 90)
    by_age = one(Requirement(metric="accuracy", at_least=0.1, each="age"), truth, predictions, frame)
    assert by_age.reason.startswith("the worst of 4: age is ")


def test_groups_are_compared_and_small_ones_named(
    frame: pl.DataFrame, truth: list[str], predictions: Predictions
) -> None:
    parity = Requirement(metric="demographic_parity_difference", by="sex", at_most=0.5)
    verdict = one(parity, truth, predictions, frame)
    assert verdict.rows == 190
    assert verdict.reason == "left out: (not known) (10 rows)"
    unlabelled = one(parity, None, predictions, frame, stage="live")
    assert (unlabelled.result, unlabelled.value) == ("pass", verdict.value)
    lonely = one(parity, truth, predictions, frame.with_columns(sex=pl.lit("f")))
    assert (lonely.result, lonely.reason) == ("fail", "fewer than two groups of sex have 30 rows")


def test_groups_that_are_alike_because_nothing_is_found_are_not_called_fair_in_silence(
    frame: pl.DataFrame, truth: list[str], predictions: Predictions
) -> None:
    requirement = Requirement(metric="equal_opportunity_difference", by="sex", at_most=0.1)
    verdict = one(requirement, truth, said(np.full(ROWS, 0.1)), frame)
    assert (verdict.result, verdict.value) == ("pass", 0.0)
    assert verdict.reason.startswith("the model calls no row positive, so there is nothing to compare; left out")
    assert "nothing to compare" not in one(requirement, truth, predictions, frame).reason


def test_a_champion_is_compared_on_the_same_rows(
    frame: pl.DataFrame, truth: list[str], predictions: Predictions
) -> None:
    requirement = Requirement(metric="log_loss", below_champion_by_at_most=0.01)
    champion = said(np.array([0.95, 0.05, 0.05, 0.95] * 50))
    verdict = one(requirement, truth, predictions, frame, champion=champion)
    loss = difference("log_loss", truth, champion, predictions)
    assert loss.value > 0.01
    assert (verdict.result, verdict.value, verdict.low) == ("fail", loss.value, loss.low)
    assert one(requirement, truth, champion, frame, champion=predictions).result == "pass"
    alone = one(requirement, truth, predictions, frame)
    assert (alone.result, alone.reason) == ("not measurable", "there is no champion to compare with")


def test_labels_that_have_not_come_are_waited_for_only_after_release(
    frame: pl.DataFrame, predictions: Predictions
) -> None:
    requirement = Requirement(metric="accuracy", at_least=0.5)
    for nothing in (None, [None] * ROWS):
        waiting = one(requirement, nothing, predictions, frame, stage="live")
        assert (waiting.result, waiting.reason) == ("not measurable", "no labels yet")
        holdout = one(requirement, nothing, predictions, frame, stage="holdout")
        assert (holdout.result, holdout.reason, holdout.rows) == ("fail", "no row has a known truth", 0)


def test_one_class_fails_before_release_and_is_not_measurable_after(
    frame: pl.DataFrame, predictions: Predictions
) -> None:
    requirement = Requirement(metric="roc_auc", at_least=0.5)
    holdout = one(requirement, ["no"] * ROWS, predictions, frame)
    assert (holdout.result, holdout.rows) == ("fail", ROWS)
    assert holdout.reason == "all 200 rows are of one class (no)"
    live = one(requirement, ["no"] * ROWS, predictions, frame, stage="live")
    assert (live.result, live.reason) == ("not measurable", holdout.reason)


def test_a_column_that_is_not_sent(frame: pl.DataFrame, truth: list[str], predictions: Predictions) -> None:
    requirement = Requirement(metric="equal_opportunity_difference", by="sex", at_most=0.5)
    without = frame.drop("sex")
    assert one(requirement, truth, predictions, without, stage="live").result == "not measurable"
    holdout = one(requirement, truth, predictions, without)
    assert holdout.result == "fail"
    assert "no column 'sex'" in holdout.reason


@pytest.mark.parametrize("stage", ["holdout", "live"])
def test_a_prediction_that_is_no_number_fails_everywhere(
    frame: pl.DataFrame, truth: list[str], predictions: Predictions, stage: str
) -> None:
    assert predictions.scores is not None
    predictions.scores[3] = math.nan
    for requirement in (
        Requirement(metric="roc_auc", at_least=0.5),
        Requirement(metric="roc_auc", at_least=0.5, each="region"),
    ):
        verdict = one(requirement, truth, predictions, frame, stage=stage)
        assert verdict.result == "fail"
        assert verdict.reason.startswith("a prediction is not a number")


def test_the_table_itself_is_measured(frame: pl.DataFrame, truth: list[str], predictions: Predictions) -> None:
    nulls = one(Requirement(metric="null_fraction", at_most=0.01), truth, predictions, frame)
    assert nulls.value == pytest.approx(10 / 600)
    assert nulls.result == "fail"
    rows = one(Requirement(metric="row_count", at_least=50, each="region"), truth, predictions, frame)
    assert (rows.value, rows.result) == (10, "fail")
    assert rows.reason == "the worst of 3: region is tiny (10 rows)"
    (alone,) = verdicts(contract(Requirement(metric="row_count", at_least=50)), None, None, frame, stage="data")
    assert (alone.value, alone.result) == (ROWS, "pass")
    old = frame.with_columns(age=pl.when(pl.col("region") == "tiny").then(120).otherwise(pl.col("age")))
    broken = one(Requirement(metric="failed_row_fraction", at_most=0.01), truth, predictions, old)
    assert broken.value == pytest.approx(10 / ROWS)


def test_drift_is_taken_from_the_monitor(frame: pl.DataFrame, truth: list[str], predictions: Predictions) -> None:
    requirement = Requirement(metric="drifted_columns", at_most=1)
    found = one(requirement, truth, predictions, frame, stage="live", drifted_columns=["sex", "age"])
    assert (found.result, found.value, found.reason) == ("fail", 2, "age, sex")
    assert one(requirement, truth, predictions, frame, stage="live").reason == "drift was not looked at"
    assert verdicts(contract(requirement), truth, predictions, frame, stage="holdout") == ()


def test_costs_need_a_cost_matrix(frame: pl.DataFrame, truth: list[str], predictions: Predictions) -> None:
    requirement = Requirement(metric="expected_cost", at_most=1.0)
    assert one(requirement, truth, predictions, frame).result == "not measurable"
    priced = contract(requirement, cost={("yes", "no"): 5.0})
    (verdict,) = verdicts(priced, truth, predictions, frame, stage="holdout")
    assert verdict.value == pytest.approx(23 * 5 / ROWS)


def test_labels_without_probabilities_cannot_be_ranked(frame: pl.DataFrame, truth: list[str]) -> None:
    bare = Predictions(np.array(truth), None, ("no", "yes"))
    ranked = one(Requirement(metric="roc_auc", at_least=0.5), truth, bare, frame)
    assert (ranked.result, ranked.reason) == ("fail", "the model gives no probabilities")
    assert one(Requirement(metric="accuracy", at_least=0.5), truth, bare, frame).value == 1.0


def test_lengths_must_agree(frame: pl.DataFrame, truth: list[str]) -> None:
    with pytest.raises(InputError, match="predictions for each of the 200 rows, got 2"):
        verdicts(contract(), truth, said([0.1, 0.2]), frame, stage="holdout")


def test_latency_and_errors_are_judged_where_requests_were_timed(
    frame: pl.DataFrame, truth: list[str], predictions: Predictions
) -> None:
    slow = Requirement(metric="latency_p99_ms", at_most=20)
    timed = {"latency_p99_ms": Estimate(31.5, rows=180)}
    found = one(slow, truth, predictions, frame, stage="live", service=timed)
    assert (found.result, found.value, found.rows) == ("fail", 31.5, 180)
    untimed = one(slow, truth, predictions, frame, stage="live")
    assert (untimed.result, untimed.reason) == ("not measurable", "no requests were timed here")
    part = Requirement(metric="latency_p99_ms", at_most=20, where=(("region", "north"),))
    found = one(part, truth, predictions, frame, stage="live", service=timed)
    assert found.reason == "requests are timed together, not by what they ask about"
