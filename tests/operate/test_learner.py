"""What a retrain learns from: the span that works, and never a row from the future."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainspring.operate.learner import Book, Learner, SpanFits, span_words
from tests.operate import worlds

WINDOW = 100


def learner(frame: pl.DataFrame) -> Learner:
    return Learner(SpanFits(frame, worlds.contract(), window=WINDOW), frame, worlds.contract())


def test_after_a_turn_the_last_window_counts_most_and_in_a_steady_world_all_history() -> None:
    turned = learner(worlds.turning(turn=1_000))
    turned.rehearse(1_000, WINDOW)
    after = turned.challenger(1_200, WINDOW)
    assert after is not None
    assert max(after.weights, key=lambda span: after.weights[span]) == 1
    assert after.weights[None] < 0.05
    calm = learner(worlds.steady())
    calm.rehearse(1_000, WINDOW)
    still = calm.challenger(1_200, WINDOW)
    assert still is not None
    assert still.weights[1] == min(still.weights.values())
    assert "all history" in still.memory


def test_the_future_changes_nothing() -> None:
    frame = worlds.steady()
    other = frame.with_columns(
        pl.when(pl.int_range(pl.len()) >= 1_000).then(-pl.col("a")).otherwise(pl.col("a")).alias("a"),
        pl.when(pl.int_range(pl.len()) >= 1_000).then(pl.lit("no")).otherwise(pl.col("y")).alias("y"),
    )
    rows = frame[1_000:1_100]
    said = []
    for world in (frame, other):
        made = learner(world)
        made.rehearse(900, WINDOW)
        challenger = made.challenger(1_000, WINDOW)
        assert challenger is not None
        said.append(challenger.model.predict(rows).scores)
    np.testing.assert_array_equal(said[0], said[1])


def test_the_judged_answers_come_from_fits_that_did_not_see_the_judged_rows() -> None:
    frame = worlds.steady()
    fits = SpanFits(frame, worlds.contract(), window=WINDOW)
    challenger = Learner(fits, frame, worlds.contract()).challenger(1_000, WINDOW)
    assert challenger is not None
    fresh = frame[900:1_000]
    honest = fits.at(900).models[None].predict(fresh).scores
    seen = challenger.model.predict(fresh).scores
    assert challenger.said.scores is not None
    assert honest is not None
    assert seen is not None
    # the probe blends fits that end at row 900; the released model has learned these rows by heart
    correct = (fresh["y"] == "yes").to_numpy()
    assert np.abs(challenger.said.scores[:, 1] - correct).mean() > np.abs(seen[:, 1] - correct).mean()


def test_fits_are_made_once_and_charged_every_time() -> None:
    frame = worlds.steady()
    fits = SpanFits(frame, worlds.contract(), window=WINDOW)
    assert fits.at(800) is fits.at(800)
    one, two = (Learner(fits, frame, worlds.contract()).challenger(1_000, WINDOW) for _ in range(2))
    assert one is not None
    assert two is not None
    assert one.fits == two.fits == 2 * len(one.weights)
    assert two.seconds > 0.8 * sum(fits.at(1_000).seconds.values())


def test_a_span_of_one_class_and_rows_without_labels_are_passed_over() -> None:
    frame = worlds.steady().with_columns(
        pl.when(pl.int_range(pl.len()) >= 900).then(pl.lit("no")).otherwise(pl.col("y")).alias("y")
    )
    assert 1 not in SpanFits(frame, worlds.contract(), window=WINDOW).at(1_000).models
    empty = frame.with_columns(pl.lit(None, dtype=pl.String).alias("y"))
    assert SpanFits(empty, worlds.contract(), window=WINDOW).at(1_000).models == {}
    assert learner(empty).challenger(1_000, WINDOW) is None


losses = st.dictionaries(st.sampled_from([1, 4, 16, None]), st.floats(0.01, 10), min_size=1)


@settings(deadline=None, max_examples=100)
@given(st.lists(losses, max_size=10))
def test_weights_sum_to_one_and_follow_the_losses(history: list[dict[int | None, float]]) -> None:
    book = Book()
    for entry in history:
        book.enter(entry)
    spans = [1, 4, 16, None]
    weights = book.weights(spans)
    assert sum(weights) == pytest.approx(1.0)
    means = [book.losses[span] / book.counts[span] if book.counts.get(span) else None for span in spans]
    for a, one in zip(weights, means, strict=True):
        for b, two in zip(weights, means, strict=True):
            assert one is None or two is None or not one < two or a >= b


def test_spans_are_said_in_words() -> None:
    assert [span_words(span) for span in (1, 16, None)] == ["last window", "last 16 windows", "all history"]
