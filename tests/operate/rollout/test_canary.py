"""The evidence in rows of the prediction log."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from mainspring.contract import Contract
from mainspring.operate.rollout.canary import AGAIN, gather, predictions, weigh
from mainspring.operate.rollout.plan import Evidence, Judged, Rollout, advance
from mainspring.serve import labels
from mainspring.serve.log.schema import Feature, Schema
from mainspring.workspace import Workspace
from tests.serve.log import workbench

if TYPE_CHECKING:
    from pathlib import Path

START = datetime(2026, 1, 1, tzinfo=UTC)
ROLLOUT = Rollout(
    model="shop", version=2, champion=1, steps=(5.0, 25.0, 100.0), hold=timedelta(minutes=10), minimum_rows=100,
    started=START, since=START, traffic=1,
)  # fmt: skip
CONTRACT_HEAD = """
[project]
name = "shop"
task = "binary"
target = "bought"
[columns.age]
type = "number"
[columns.bought]
type = "boolean"
"""
CONTRACT = Contract.parse(
    CONTRACT_HEAD
    + """
[[require]]
metric = "roc_auc"
at_least = 0.8
[[require]]
metric = "latency_p99_ms"
at_most = 20
[[require]]
metric = "error_rate"
at_most = 0.01
[[require]]
metric = "accuracy"
below_champion_by_at_most = 0.02
"""
)
BARE = Contract.parse('[project]\nname = "shop"\ntask = "binary"\ntarget = "bought"\n')


def log(
    version: int, role: str, rows: int, *, right: float = 0.95, latency: float = 2.0, errors: int = 0, seed: int = 0,
    minute: float = 1,
) -> pl.DataFrame:  # fmt: skip
    """Rows as the log has them, with the labels beside them: *right* of the predictions are."""
    draw = np.random.default_rng(seed + version)
    truth = draw.random(rows) < 0.4
    said = np.where(draw.random(rows) < right, truth, ~truth)
    score = np.clip(np.where(said, 0.75, 0.25) + draw.normal(scale=0.05, size=rows), 0.01, 0.99)
    status = np.full(rows, 200)
    status[:errors] = 500
    return pl.DataFrame(
        {
            "id": [f"{role}{seed}{row:08d}" for row in range(rows)],
            "time": [START + timedelta(minutes=minute, milliseconds=row) for row in range(rows)],
            "version": np.full(rows, version, np.int32),
            "role": [role] * rows,
            "prediction": said,
            "score.false": 1 - score,
            "score.true": score,
            "x.age": draw.normal(size=rows),
            "latency_ms": (draw.gamma(4, latency / 4, rows)).astype(np.float32),
            "status": status.astype(np.int16),
            "flags": pl.Series([None] * rows, dtype=pl.String),
            "label": truth,
        }
    )


def seen(*frames: pl.DataFrame, contract: Contract = CONTRACT, rollout: Rollout = ROLLOUT, **more: Any) -> Evidence:
    every = pl.concat(frames)
    return weigh(every.drop("label").lazy(), every.lazy(), contract, rollout, **more)


def one(evidence: Evidence, name: str) -> Judged:
    return next(each for each in evidence.judged if each.name.startswith(name))


def test_a_good_version_passes_everything_that_can_be_measured() -> None:
    found = seen(log(1, "champion", 4_000), log(2, "canary", 400))
    assert (found.rows, found.looked) == (400, 800)
    assert [each.result for each in found.judged] == ["pass"] * 3 + ["not measurable"] + ["pass"] * 4
    decision = advance(ROLLOUT, Evidence(**plain(found) | {"champion": 1}), START + timedelta(minutes=10))
    assert decision.action == "advance"
    assert "not measured: accuracy below the champion by at most 0.02" in decision.reason


def plain(evidence: Evidence) -> dict[str, Any]:
    return {name: getattr(evidence, name) for name in Evidence.__slots__}


def test_a_worse_version_surely_fails_its_must() -> None:
    found = one(seen(log(1, "champion", 2_000), log(2, "canary", 400, right=0.6)), "roc_auc")
    assert (found.result, found.sure) == ("fail", True)
    assert found.text.startswith("roc_auc at least 0.8: it is 0.")


def test_a_few_rows_that_look_bad_are_not_sure() -> None:
    found = one(seen(log(1, "champion", 500), log(2, "canary", 30, right=0.75, seed=3)), "roc_auc")
    assert (found.result, found.sure) == ("fail", False)


def test_injected_latency_breaks_the_must_and_the_comparison() -> None:
    found = seen(log(1, "champion", 2_000), log(2, "canary", 200, latency=40))
    assert one(found, "latency_p99_ms").sure
    assert one(found, "slow answers").sure
    assert one(found, "typical latency").sure
    assert one(found, "roc_auc").result == "pass"
    assert "of 200 answers took over" in one(found, "slow answers").text


def test_a_version_that_costs_a_millisecond_more_is_let_through() -> None:
    found = seen(log(1, "champion", 2_000, latency=0.2), log(2, "canary", 500, latency=1.2))
    assert [each.result for each in found.compared] == ["pass"] * 4


@pytest.mark.parametrize("rows", [1, 2, 20])
def test_a_few_wrong_labels_and_slow_answers_take_nothing_back(rows: int) -> None:
    """Resampled, one wrong answer is always wrong; and the first answers of a process are slow."""
    contract = Contract.parse(
        CONTRACT_HEAD
        + '[[require]]\nmetric = "accuracy"\nat_least = 0.8\n[[require]]\nmetric = "latency_p99_ms"\nat_most = 20\n'
    )
    wrong = log(2, "canary", rows, right=0, latency=100)
    found = seen(log(1, "champion", 2_000, latency=100), wrong, contract=contract)
    assert [(one.result, one.sure, one.few) for one in found.required] == [("fail", False, True)] * 2
    many = seen(log(1, "champion", 2_000, latency=100), log(2, "canary", 30, right=0, latency=100), contract=contract)
    assert [(one.result, one.sure, one.few) for one in many.required] == [("fail", True, False)] * 2


def test_labels_that_come_when_traffic_is_over_are_judged() -> None:
    canary = log(2, "canary", 1_000, right=0.5)
    late = pl.Series([True] * 100 + [False] * 900)
    first = seen(canary.with_columns(label=pl.when(late & (pl.int_range(1_000) < 1)).then("label")))
    rollout = replace(ROLLOUT, looked=first.looked, labelled=first.labelled, required=first.required)
    then = seen(canary.with_columns(label=pl.when(late).then("label")), rollout=rollout)
    assert (first.labelled, then.labelled) == (1, 100)
    assert one(then, "roc_auc").sure


def test_errors_of_the_version_are_found_those_of_both_are_not_its_fault() -> None:
    found = seen(log(1, "champion", 2_000), log(2, "canary", 100, errors=5))
    assert one(found, "errors").sure
    assert one(found, "errors").text == (
        "errors: 5.000% of 100 answers were errors of ours, 0.000% of the champion's 2,000"
    )
    both = seen(log(1, "champion", 2_000, errors=100), log(2, "canary", 100, errors=5))
    assert one(both, "errors").result == "pass"
    assert one(both, "error_rate").result == "fail"
    assert found.rows == 95


def refusing(version: int, role: str, rows: int) -> pl.DataFrame:
    return log(version, role, rows, seed=7).with_columns(
        status=pl.lit(422, pl.Int16), prediction=pl.lit(None, pl.Boolean), label=pl.lit(None, pl.Boolean)
    )


def test_requests_that_were_refused_for_what_they_held_are_nobodys_answers() -> None:
    both = refusing(1, "champion", 1_000), refusing(2, "canary", 50)
    found = seen(log(1, "champion", 2_000), log(2, "canary", 100), *both)
    assert found.rows == 100
    assert [each.result for each in found.required[:3]] == ["pass"] * 3
    assert [one(found, name).result for name in ("errors", "refused requests")] == ["pass", "pass"]


def test_a_version_that_alone_refuses_requests_is_taken_back() -> None:
    found = seen(log(1, "champion", 2_000), log(2, "canary", 100), refusing(2, "canary", 10))
    assert one(found, "errors").result == "pass"
    assert one(found, "refused requests").text.startswith("refused requests: 9.091% of 110 answers refused what they")
    decision = advance(ROLLOUT, replace(found, champion=1), START + timedelta(minutes=2))
    assert (decision.action, decision.broken) == ("roll back", ("refused requests",))


def test_a_version_that_answers_everything_with_errors_is_taken_back() -> None:
    """Where the champion answers nothing any more there is nothing to compare with."""
    rollout = replace(ROLLOUT, at=2, since=START)
    found = seen(log(2, "canary", 40, errors=40), contract=BARE)
    assert one(found, "errors").text == "errors: 100.000% of 40 answers were errors of ours"
    assert advance(rollout, replace(found, champion=1), START).action == "roll back"
    assert seen(log(2, "canary", 20, errors=20)).rows == 0
    judged = seen(log(2, "canary", 200, errors=50))
    assert one(judged, "error_rate").sure
    again = seen(log(2, "canary", 200), log(2, "canary", 200, errors=200, seed=1), rollout=replace(rollout, looked=400))
    assert one(again, "error_rate").sure


def test_what_the_fallback_answered_is_not_held_against_the_version() -> None:
    wrong = log(2, "canary", 300, right=0.1, seed=9).with_columns(flags=pl.lit("imputed:age,fallback"))
    own = log(2, "canary", 100).with_columns(flags=pl.lit("imputed:fallback_rate"))
    found = seen(log(1, "champion", 2_000), own, wrong)
    assert found.rows == 100
    assert one(found, "roc_auc").result == "pass"


def test_a_bad_hour_at_an_earlier_step_is_not_held_against_the_version() -> None:
    rollout = replace(ROLLOUT, at=1, since=START + timedelta(minutes=5))
    before = log(1, "champion", 9_500, errors=0), log(2, "canary", 500, errors=4)
    now = log(1, "champion", 750, seed=1, minute=6, errors=75), log(2, "canary", 250, seed=1, minute=6, errors=25)
    assert one(seen(*before), "errors").sure
    assert one(seen(*before, *now, rollout=rollout), "errors").result == "pass"


def test_of_many_answers_the_latest_and_the_labelled_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mainspring.operate.rollout.canary.ROWS", 100)
    early, late = log(2, "canary", 150, right=0.5), log(2, "canary", 400, seed=1, minute=5)
    late = late.with_columns(label=pl.lit(None, pl.Boolean))
    found = one(seen(early, late), "roc_auc")
    assert (found.result, found.text.endswith("on 100 rows")) == ("fail", True)


def test_rows_of_one_request_are_one_answer() -> None:
    batch = log(2, "canary", 50, errors=50).with_columns(id=pl.format("batch:{}", pl.int_range(50)))
    found = seen(log(1, "champion", 2_000), log(2, "canary", 50), batch)
    assert "of 51 answers" in one(found, "errors").text
    assert one(found, "errors").result == "pass"


def test_without_labels_it_waits_for_nothing_but_says_so() -> None:
    rows = pl.concat([log(1, "champion", 900), log(2, "canary", 200)])
    unlabelled = rows.with_columns(label=pl.lit(None, pl.Boolean))
    found = weigh(rows.drop("label").lazy(), unlabelled.lazy(), CONTRACT, ROLLOUT)
    assert [each.result for each in found.required] == ["not measurable", "pass", "pass", "not measurable"]
    assert "no labels yet" in found.required[0].text


def test_requirements_are_judged_again_when_there_is_half_as_much_again() -> None:
    first = seen(log(2, "canary", 200))
    kept = (Judged(name="kept", result="pass", text="as it was"),)
    rollout = replace(ROLLOUT, looked=first.looked, labelled=first.labelled, required=kept)
    few = seen(log(2, "canary", int(200 * AGAIN) - 10), rollout=rollout)
    assert (few.required, few.looked) == (kept, first.looked)
    many = seen(log(2, "canary", int(200 * AGAIN) + 10), rollout=rollout)
    assert many.required != kept


def test_only_rows_of_the_present_step_count_as_answered_at_it() -> None:
    rollout = Rollout(**{name: getattr(ROLLOUT, name) for name in Rollout.__slots__} | {
        "since": START + timedelta(minutes=5)})  # fmt: skip
    found = seen(log(2, "canary", 200), log(2, "canary", 30, seed=1, minute=6), rollout=rollout)
    assert found.rows == 30
    assert one(found, "roc_auc").text.endswith("on 230 rows")


def test_the_champion_is_asked_about_the_same_rows() -> None:
    class Better:
        def predict(self, frame: pl.DataFrame) -> Any:
            assert frame.columns == ["age"]
            return predictions(canary.with_columns(prediction=pl.col("label")))

    canary = log(2, "canary", 600, right=0.85)
    found = one(seen(log(1, "champion", 900), canary, champion=Better), "accuracy")
    assert (found.result, found.sure) == ("fail", True)


def test_nothing_answered_is_nothing_known() -> None:
    found = seen(log(1, "champion", 100))
    assert (found.rows, found.looked, found.required) == (0, 0, ())
    assert {each.result for each in found.compared} == {"not measurable"}


@pytest.mark.parametrize(
    ("column", "names", "classes"),
    [
        (pl.Series([True, False]), ["true", "false"], (False, True)),
        (pl.Series([10, 9]), ["10", "9"], (9, 10)),
        (pl.Series(["b", "a"]), ["b", "a"], ("a", "b")),
    ],
)
def test_classes_are_of_the_type_of_the_predictions(column: pl.Series, names: list[str], classes: Any) -> None:
    frame = pl.DataFrame({"prediction": column, f"score.{names[0]}": [0.7, 0.2], f"score.{names[1]}": [0.3, 0.8]})
    said = predictions(frame)
    assert said.classes == classes
    assert said.scores is not None
    assert said.scores.tolist() == [[0.3, 0.7], [0.8, 0.2]]


def test_a_bare_contract_is_judged_by_errors_and_latency_alone() -> None:
    found = seen(log(1, "champion", 900), log(2, "canary", 200), contract=BARE)
    assert found.required == ()
    assert len(found.compared) == 4


@pytest.mark.parametrize(
    ("status", "broken", "bare"), [(500, "errors", True), (422, "refused requests", True), (500, "errors", False)]
)
def test_in_a_real_log_a_version_that_fails_is_taken_back(tmp_path: Path, status: int, broken: str, bare: bool) -> None:
    """What an endpoint logs of a request that was not answered: no row, no prediction, its version and role."""
    with Workspace.open(tmp_path / "ws", actor="ann") as workspace:
        for version, role, good, bad in ((1, "champion", 300, 3), (2, "canary", 20 if bare else 0, 10)):
            schema = Schema(version=version, features=(Feature("age", "integer"),), classes=("no", "yes"))
            records = []
            for row in range(good + bad):
                given: dict[str, Any] = {"version": version, "role": role, "features": [20 + row % 5]}
                if row >= good:
                    nothing = dict.fromkeys(("entity", "features", "prediction", "scores"))
                    given |= {**nothing, "status": status, "flags": "not_a_number:age" if status == 422 else None}
                records.append(workbench.prediction(row, workbench.NOON + timedelta(milliseconds=row), **given))
            workbench.spool(workspace, records, schema, source=role)
        rollout = replace(ROLLOUT, started=workbench.NOON, since=workbench.NOON)
        found = gather(workspace, BARE if bare else CONTRACT, rollout)
    assert found.rows == (20 if bare else 0)
    decision = advance(rollout, replace(found, champion=1), workbench.NOON)
    assert (decision.action, decision.broken) == ("roll back", (broken,))


def test_in_a_real_log_with_labels_that_came_late(tmp_path: Path) -> None:
    """Spools, segments and labels as an endpoint writes them; the features are masked where they are personal."""
    contract = Contract.parse(
        """
