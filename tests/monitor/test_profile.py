from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.monitor.strategies import frames

from mainspring.contract import Column, Contract, ProjectSection
from mainspring.core.errors import InputError, NotFound
from mainspring.monitor.level_bins import LevelBins
from mainspring.monitor.number_bins import NumberBins
from mainspring.monitor.profile import Reference, WindowProfile

if TYPE_CHECKING:
    from pathlib import Path


@settings(max_examples=60, deadline=None)
@given(reference=frames(smallest=1), a=frames(), b=frames(), c=frames())
def test_profiles_add_up_exactly(reference: pl.DataFrame, a: pl.DataFrame, b: pl.DataFrame, c: pl.DataFrame) -> None:
    fitted = Reference.fit(reference)
    one, two, three = (fitted.profile(part) for part in (a, b, c))
    whole = fitted.profile(pl.concat([a, b, c]))
    assert (one + two) + three == one + (two + three)
    assert ((one + two) + three).as_dict() == whole.as_dict()


@settings(max_examples=60, deadline=None)
@given(reference=frames(smallest=1), window=frames())
def test_every_row_is_counted_once_and_json_keeps_all(reference: pl.DataFrame, window: pl.DataFrame) -> None:
    fitted = Reference.fit(reference)
    again = Reference.from_dict(json.loads(json.dumps(fitted.as_dict())))
    assert again == fitted
    profile = again.profile(window)
    for name, column in profile.columns.items():
        known = column.known if fitted.columns[name].bins is not None else window[name].drop_nulls().len()
        assert column.rows == window.height == column.nulls + column.infinite + column.mistyped + known
    assert fitted.profile(reference).as_dict()["columns"] == fitted.own.as_dict()["columns"]
    assert WindowProfile.from_dict(json.loads(json.dumps(profile.as_dict()))) == profile


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.floats(-1e9, 1e9) | st.integers(-20, 20).map(float), min_size=1, max_size=300),
    window=st.lists(st.floats(-1e12, 1e12), max_size=50),
)
def test_places_follow_the_order_of_the_values(values: list[float], window: list[float]) -> None:
    """Counting by cells keeps order: a larger number never falls into an earlier bin."""
    bins = Reference.fit(pl.DataFrame({"x": values})).columns["x"].bins
    assert isinstance(bins, NumberBins)
    placed = [int(np.argmax(bins.count([np.array([value])], value, value)[0])) for value in sorted({*window, *values})]
    assert placed == sorted(placed)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("normal", lambda draw: draw.normal(1e6, 1, 50_000)),
        ("uniform", lambda draw: draw.random(50_000)),
        ("lognormal", lambda draw: draw.lognormal(0, 3, 50_000)),
        ("cauchy", lambda draw: draw.standard_cauchy(50_000)),
        ("outlier", lambda draw: np.append(draw.normal(size=50_000), 1e15)),
        ("timestamps", lambda draw: 1_700_000_000_000_000 + draw.integers(0, 10**12, 50_000)),
    ],
)
def test_bins_are_near_quantiles_whatever_the_shape(name: str, values: object) -> None:
    drawn = values(np.random.default_rng(0))  # type: ignore[operator]
    profile = Reference.fit(pl.DataFrame({"x": drawn})).columns["x"].profile
    shares = profile.counts[1:-1] / len(drawn)
    assert len(shares) >= 25, name
    assert shares.max() < 0.09, name


def test_a_frequent_value_has_a_bin_of_its_own() -> None:
    draw = np.random.default_rng(0)
    values = np.where(draw.random(20_000) < 0.6, 0.0, draw.exponential(10, 20_000))
    reference = Reference.fit(pl.DataFrame({"x": values}))
    counts = reference.columns["x"].profile.counts
    assert counts.max() == pytest.approx(np.count_nonzero(values < 0.02), rel=0.01)


