from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from tests.monitor.simulated import binary, numbers

from mainspring.contract import Column, Contract, Monitor, ProjectSection, Requirement
from mainspring.core.predictions import Predictions
from mainspring.monitor.baseline import Baseline
from mainspring.monitor.profile import Reference
from mainspring.monitor.signals import Counted, count_window, judge_counted, judge_window, signals
from mainspring.monitor.window import Window

if TYPE_CHECKING:
    from mainspring.monitor.signals import Judgement

CONTRACT = Contract(
    project=ProjectSection(name="world", task="binary", target="y", time="t"),
    columns={
        "x": Column(name="x", type="number", minimum=-6, maximum=6, nullable=False),
        "noise": Column(name="noise", type="number"),
        "word": Column(name="word", type="category", categories=("a", "b")),
    },
    requirements=(Requirement(metric="accuracy", at_least=0.6), Requirement(metric="row_count", at_least=1)),
)


def world(rows: int, seed: int, **change: Any) -> tuple[pl.DataFrame, Predictions, Any]:
    frame, predictions, truth = binary(rows, seed, **change)
    word = np.random.default_rng(seed).choice(["a", "b"], rows)
    return frame.with_columns(word=word, t=pl.int_range(pl.len()), y=truth), predictions, truth


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference.fit(world(6_000, 0)[0], contract=CONTRACT)


@pytest.fixture(scope="module")
def base() -> Baseline:
    _, predictions, truth = world(4_000, 1)
    return Baseline.of_contract(CONTRACT, truth, predictions)


def part(predictions: Predictions, begin: int, end: int) -> Predictions:
    scores = None if predictions.scores is None else predictions.scores[begin:end]
    return Predictions(predictions.values[begin:end], scores, predictions.classes)


def judged(reference: Reference, base: Baseline, rows: int = 1_000, seed: int = 2, **change: Any) -> Judgement:
    frame, predictions, truth = world(rows, seed, **change)
    return judge_window(reference, CONTRACT, frame, predictions=predictions, truth=truth, baseline=base)


def test_quiet_windows_raise_nothing(reference: Reference, base: Baseline) -> None:
    raised = [judged(reference, base, rows, seed).breaches for seed in range(2, 22) for rows in (200, 1_000)]
    assert sum(map(bool, raised)) == 0, raised


def test_every_signal_carries_its_band_and_its_rows(reference: Reference, base: Baseline) -> None:
    frame, predictions, truth = world(800, 3)
    window = Window(0, 0, 800, 800, 0)
    found = signals(reference, CONTRACT, frame, predictions=predictions, truth=truth, baseline=base, window=window)
    assert {signal.kind for signal in found} == {"drift", "data quality", "performance"}
    for signal in found:
        assert signal.rows == 800
        assert signal.low is not None
        assert signal.high is not None
        assert signal.low <= signal.value <= signal.high
        assert json.loads(json.dumps(signal.as_dict()))["window"] == window.as_dict()
    names = {(signal.name, signal.column) for signal in found}
    assert {("js", "x"), ("js", "score"), ("minimum", "x"), ("categories", "word")} <= names
    assert {("roc_auc", None), ("accuracy", None), ("estimated roc_auc", None), ("loss stream", None)} <= names
    assert not {"t", "y"} & {signal.column for signal in found}


def test_a_shift_that_does_not_hurt_is_drift_and_nothing_else(reference: Reference, base: Baseline) -> None:
    judgement = judged(reference, base, shift=0.5)
    assert {signal.kind for signal in judgement.breaches} == {"drift"}
    assert {"x", "score"} <= {signal.column for signal in judgement.breaches}
    assert judgement.drift.drifted == ("x",)


def test_an_answer_that_was_never_given_before_is_no_broken_data(reference: Reference) -> None:
    frame, predictions, truth = world(4_000, 1)
    timid = Predictions(np.zeros_like(predictions.values), predictions.scores, predictions.classes)
    found = judge_window(
        reference, CONTRACT, frame, predictions=predictions, baseline=Baseline.of_contract(CONTRACT, truth, timid)
    )
    said = [one for one in found.breaches if one.column == "prediction" and "never had (1)" in one.text]
    assert [one.kind for one in said] == ["drift"]


def test_concept_drift_is_performance_and_nothing_else(reference: Reference, base: Baseline) -> None:
    judgement = judged(reference, base, turned=True)
    assert {signal.kind for signal in judgement.breaches} == {"performance"}
    assert {"roc_auc", "accuracy", "loss stream"} <= {signal.name for signal in judgement.breaches}
    assert judgement.realised["accuracy"].value < 0.5 < judgement.estimated["accuracy"].value