[project]
name = "shop"
task = "binary"
target = "bought"
[columns.age]
type = "integer"
[columns.bought]
type = "category"
categories = ["no", "yes"]
[[require]]
metric = "accuracy"
at_least = 0.9
[[require]]
metric = "accuracy"
at_least = 0.9
where = { age = "20" }
priority = "should"
"""
    )
    with Workspace.open(tmp_path / "ws", actor="ann") as workspace:
        ids = []
        for version, role, rows in ((1, "champion", 900), (2, "canary", 200)):
            schema = Schema(version=version, features=(Feature("age", "integer"),), classes=("no", "yes"))
            records = []
            for row in range(rows):
                moment = workbench.NOON + timedelta(milliseconds=row)
                given = {"version": version, "role": role, "prediction": "yes", "features": [20 + row % 5]}
                given |= {"id": workbench.made_id(moment), "latency_us": 900 + row}
                ids.append(given["id"])
                records.append(workbench.prediction(row, moment, **given))
            workbench.spool(workspace, records, schema, source=role)
        workbench.spool(workspace, [], source="idle")
        rollout = replace(ROLLOUT, started=workbench.NOON, since=workbench.NOON)
        before = gather(workspace, contract, rollout)
        assert (before.rows, before.looked, before.required[0].result) == (200, 200, "not measurable")
        assert [each.result for each in before.compared] == ["pass"] * 4
        canary = ids[900:]
        truth = ["no" if place % 4 == 0 else "yes" for place in range(200)]
        labels.add(workspace, "shop", pl.DataFrame({"id": canary, "label": truth}), source="test")
        after = gather(workspace, contract, replace(rollout, looked=before.looked, required=before.required))
    assert after.looked == 400
    assert (after.required[0].text, after.required[0].sure) == ("accuracy at least 0.9: it is 0.75 on 200 rows", True)
    assert after.required[1].text.endswith("on 40 rows")
    assert advance(rollout, replace(after, champion=1), workbench.NOON).action == "roll back"
