"""Diff: rows by key or as a multiset, cells, columns and distributions."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from mainspring.core.errors import InputError, NotFound
from mainspring.data import diff, read

if TYPE_CHECKING:
    from pathlib import Path

_ROWS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["a", None])), max_size=12)


@settings(max_examples=100, deadline=None)
@given(before=_ROWS, after=_ROWS)
def test_without_a_key_rows_are_a_multiset(
    before: list[tuple[int, str | None]], after: list[tuple[int, str | None]]
) -> None:
    schema = {"n": pl.Int64, "s": pl.String}
    found = diff(pl.DataFrame(before, schema, orient="row"), pl.DataFrame(after, schema, orient="row"))
    assert found.added == (Counter(after) - Counter(before)).total()
    assert found.removed == (Counter(before) - Counter(after)).total()
    assert found.equal == (Counter(before) == Counter(after))


def test_with_a_key_rows_are_matched() -> None:
    before = pl.DataFrame({"id": [1, 2, 3], "v": [5, 6, None], "w": ["a", "b", "c"], "old": [0, 0, 0]})
    after = pl.DataFrame({"id": [4, 3, 2], "v": [1.0, None, 7.0], "w": ["z", "c", "b"], "new": [1, 1, 1]})
    found = diff(before, after, key="id")
    assert (found.added, found.removed, found.changed) == (1, 1, 1)
    assert (found.columns_added, found.columns_removed) == (("new",), ("old",))
    by_name = {column.name: column for column in found.columns}
    assert (by_name["v"].type_before, by_name["v"].type_after, by_name["v"].changed) == ("Int64", "Float64", 1)
    assert by_name["v"].examples == ({"key": [2], "before": 6.0, "after": 7.0},)
    assert (by_name["w"].changed, by_name["w"].appeared, by_name["w"].vanished) == (0, ("z",), ("a",))
    assert json.loads(json.dumps(found.as_dict()))["equal"] is False


def test_the_distance_of_numbers_is_kolmogorov_smirnov() -> None:
    before, after = [1.0, 2.0, 2.0, 5.0, 9.0], [2.0, 3.0, 4.0]
    assert diff({"v": before}, {"v": after}).columns[0].distance == pytest.approx(ks_2samp(before, after).statistic)
    shares = diff({"v": ["a", "a", "b", "b"]}, {"v": ["a", "c"]}).columns[0]
    assert shares.distance == pytest.approx(0.5)


def test_the_same_moments_in_other_units_are_equal() -> None:
    moments = pl.Series("t", [datetime(2026, 1, 1), datetime(2026, 1, 2, 3, 4, 5)])
    found = diff({"t": moments.cast(pl.Datetime("ms"))}, {"t": moments.cast(pl.Datetime("us"))})
    assert (found.added, found.removed, found.columns[0].distance) == (0, 0, 0.0)
    assert not found.equal  # the type did change


def test_mistakes() -> None:
    with pytest.raises(NotFound, match="Did you mean id"):
        diff({"id": [1]}, {"id": [1]}, key="ID_")
    with pytest.raises(InputError, match=r"not unique in the table after: 1 values occur more than once, '7' 2 times"):
        diff({"id": [7]}, {"id": [7, 7]}, key="id")
    with pytest.raises(InputError, match="share no column"):
        diff({"a": [1]}, {"b": [1]})


def test_it_counts_the_wrong_cells_of_the_dirty_flights(shared_data: Path) -> None:
    dirty, truth = (read(shared_data / "dirty_clean" / f"flights.{word}.csv.gz") for word in ("dirty", "clean"))
    found = diff(dirty, truth, key="tuple_id")
    changed = {column.name: column.changed for column in found.columns if column.changed}
    assert changed == {"sched_dep_time": 911, "act_dep_time": 1558, "sched_arr_time": 1100, "act_arr_time": 1351}