def test_without_labels_the_estimate_speaks(reference: Reference, base: Baseline) -> None:
    frame, predictions, truth = world(2_000, 5)
    assert predictions.scores is not None
    unsure = np.asarray(0.5 + (predictions.scores - 0.5) * 0.2)
    worse = type(predictions)(predictions.values, unsure, (0, 1))
    found = judge_window(reference, CONTRACT, frame, predictions=worse, baseline=base)
    assert "estimated accuracy" in {signal.name for signal in found.breaches}
    spoken = judge_window(reference, CONTRACT, frame, predictions=worse, truth=truth, baseline=base)
    assert "estimated accuracy" not in {signal.name for signal in spoken.breaches}
    few = judge_window(reference, CONTRACT, frame, predictions=worse, truth=[1] * 20 + [None] * 1_980, baseline=base)
    assert {"accuracy", "roc_auc"}.isdisjoint(signal.name for signal in few.breaches)


def test_broken_data_is_told_by_column_and_rule(reference: Reference, base: Baseline) -> None:
    frame, predictions, _ = world(1_000, 6)
    tenth = pl.when(pl.int_range(pl.len()) % 10 == 0)
    broken = frame.with_columns(
        x=tenth.then(pl.lit(99.0)).otherwise("x"), word=tenth.then(pl.lit("c")).otherwise("word")
    ).drop("noise")
    found = judge_window(reference, CONTRACT, broken, predictions=predictions, baseline=base)
    told = {(signal.column, signal.name): signal for signal in found.breaches if signal.kind == "data quality"}
    assert {
        ("x", "maximum"),
        ("word", "categories"),
        ("word", "unseen categories"),
        ("noise", "missing column"),
    } <= set(told)
    assert told["x", "maximum"].value == pytest.approx(0.1)
    assert told["word", "unseen categories"].text == "10.0% of word is a category that the reference never had (c)"


def test_what_was_usual_in_the_reference_is_no_alarm() -> None:
    frame = world(5_000, 7)[0].with_columns(x=pl.when(pl.int_range(pl.len()) % 20 == 0).then(None).otherwise("x"))
    usual = Reference.fit(frame, contract=CONTRACT)
    window = world(1_000, 8)[0].with_columns(x=pl.when(pl.int_range(pl.len()) % 20 == 0).then(None).otherwise("x"))
    assert judge_window(usual, CONTRACT, window).breaches == ()
    worse = window.with_columns(x=pl.when(pl.int_range(pl.len()) % 4 == 0).then(None).otherwise("x"))
    assert {(signal.column, signal.name) for signal in judge_window(usual, CONTRACT, worse).breaches} == {
        ("x", "null share"),
        ("x", "nulls"),
        ("x", "js"),
    }


def test_the_stream_remembers_from_window_to_window(reference: Reference, base: Baseline) -> None:
    """A rise too small for one window is found over several."""
    stream, alarms = None, []
    for seed in range(30, 50):
        frame, predictions, truth = world(200, seed)
        flipped = np.random.default_rng(seed).random(200) < 0.12
        truth = np.where(flipped, 1 - truth, truth)
        judgement = judge_window(
            reference, CONTRACT, frame, predictions=predictions, truth=truth, baseline=base, stream=stream
        )
        stream = judgement.stream
        alarms.append({signal.name for signal in judgement.breaches})
    assert sum("accuracy" in alarm for alarm in alarms) <= 6
    raised = ["loss stream" in alarm for alarm in alarms]
    assert raised[-1]
    assert sum(raised) > 12, "what lasts is an alarm in most windows"


def test_ignored_columns_and_numbers_as_targets() -> None:
    frame, predictions, truth = numbers(3_000, 0)
    contract = Contract(
        project=ProjectSection(name="n", task="regression", target="y"),
        monitor=Monitor(window=timedelta(days=1), ignore=("x",)),
    )
    reference = Reference.fit(frame)
    base = Baseline.of_contract(contract, truth, predictions, frame=frame, reference=reference)
    frame, predictions, truth = numbers(1_000, 1, shift=2.0)
    found = judge_window(reference, contract, frame, predictions=predictions, truth=truth, baseline=base)
    assert "x" not in {signal.column for signal in found.signals}
    assert {("rmse", None), ("js", "prediction"), ("loss stream", None)} <= {(s.name, s.column) for s in found.breaches}
    assert found.estimated["rmse"].value > base.spreads["rmse"].value * 1.5


def test_an_empty_window_is_judged_quietly(reference: Reference, base: Baseline) -> None:
    frame, _, _ = world(10, 9)
    judgement = judge_window(reference, CONTRACT, frame.clear())
    assert judgement.rows == 0
    assert judgement.breaches == ()


def test_a_window_counted_in_parts_and_kept_as_json_is_judged_as_in_one_piece(
    reference: Reference, base: Baseline
) -> None:
    frame, predictions, truth = world(1_000, 3, shift=0.6)
    whole = judge_window(reference, CONTRACT, frame, predictions=predictions, truth=truth, baseline=base)
    parts = [
        count_window(reference, CONTRACT, frame[begin:end], predictions=part(predictions, begin, end), baseline=base)
        for begin, end in ((0, 1), (1, 640), (640, 1_000))
    ]
    counted = Counted.from_dict(json.loads(json.dumps((parts[0] + parts[1] + parts[2]).as_dict())))
    again = judge_counted(reference, CONTRACT, counted, predictions=predictions, truth=truth, baseline=base)
    assert whole.breaches
    assert again.signals == whole.signals
