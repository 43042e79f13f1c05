"""Associations against the libraries that compute them pair by pair."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy import stats

from mainspring.data.associations import MOST_COLUMNS, Associations, associate
from mainspring.data.summary import summarise


def _associate(frame: pl.DataFrame, target: str | None = None) -> Associations:
    return associate(frame, [summarise(series) for series in frame.iter_columns()], target=target)


@pytest.fixture(scope="module")
def mixed() -> pl.DataFrame:
    rng = np.random.default_rng(3)
    n = 3000
    x = rng.normal(size=n)
    group = rng.choice(["a", "b", "c"], n)
    return pl.DataFrame(
        {
            "x": x,
            "curve": np.exp(2 * x),
            "noisy": np.where(rng.random(n) < 0.2, np.nan, x + rng.normal(size=n)),
            "group": group,
            "shifted": rng.normal(size=n) + np.where(group == "a", 2.0, 0.0),
            "copy": np.where(rng.random(n) < 0.9, group, "b"),
            "noise": rng.choice(["p", "q"], n),
        }
    )


def test_numbers_are_compared_by_rank_and_by_value_over_the_rows_they_share(mixed: pl.DataFrame) -> None:
    found = _associate(mixed)
    pairs = {(pair.left, pair.right): pair for pair in found.pairs}
    kept = mixed.filter(pl.col("noisy").is_not_nan())
    pair = pairs["x", "noisy"]
    assert pair.pearson == pytest.approx(stats.pearsonr(kept["x"], kept["noisy"]).statistic, abs=1e-3)
    assert pair.value == pytest.approx(stats.spearmanr(kept["x"], kept["noisy"]).statistic, abs=5e-3)
    assert pairs["x", "curve"].value == 1.0
    assert pairs["x", "curve"].pearson == pytest.approx(stats.pearsonr(mixed["x"], mixed["curve"]).statistic, abs=1e-3)


def test_a_number_and_a_category_are_compared_by_the_corrected_correlation_ratio(mixed: pl.DataFrame) -> None:
    pair = next(p for p in _associate(mixed).pairs if {p.left, p.right} == {"group", "shifted"})
    groups = [part["shifted"].to_numpy() for part in mixed.partition_by("group")]
    f = stats.f_oneway(*groups).statistic
    n, k = mixed.height, 3
    assert pair.measure == "correlation ratio"
    # Kelley's epsilon squared from the F statistic of the analysis of variance
    assert pair.value == pytest.approx(np.sqrt((f - 1) * (k - 1) / ((k - 1) * f + n - k)), abs=1e-3)


def test_two_categories_are_compared_by_cramers_v_that_noise_does_not_inflate(mixed: pl.DataFrame) -> None:
    found = _associate(mixed)
    value = {frozenset((p.left, p.right)): p.value for p in found.pairs}
    table = (
        mixed.pivot("copy", index="group", values="x", aggregate_function="len").drop("group").fill_null(0).to_numpy()
    )
    plain = stats.contingency.association(table, method="cramer")
    assert value[frozenset(("group", "copy"))] == pytest.approx(plain, abs=0.01)
    i, j = found.columns.index("noise"), found.columns.index("copy")
    assert found.matrix[i][j] < 0.05


def test_independent_categories_of_many_levels_do_not_look_associated() -> None:
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"a": rng.choice(list("abcdefghij"), 400), "b": rng.choice(list("klmnopqrst"), 400)})
    assert _associate(frame).matrix[0][1] < 0.1


def test_a_column_that_does_not_vary_where_the_other_is_filled_has_no_association() -> None:
    frame = pl.DataFrame({"flag": [0, 1] * 200, "only_then": [None, 5.0] * 200, "other": list(range(400))})
    frame = frame.with_columns(only_then=pl.when(pl.col("flag") == 1).then(pl.col("other") % 7))
    found = _associate(frame)
    i, j = found.columns.index("flag"), found.columns.index("only_then")
    assert np.isnan(found.matrix[i][j])


def test_very_large_values_do_not_overflow() -> None:
    values = np.linspace(1e200, 2e200, 500)
    found = _associate(pl.DataFrame({"a": values, "b": values[::-1].copy()}))
    assert found.pairs[0].pearson == pytest.approx(-1.0)


def test_a_wide_table_is_cut_and_the_target_is_kept() -> None:
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({f"c{i}": rng.normal(size=50) for i in range(200)})
    found = _associate(frame, target="c199")
    assert len(found.columns) == MOST_COLUMNS
    assert "c199" in found.columns
    assert len(found.left_out) == 200 - MOST_COLUMNS


def test_texts_and_ids_take_no_part() -> None:
    frame = pl.DataFrame({"id": range(100), "x": np.random.default_rng(0).normal(size=100), "one": [1] * 100})
    assert _associate(frame).left_out == ("id", "one")
