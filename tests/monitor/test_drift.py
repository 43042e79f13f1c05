from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.monitor.strategies import frames

from mainspring.core.errors import NotFound
from mainspring.monitor.drift import SMALLEST, ColumnDrift, drift, holm_level
from mainspring.monitor.profile import Reference

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 5_000


def table(seed: int, rows: int = ROWS, **other: Any) -> pl.DataFrame:
    draw = np.random.default_rng(seed)
    columns = {
        "normal": draw.normal(size=rows),
        "skewed": draw.lognormal(0, 1, rows),
        "count": draw.poisson(3, rows),
        "word": draw.choice(["red", "green", "blue"], rows, p=[0.6, 0.3, 0.1]),
        "truth": draw.random(rows) < 0.3,
    }
    return pl.DataFrame(columns).with_columns(**other)


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference.fit(table(0))


def one(reference: Reference, window: pl.DataFrame, name: str) -> ColumnDrift:
    return drift(reference, window).column(name)


@pytest.mark.parametrize("rows", [200, 2_000])
def test_quiet_windows_raise_no_alert(reference: Reference, rows: int) -> None:
    """Promised is one window in a hundred; what is spent, one in four hundred."""
    assert sum(bool(drift(reference, table(seed, rows)).drifted) for seed in range(100, 200)) <= 1


def test_a_small_shift_in_one_column_is_named_alone(reference: Reference) -> None:
    named = [drift(reference, table(seed, 2_000, normal=pl.col("normal") + 0.3)).drifted for seed in range(1, 31)]
    assert named == [("normal",)] * 30


def test_the_report_has_the_promised_shape(reference: Reference, tmp_path: Path) -> None:
    path = tmp_path / "window.parquet"
    table(3, skewed=pl.col("skewed") * 2).write_parquet(path)
    report = json.loads(json.dumps(drift(reference, path).as_dict()))
    assert report["rows"] == ROWS
    assert report["drifted"] == ["skewed"]
    for column in report["columns"]:
        assert {"name", "drifted", "psi", "js", "ks", "band"} <= column.keys()
        outside = [name for name in ("psi", "js", "ks") if column[name] > column["band"][name]]
        assert bool(outside) == column["drifted"]


def test_furthest_off_comes_first(reference: Reference) -> None:
    window = table(4, normal=pl.col("normal") + 0.3, skewed=pl.col("skewed") * 10)
    assert drift(reference, window).drifted == ("skewed", "normal")


def test_a_new_category_is_named(reference: Reference) -> None:
    window = table(5, 1_000, word=pl.when(pl.int_range(pl.len()) < 50).then(pl.lit("mauve")).otherwise("word"))
    found = one(reference, window, "word")
    assert found.drifted
    assert "unseen" in found.outside
    assert found.unseen == {"mauve": 50}
    assert found.shares["unseen"] == 0.05


def test_missing_new_and_retyped_columns_are_told(reference: Reference) -> None:
    window = table(6).drop("normal").with_columns(pl.col("count").cast(pl.String), new=pl.lit(1))
    report = drift(reference, window)
    assert report.drifted == ("normal",)
    assert report.column("normal").note == "missing: the window has no such column"
    assert report.column("count").note == "type: was Int64, is String"
    assert report.column("new").note == "new: not in the reference (Int32)"
    broken = one(reference, table(6, count=pl.lit("many")), "count")
    assert broken.drifted
    assert "5000 values cannot be read as a number" in broken.note


def test_nulls_and_infinities_are_told(reference: Reference) -> None:
    gaps = pl.when(pl.int_range(pl.len()) % 10 == 0)
    report = drift(
        reference,
        table(
            7,
            normal=gaps.then(None).otherwise("normal"),
            skewed=gaps.then(float("inf")).otherwise("skewed"),
            word=pl.lit(None, dtype=pl.String),
        ),
    )
    assert set(report.drifted) == {"normal", "skewed", "word"}
    assert report.column("normal").shares["nulls"] == pytest.approx(0.1)
    assert report.column("skewed").outside == ("unusable",)
    assert report.column("skewed").note == "500 infinite values"
    assert report.column("word").ks is None
    assert report.column("word").psi > report.column("word").band["psi"]  # type: ignore[operator]


