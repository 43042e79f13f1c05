"""A planted weak slice is found; where nothing is weak, nothing is called so."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from mainspring.core.predictions import Predictions
from mainspring.evaluate.level import levels, matches
from mainspring.evaluate.metric import Setting
from mainspring.evaluate.outcome import Outcome
from mainspring.evaluate.slices import find, holm


def world(seed: int, rows: int = 1500, *, weak: str = "") -> tuple[Outcome, pl.DataFrame]:
    """Two classes told apart equally well everywhere, but in region *weak*, where the score is noise."""
    generator = np.random.default_rng(seed)
    frame = pl.DataFrame(
        {
            "region": generator.choice(["north", "south", "east"], rows),
            "age": generator.integers(18, 80, rows),
            "income": np.where(generator.random(rows) < 0.1, np.nan, generator.normal(size=rows)),
            **{f"noise{i}": generator.choice(list("abcd"), rows) for i in range(5)},
        }
    ).with_columns(pl.col("income").fill_nan(None))
    truth = generator.integers(0, 2, rows)
    logit = 1.5 * (2 * truth - 1) + generator.normal(0, 1.5, rows)
    logit = np.where((frame["region"] == weak).to_numpy(), generator.normal(0, 1.5, rows), logit)
    chance = 1 / (1 + np.exp(-logit))
    said = Predictions((chance > 0.5).astype(int), np.column_stack([1 - chance, chance]), (0, 1))
    return Outcome.of(truth, said), frame


@pytest.mark.parametrize("metric", ["roc_auc", "accuracy", "log_loss"])
def test_the_planted_slice_comes_first(metric: str) -> None:
    outcome, frame = world(1, weak="south")
    found = find(outcome, frame, frame.columns, metric=metric)
    first = found.found[0]
    assert (first.column, first.level, first.worse) == ("region", "south", True)
    assert first.p < 1e-6
    assert first.gap > 0.1
    assert first.estimate.rows == int((frame["region"] == "south").sum())
    assert found.looked_at == 3 + 4 + 5 + 20


def test_where_no_slice_is_weak_none_is_called_so() -> None:
    false_lists = 0
    for seed in range(60):
        outcome, frame = world(seed, rows=800)
        found = find(outcome, frame, frame.columns, metric="accuracy", setting=Setting(resamples=100))
        assert found.looked_at == 32
        false_lists += bool(found.worse)
    assert false_lists <= 8  # 5 % are allowed; eight or more of sixty would happen once in a hundred


def test_missing_values_are_a_slice_and_small_ones_are_not() -> None:
    outcome, frame = world(2)
    found = find(outcome, frame, ["income"], metric="accuracy")
    assert "(missing)" in {part.level for part in found.found}
    rare = frame.with_columns(region=pl.Series(["rare"] * 20 + ["usual"] * 1480))
    assert {part.level for part in find(outcome, rare, ["region"], metric="accuracy").found} == {"usual"}


def test_holm_equals_its_definition() -> None:
    generator = np.random.default_rng(0)
    chances = [float(p) for p in generator.random(12) ** 3]
    order = np.argsort(chances)
    stepped = [min(1.0, chances[i] * (12 - rank)) for rank, i in enumerate(order)]
    expected = np.maximum.accumulate(stepped)
    assert [holm(chances)[i] for i in order] == pytest.approx(list(expected))
    assert holm([]) == []


def test_numbers_are_cut_into_quarters_and_nulls_kept() -> None:
    column = pl.Series("age", [*range(1, 41), None])
    named = levels(column)
    assert named.to_list()[:11] == ["1 to 10"] * 10 + ["11 to 20"]
    assert named[-1] is None
    assert levels(column, missing=True)[-1] == "(missing)"
    assert levels(pl.Series("few", [1.0, 2.0, None])).to_list() == ["1", "2", None]
    assert levels(pl.Series("flag", [True, False])).to_list() == ["true", "false"]
    skewed = pl.Series("gain", [0] * 90 + list(range(1, 40)))
    assert levels(skewed).value_counts().filter(pl.col("gain") == "0")["count"].item() == 90
    dates = pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 1, 20), eager=True)
    assert levels(dates)[0] == "2024-01-01 to 2024-01-05"
    assert levels(pl.Series("x", [float("inf"), None, *map(float, range(20))])).null_count() == 2


@pytest.mark.parametrize(
    ("values", "wanted", "expected"),
    [
        ([1, 2, None], "1", [True, False, False]),
        ([1.0, 1.5], "1", [True, False]),
        (["1", "01"], "1", [True, False]),
        ([True, False], "True", [True, False]),
        (["a", None], "a", [True, False]),
    ],
)
def test_a_written_value_matches_the_column(values: list[object], wanted: str, expected: list[bool]) -> None:
    assert matches(pl.Series(values), wanted).to_list() == expected