def test_a_parquet_file_is_profiled_like_the_frame(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    rows = 300_000
    frame = pl.DataFrame(
        {
            "x": pl.Series(draw.normal(size=rows)).set(pl.Series(draw.random(rows) < 0.1), None),
            "n": draw.integers(0, 1_000, rows).astype(np.int16),
            "word": pl.Series(draw.choice(["red", "green", "blue"], rows)).set(
                pl.Series(draw.random(rows) < 0.1), None
            ),
            "day": pl.Series([date(2020, 1, 1)] * rows)
            + pl.Series(draw.integers(0, 999, rows)).cast(pl.Duration("us")),
            "odd": pl.Series([[1, 2]] * rows),
        }
    )
    path = tmp_path / "a table.parquet"
    frame.write_parquet(path, row_group_size=70_000)
    assert Reference.fit(path).as_dict() == Reference.fit(frame).as_dict()
    reference = Reference.fit(frame)
    assert reference.profile(str(path)) == reference.profile(frame)


def test_a_damaged_parquet_file_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "half.parquet"
    path.write_bytes(b"PAR1 and then nothing")
    with pytest.raises(InputError, match=r"half\.parquet.*cannot be read as Parquet"):
        Reference.fit(path)


def test_other_types_are_read_as_the_reference_has_them() -> None:
    reference = Reference.fit(pl.DataFrame({"x": [1.0, 2.0, 3.0], "c": ["1", "2", "2"], "t": [True, False, True]}))
    profile = reference.profile(pl.DataFrame({"x": ["1", " 2 ", "many"], "c": [1, 2, 3], "t": ["true", "no", None]}))
    assert profile.columns["x"].mistyped == 1
    assert profile.columns["x"].known == 2
    assert profile.columns["c"].unseen == {"3": 1}
    assert profile.columns["t"].unseen == {"no": 1}
    assert profile.columns["t"].nulls == 1


def test_missing_and_new_columns_are_told_and_merge() -> None:
    reference = Reference.fit(pl.DataFrame({"a": [1, 2], "b": [1, 2]}))
    without, whole = (
        reference.profile(pl.DataFrame({"a": [1], "z": ["new"]})),
        reference.profile(pl.DataFrame({"a": [2], "b": [2]})),
    )
    both = without + whole
    assert both.columns["b"].absent == 1
    assert both.columns["b"].present == 1
    assert both.extra == {"z": "String"}
    with pytest.raises(InputError, match="Only profiles of one reference can be added; these differ in b"):
        Reference.fit(pl.DataFrame({"a": [1]})).profile(pl.DataFrame({"a": [1]})) + whole


def test_clocks_and_counters_are_recognised() -> None:
    rows = 500
    draw = np.random.default_rng(0)
    frame = pl.DataFrame(
        {
            "clock": [datetime(2024, 1, 1) + timedelta(hours=i // 2) for i in range(rows)],
            "counter": np.arange(rows),
            "fraction": np.arange(rows) / rows,
            "sorted": np.sort(draw.exponential(size=rows)),
            "birthday": pl.Series([date(1980, 1, 1)] * rows)
            + pl.Series(draw.integers(0, 9_000, rows)).cast(pl.Duration("us")) * 86_400_000_000,
        }
    )
    rising = {name for name, column in Reference.fit(frame).columns.items() if column.rising}
    assert rising == {"clock", "counter", "fraction"}


def test_identifiers_are_not_kept() -> None:
    names = [f"person {i}" for i in range(2_000)] + ["someone"] * 50
    reference = Reference.fit(pl.DataFrame({"name": names}))
    assert "person" not in json.dumps(reference.as_dict())
    assert reference.profile(pl.DataFrame({"name": ["new"]})).columns["name"].unseen == {}


@pytest.mark.parametrize("strange", [0, 1, 7])
@pytest.mark.parametrize("levels", [1, 5, 60, 200])
def test_many_texts_are_counted_by_their_hashes_as_by_their_groups(levels: int, strange: int) -> None:
    draw = np.random.default_rng(levels)
    known = [f"level {place}" if place % 3 else f"ä{place}" for place in range(levels)]
    reference = Reference.fit(pl.DataFrame({"word": known, "gone": known}))
    words = draw.choice(known, 20_000).tolist() + ["never seen"] * strange
    window = pl.concat(
        [pl.DataFrame({"word": part, "gone": [None, *part[1:]]}) for part in (words[:9_000], words[9_000:])],
        rechunk=False,
    )
    found = reference.profile(window)
    few = [reference.profile(window.slice(begin, 1_000)) for begin in range(0, window.height, 1_000)]
    assert found.as_dict() == sum(few[1:], few[0]).as_dict()
    assert found.columns["word"].unseen == ({"never seen": strange} if strange else {})
    assert sum(found.columns["word"].counts.tolist()) == window.height
    bins = reference.columns["word"].bins
    assert isinstance(bins, LevelBins)
    assert bins.seed is not None
    counted = bins.by_hash(window["word"].hash(bins.seed))
    assert counted is not None
    places, marked = counted
    assert (0 if marked is None else int(marked.sum())) == strange
    assert int(places.sum()) == window.height - strange


def test_a_text_that_hides_in_the_cell_of_a_level_is_found_out() -> None:
    reference = Reference.fit(pl.DataFrame({"word": ["a", "b"]}))
    bins = reference.columns["word"].bins
    assert isinstance(bins, LevelBins)
    assert bins.seed is not None
    hashes = pl.Series([f"other {number}" for number in range(20_000)]).hash(bins.seed).to_numpy() >> np.uint64(53)
    own = pl.Series(["a"]).hash(bins.seed).to_numpy() >> np.uint64(53)
    double = f"other {int(np.flatnonzero(hashes == own[0])[0])}"
    profile = reference.profile(pl.DataFrame({"word": ["a"] * 5_000 + [double] * 3 + ["b"]})).columns["word"]
    assert profile.unseen == {double: 3}
    assert sorted(profile.counts.tolist()) == [1, 3, 5_000]


def test_truth_values_are_counted_as_their_texts() -> None:
    values = [True] * 3 + [False] * 5 + [None]
    texts = Reference.fit(pl.DataFrame({"y": ["true", "false"]}))
    told = texts.profile(pl.DataFrame({"y": values})).columns["y"]
    said = texts.profile(pl.DataFrame({"y": [None if each is None else str(each).lower() for each in values]}))
    assert told.counts.tolist() == said.columns["y"].counts.tolist()
    assert texts.profile(pl.DataFrame({"y": [True, True]})).columns["y"].counts.sum() == 2


def test_wrong_use_is_told() -> None:
    with pytest.raises(InputError, match="has no rows"):
        Reference.fit(pl.DataFrame({"a": []}))
    with pytest.raises(NotFound, match=r"No column named .agee.\. Did you mean age"):
        Reference.fit(pl.DataFrame({"age": [1]}), columns=["agee"])
    with pytest.raises(InputError, match="bins must lie between"):
        Reference.fit(pl.DataFrame({"age": [1]}), bins=1)
    with pytest.raises(InputError, match="format 99"):
        Reference.from_dict({"format": 99})


def test_the_contract_is_counted_on_the_reference() -> None:
    contract = Contract(
        project=ProjectSection(name="a", task="binary", target="y"),
        columns={"age": Column(name="age", type="integer", minimum=18, nullable=False)},
    )
    reference = Reference.fit(pl.DataFrame({"age": [17, 20, None]}), contract=contract)
    assert reference.rules["age", "minimum"] == (1, 2)
    assert reference.rules["age", "nulls"] == (1, 3)
    assert Reference.from_dict(json.loads(json.dumps(reference.as_dict()))).rules == reference.rules
