"""The rehearsal, end to end on worlds with a known truth."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from mainspring.contract import Monitor, Requirement, Retrain
from mainspring.core.errors import InputError, NotFound
from mainspring.operate.backtest import backtest, default_metric
from mainspring.operate.backtest_page import page
from mainspring.operate.policy import Policy
from tests.operate import worlds

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.operate.rehearsal import Backtest

TURN = 1_600


@pytest.fixture(scope="module")
def turned() -> Backtest:
    """1,200 rows known, 12 windows of 100; after the fourth everything is the other way round."""
    return backtest(worlds.turning(2_400, turn=TURN), target="y", time="t", windows=12)


def test_the_loop_notices_the_turn_learns_it_and_ends_the_incident(turned: Backtest) -> None:
    assert turned.metric == "accuracy"
    assert [period.rows for period in turned.loop.windows] == [100] * 12
    assert turned.loop.windows[0].value == turned.static.windows[0].value
    assert np.mean([period.value for period in turned.static.windows[4:]]) < 0.3
    assert np.mean([period.value for period in turned.loop.windows[5:]]) > 0.75
    assert turned.gain > 0.2
    hurt = [spell for spell in turned.incidents if spell.incident.kind == "performance" and spell.opened == 4]
    assert len(hurt) == 1
    assert hurt[0].incident.suspects == ()
    assert hurt[0].incident.action == "retrain"
    assert hurt[0].closed is not None
    step = turned.steps[4]
    assert (step.decision.action, step.decision.trigger) == ("retrain", "requirement")
    assert step.retrained is not None
    assert step.retrained.promoted
    assert turned.verdict.startswith("Left alone the model would have had accuracy 0.")


def test_nothing_is_used_before_its_time(turned: Backtest) -> None:
    frame = worlds.turning(2_400, turn=TURN)
    cut = 1_200 + 700
    late = pl.int_range(pl.len()) >= cut
    other = frame.with_columns(
        pl.when(late).then(pl.lit("no")).otherwise(pl.col("y")).alias("y"),
        pl.when(late).then(pl.lit(0.0)).otherwise(pl.col("b")).alias("b"),
    )
    changed = backtest(other, target="y", time="t", windows=12)
    for one, two in ((turned.static, changed.static), (turned.loop, changed.loop), (turned.oracle, changed.oracle)):
        assert [period.value for period in one.windows[:7]] == [period.value for period in two.windows[:7]]
    decided = [[(s.decision, s.version, len(s.alerts)) for s in run.steps[:7]] for run in (turned, changed)]
    assert decided[0] == decided[1]


def test_the_same_history_gives_the_same_rehearsal(turned: Backtest) -> None:
    again = backtest(worlds.turning(2_400, turn=TURN), target="y", time="t", windows=12)
    ours, theirs = turned.as_dict(), again.as_dict()
    for name in ("static", "loop", "oracle"):
        assert ours[name].pop("seconds") > 0
        theirs[name].pop("seconds")
    ours.pop("verdict"), theirs.pop("verdict")  # it tells the seconds
    assert ours == theirs


def test_the_shape_that_scripts_rely_on(turned: Backtest) -> None:
    found = turned.as_dict()
    assert found["metric"] == "accuracy"
    for name in ("static", "loop", "oracle"):
        arm = found[name]
        assert isinstance(arm["value"], float)
        assert arm["retrains"] >= 0
        assert arm["seconds"] > 0
        assert arm["windows"][0].keys() == {"start", "end", "rows", "value"}
        assert (arm["windows"][0]["start"], arm["windows"][-1]["end"]) == (1_200, 2_399)
        pooled = sum(w["value"] * w["rows"] for w in arm["windows"]) / 1_200
        assert arm["value"] == pytest.approx(pooled)
        assert arm["low"] < arm["value"] < arm["high"]
    assert found["static"]["retrains"] == 0
    assert found["oracle"]["retrains"] == 11
    assert found["loop"]["retrains"] == sum(step["action"] == "retrain" for step in found["loop"]["steps"])
    assert isinstance(found["loop"]["alerts"], int)
    assert {"kind", "opened", "closed", "suspects", "action"} <= found["loop"]["incidents"][0].keys()


def test_a_steady_world_is_left_in_peace() -> None:
    found = backtest(
        worlds.steady(2_400), target="y", time="t", windows=12, policy=Policy.parse("on=requirement+drift")
    )
    assert (found.alerts, found.loop.retrains, found.incidents) == (0, 0, ())


def test_a_policy_that_never_acts_is_the_static_model() -> None:
    found = backtest(worlds.turning(2_400, turn=TURN), target="y", time="t", windows=12, policy=Policy.parse("never"))
    assert [p.value for p in found.loop.windows] == [p.value for p in found.static.windows]
    assert (found.loop.retrains, found.promoted) == (0, 0)
    assert found.as_dict()["loop"]["incidents"][0]["action"] == "none"
    assert "would not have helped" in found.verdict


def test_the_budget_of_a_policy_is_kept() -> None:
    found = backtest(
        worlds.rising(2_400), target="y", time="t", windows=12, policy=Policy.parse("on=schedule, every=1, at_most=3")
    )
    assert (found.metric, found.loop.retrains, found.oracle.retrains) == ("rmse", 3, 11)
    assert found.oracle.value.value < found.loop.value.value < found.static.value.value


def test_labels_that_come_late_are_learned_late() -> None:
    late = backtest(
        worlds.turning(2_400, turn=TURN), target="y", time="t", windows=12, label_delay=300,
        policy=Policy.parse("on=requirement"),
    )  # fmt: skip
    # window 4 is the first one after the turn; its labels are known 300 rows after its end, with window 7
    assert next(step.window for step in late.steps if step.alerts) == 7
    assert late.steps[7].decision.action == "retrain"
    values = [period.value for period in late.loop.windows]
    assert max(values[4:8]) < 0.4
    assert values[11] > 0.6
    assert "labels were known 300 rows after their row" in page(late)


def test_a_first_model_without_any_label_is_refused() -> None:
    with pytest.raises(InputError, match="there is nothing to learn"):
        backtest(worlds.steady(400), target="y", time="t", windows=2, label_delay=1_000)


def test_a_worse_new_model_is_rolled_back() -> None:
    """What held for one window only is learned, and unlearned at once when the old world is back."""
    frame = worlds.steady(2_400)
    odd = (pl.col("t") >= 1_400) & (pl.col("t") < 1_600)
    flipped = pl.when(pl.col("y") == "yes").then(pl.lit("no")).otherwise(pl.lit("yes"))
    frame = frame.with_columns(pl.when(odd).then(flipped).otherwise(pl.col("y")).alias("y"))
    found = backtest(frame, target="y", time="t", windows=12, policy=Policy.parse("on=schedule, every=4"))
    # windows 2 and 3 are odd; the model made after them answers for window 4, where the old one was right again
    assert [step.version for step in found.steps[2:5]] == [1, 2, 1]
    assert found.steps[4].decision.action == "roll back"
    assert "the champion before was better by" in found.steps[4].decision.reason
    assert found.loop.windows[4].value < 0.6
    assert found.loop.windows[5].value > 0.8
    assert found.rollbacks == 1


def test_three_classes_and_a_class_that_comes_late() -> None:
    frame = worlds.coloured(1_600).with_columns(
        pl.when((pl.col("t") >= 1_000) & (pl.col("a") > 1.2)).then(pl.lit("top")).otherwise(pl.col("y")).alias("y")
    )
    found = backtest(frame, target="y", time="t", windows=6)
    assert found.contract.project.task == "multiclass"
    assert found.gain > 0.02


def test_a_contract_gives_target_time_window_and_requirements() -> None:
    declared = worlds.contract(
        requirements=(Requirement(metric="accuracy", at_least=0.8), Requirement(metric="roc_auc", at_least=0.5)),
        monitor=Monitor(window=150),
        retrain=Retrain(on=("requirement",), cooldown=2),
    )
    found = backtest(worlds.turning(2_400, turn=TURN), contract=declared)
    assert [period.rows for period in found.loop.windows] == [150] * 8
    assert found.policy == Policy(on=("requirement",), cooldown=2)
    asked = [step for step in found.steps if step.decision.action == "retrain"]
    assert asked[0].decision.reason.startswith("accuracy at least 0.8 was not kept")
    blocked = [step.retrained for step in asked if step.retrained is not None and not step.retrained.promoted]
    # a challenger that fails a must on rows it had not seen does not go live
    assert any("was not promoted: it fails accuracy at least 0.8" in one.reason for one in blocked)


def test_approval_is_taken_as_given_and_the_reader_is_told() -> None:
    found = backtest(
        worlds.rising(800),
        target="y",
        time="t",
        windows=4,
        policy=Policy.parse("on=schedule,every=1,promotion=approval"),
    )
    assert found.promoted >= 2
    assert found.notes == ("the policy waits for approval of each new model; the rehearsal takes it as given at once",)


def test_dates_windows_of_time_and_a_file(tmp_path: Path) -> None:
    frame = worlds.steady(1_000).with_columns(
        pl.Series("t", [str(date(2024, 1, 1) + timedelta(days=day // 2)) for day in range(1_000)])
    )
    frame.sample(fraction=1.0, shuffle=True, seed=1).write_csv(tmp_path / "rows.csv")
    found = backtest(tmp_path / "rows.csv", target="y", time="t", window=timedelta(days=50))
    assert [period.rows for period in found.static.windows] == [100] * 5
    assert found.loop.windows[0].start == "2024-09-07"
    assert any("have been sorted" in note for note in found.notes)


def test_the_metric_can_be_chosen_and_the_default_is_one_that_every_window_has() -> None:
    assert (default_metric("binary"), default_metric("regression")) == ("accuracy", "rmse")
    found = backtest(worlds.steady(800), target="y", time="t", windows=2, metric="log_loss")
    assert (found.metric, found.higher_is_better) == ("log_loss", False)
    with pytest.raises(NotFound, match="No metric for a binary task named 'rmse'"):
        backtest(worlds.steady(800), target="y", time="t", metric="rmse")


def test_windows_without_labels_have_no_value() -> None:
    frame = worlds.steady(1_200).with_columns(
        pl.when(pl.col("t") >= 1_000).then(None).otherwise(pl.col("y")).alias("y")
    )
    found = backtest(frame, target="y", time="t", windows=3)
    assert found.as_dict()["static"]["windows"][2]["value"] is None
    assert found.static.value.rows == 400


def test_the_page_tells_the_story(turned: Backtest) -> None:
    told = page(turned)
    assert turned.verdict.split(";")[0] in told
    for words in ("left alone", "with the loop", "always retrained", "the model did worse", "new model live"):
        assert words in told
    assert "src=" not in told.split("<script>")[0]
    assert "Trained on 1,200 rows up to 1199; then 1,200 rows up to 2399, in 12 windows" in told


def refused(**settings: Any) -> str:
    with pytest.raises((InputError, NotFound)) as caught:
        backtest(worlds.steady(400), **{"target": "y", "time": "t", **settings})
    return str(caught.value)


def test_what_cannot_be_rehearsed_is_refused() -> None:
    assert "'nope' is not in the table" in refused(target="nope")
    assert "No time column" in refused(time=None)
    assert "No target" in refused(target=None)
    assert "No column is left to predict 'y' from (there is no other column)" in refused(ignore=("a", "b", "kind"))
    late = worlds.steady(400).with_columns(
        pl.when(pl.col("t") < 250).then(pl.lit("no")).otherwise(pl.col("y")).alias("y")
    )
    with pytest.raises(
        InputError, match=r"The 200 rows that are known from the start cannot be learned from\. Target 'y'"
    ):
        backtest(late, target="y", time="t")
    assert "holds numbers, so a window cannot last" in refused(window=timedelta(days=7))