def test_constants_and_empty_columns_have_their_say() -> None:
    before = pl.DataFrame({"same": [5.0] * 500, "none": pl.Series([None] * 500, dtype=pl.Float64)})
    assert drift(before, before.head(200)).drifted == ()
    other = drift(before, before.head(200).with_columns(same=pl.lit(7.0), none=pl.lit(1.0)))
    assert set(other.drifted) == {"same", "none"}
    assert other.column("same").ks == 1.0


def test_clocks_are_not_judged_but_their_nulls_are() -> None:
    days = [datetime(2024, 1, 1) + timedelta(minutes=i) for i in range(2_000)]
    before, after = pl.DataFrame({"at": days[:1_000]}), pl.DataFrame({"at": days[1_000:]})
    found = drift(before, after).column("at")
    assert not found.drifted
    assert found.ks == 1.0
    assert "its distribution is not judged" in found.note
    gone = after.with_columns(pl.when(pl.int_range(pl.len()) < 300).then(None).otherwise("at").alias("at"))
    assert drift(before, gone).drifted == ("at",)


def test_other_dates_are_judged() -> None:
    draw = np.random.default_rng(0)
    born = pl.Series([date(1950, 1, 1)] * ROWS)
    before = pl.DataFrame({"born": born + pl.Series(draw.integers(0, 20_000, ROWS)) * timedelta(days=1)})
    after = pl.DataFrame({"born": born + pl.Series(draw.integers(3_000, 20_000, ROWS)) * timedelta(days=1)})
    assert drift(before, before.sample(1_000, seed=0)).drifted == ()
    assert drift(before, after).drifted == ("born",)


def test_a_huge_window_does_not_name_what_matters_to_nobody() -> None:
    draw = np.random.default_rng(0)
    before = pl.DataFrame({"x": draw.normal(size=1_000_000)})
    slight = drift(before, pl.DataFrame({"x": draw.normal(0.015, 1, 1_000_000)})).column("x")
    assert slight.chance < 1e-9
    assert slight.ks is not None
    assert slight.ks < SMALLEST
    assert not slight.drifted
    assert drift(before, pl.DataFrame({"x": draw.normal(0.05, 1, 1_000_000)})).drifted == ("x",)


def test_ignored_columns_are_left_out(reference: Reference) -> None:
    report = drift(reference, table(8, normal=pl.lit(9.0)), ignore=["normal"])
    assert report.drifted == ()
    assert "normal" not in {column.name for column in report.columns}
    with pytest.raises(NotFound, match=r"No column named 'normla'\. Did you mean normal\?"):
        drift(reference, table(8), ignore=["normla"])


@given(st.lists(st.floats(0, 1), max_size=20), st.floats(1e-6, 0.5), st.integers(0, 5))
def test_the_one_level_gives_the_answer_of_holms_steps(chances: list[float], level: float, others: int) -> None:
    left, rejected = len(chances) + others, set()
    for place in sorted(range(len(chances)), key=lambda i: chances[i]):
        if chances[place] > level / left:
            break
        rejected.add(place)
        left -= 1
    single = holm_level(chances, level, others=others)
    assert {place for place, chance in enumerate(chances) if chance <= single} == rejected


@settings(max_examples=40, deadline=None)
@given(frames(smallest=1), frames())
def test_any_two_tables_give_a_report_that_json_takes(before: pl.DataFrame, after: pl.DataFrame) -> None:
    report = drift(before, after)
    assert json.loads(json.dumps(report.as_dict(), allow_nan=False))["rows"] == after.height
    assert {column.name for column in report.columns} == set(before.columns)
