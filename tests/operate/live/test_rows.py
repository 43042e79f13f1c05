"""Reading a window of the log: what is counted, in which types, and what is kept of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from mainspring.contract import Contract, ProjectSection
from mainspring.core.predictions import Predictions
from mainspring.monitor.baseline import Baseline, prediction_frame
from mainspring.monitor.profile import Reference
from mainspring.operate.champion import Champion
from mainspring.operate.live import rows as reading
from mainspring.operate.live.champions import Champions
from mainspring.operate.live.rows import LoggedRows, features_of, said_in
from mainspring.operate.live.windows import LiveWindow
from mainspring.operate.rollout.canary import predictions as predictions_of
from tests.operate.live.bench import HOUR, NOON, ROWS, Bench, world

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mainspring.ledger.ports import Segment


@pytest.mark.parametrize("labels", [("no", "yes"), (False, True), (0, 1), ("a", "b", "c")])
@pytest.mark.parametrize("positive", [None, 0])
def test_answers_are_watched_as_they_were_at_release(labels: tuple[Any, ...], positive: int | None) -> None:
    draw = np.random.default_rng(0)
    scores = draw.dirichlet([1.0] * len(labels), 200)
    said = Predictions(np.array(labels, dtype=object)[scores.argmax(1)], scores, labels)
    named = [str(label).lower() if isinstance(label, bool) else str(label) for label in labels]
    logged = pl.DataFrame(
        {
            "prediction": pl.Series(said.values.tolist()),
            **{f"score.{name}": scores[:, place] for place, name in enumerate(named)},
        }
    )
    word = None if positive is None or len(labels) > 2 else str(labels[positive])
    truth = np.array(labels, dtype=object)[draw.integers(0, len(labels), 200)]
    baseline = Baseline.fit(truth, said, positive=word)
    expected = prediction_frame(predictions_of(logged), positive=word)
    here = said_in(logged, baseline)
    assert here.with_columns(pl.col("prediction").cast(expected.schema["prediction"])).equals(expected)
    assert baseline.profile(here).as_dict() == baseline.predictions.profile(expected).as_dict()


def test_columns_come_back_in_the_types_they_were_learned_in_and_no_value_is_changed() -> None:
    learned = pl.DataFrame(
        {
            "whole": pl.Series([1, 2], dtype=pl.Int32),
            "half": pl.Series([1, 2], dtype=pl.Int64),
            "code": pl.Series([1, 2], dtype=pl.Int64),
            "word": pl.Series(["a", "b"], dtype=pl.Categorical),
            "when": pl.Series(["2026-01-01"]).str.to_datetime().extend_constant(None, 1),
        }
    )
    champion = Champion(
        model=None, version=1, reference=Reference.fit(learned), baseline=None, importance={}  # type: ignore[arg-type]
    )  # fmt: skip
    logged = pl.DataFrame(
        {
            "x.whole": [3.0, None],
            "x.half": [0.5, 1.0],
            "x.code": ["7", "x"],
            "x.word": ["b", "c"],
            "x.when": pl.Series(["2026-01-02", None]).str.to_datetime(time_zone="UTC"),
            "status": [200, 200],
        }
    )
    found = features_of(logged, champion)
    assert found["whole"].to_list() == [3, None]
    assert found.schema["whole"] == pl.Int32
    assert found["half"].to_list() == [0.5, 1.0]
    assert found["code"].to_list() == ["7", "x"], "a code that is no number stays what it is"
    assert found["word"].cast(pl.String).to_list() == ["b", "c"]
    assert found.schema["when"] == pl.Datetime("us")
    assert found.columns == ["whole", "half", "code", "word", "when", "status"]


def test_a_window_is_counted_segment_by_segment_without_shadows_and_fallbacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path)
    for seed in range(3):
        rows = world(ROWS, seed=seed)
        bench.label(bench.serve(rows, start=NOON), rows)
    bench.serve(world(100, seed=7), start=NOON, role="shadow")
    bench.serve(world(50, seed=8), start=NOON, failed=20)
    monkeypatch.setattr(reading, "TOGETHER", 500)
    monkeypatch.setattr(reading, "SAMPLE", 300)
    contract = Contract(project=ProjectSection(name="world", task="binary", target="y"))
    known = Champions(bench.workspace, "world").get(1)
    found = LoggedRows(bench.workspace, "world", contract).gather(
        LiveWindow(NOON, NOON + HOUR), known.champion, labels=True
    )
    assert (found.rows, found.labelled, found.versions) == (3 * ROWS + 30, 3 * ROWS, {1: 3 * ROWS + 30})
    assert (found.service.requests, found.service.failed) == (3 * ROWS + 50, 20)
    assert found.counted is not None
    assert found.counted.rows == 3 * ROWS + 30
    assert found.answers.height == 3 * ROWS + 30
    assert found.answers["time"].is_sorted()
    assert 200 <= found.sample.height <= 310
    assert {"a", "b", "kind", "label"} <= set(features_of(found.sample, known.champion).columns)
    bench.close()


def test_what_was_begun_is_gone_on_with_where_the_same_is_asked_for_and_forgotten_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path)
    for hour in range(2):
        for seed in range(5):
            rows = world(ROWS, seed=10 * hour + seed)
            bench.label(bench.serve(rows, start=NOON + hour * HOUR), rows)
    monkeypatch.setattr(reading, "TOGETHER", 500)
    contract = Contract(project=ProjectSection(name="world", task="binary", target="y"))
    champion = Champions(bench.workspace, "world").get(1).champion
    first, second = LiveWindow(NOON, NOON + HOUR), LiveWindow(NOON + HOUR, NOON + 2 * HOUR)
    log = LoggedRows(bench.workspace, "world", contract)
    plain = [log.gather(window, champion, labels=True) for window in (first, second)]
    read: list[LiveWindow] = []
    whole = LoggedRows._part

    def part(self: LoggedRows, planned: reading._Reading, some: Sequence[Segment]) -> reading._Part | None:
        read.append(planned.window)
        return whole(self, planned, some)

    monkeypatch.setattr(LoggedRows, "_part", part)
    again = [log.gather(first, champion, labels=True, then=lambda: log.begin(second, champion, labels=True))]
    assert log._ahead is not None
    again.append(log.gather(second, champion, labels=True))
    assert (read.count(first), read.count(second)) == (5, 5), "each part is read once"
    for one, other in zip(plain, again, strict=True):
        assert one.counted is not None
        assert other.counted is not None
        assert one.counted.as_dict() == other.counted.as_dict()
        assert one.answers.equals(other.answers)
        assert (one.rows, one.labelled, one.versions) == (other.rows, other.labelled, other.versions)
    log.begin(second, champion, labels=True)
    assert log.gather(second, champion, labels=False).labelled == 0, "that was another question"
    log.begin(second, champion, labels=True)
    assert log.gather(first, champion, labels=True).answers.equals(plain[0].answers)
    bench.close()


def test_an_answer_without_a_column_is_the_models_whatever_the_column_is_called() -> None:
    flags = [None, "aside:fallback", "categories:fallback_reason,aside:x", "fallback", "imputed:x,fallback"]
    logged = pl.DataFrame({"prediction": [1.0] * len(flags), "flags": flags})
    assert reading._answered(logged)["flags"].to_list() == flags[:3]
