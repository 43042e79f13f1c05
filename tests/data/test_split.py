"""Splitting: every row once, nothing of one side on the other."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainspring.contract import Column, Contract, ProjectSection
from mainspring.core.errors import InputError, NotFound
from mainspring.data import Split, split


@st.composite
def _frames(draw: st.DrawFn) -> pl.DataFrame:
    rows = draw(st.integers(8, 60))
    column = {
        "few": st.sampled_from(["a", "b", None]),
        "time": st.integers(0, 20),
        "group": st.one_of(st.none(), st.integers(0, 6)),
    }
    cells = {name: draw(st.lists(values, min_size=rows, max_size=rows)) for name, values in column.items()}
    return pl.DataFrame({"row": range(rows), **cells})


@settings(max_examples=120, deadline=None)
@given(
    frame=_frames(),
    way=st.sampled_from([("random", None), ("stratified", "few"), ("time", "time"), ("group", "group")]),
    test=st.floats(0.05, 0.95),
    seed=st.integers(0, 5),
)
def test_every_row_is_on_exactly_one_side(
    frame: pl.DataFrame, way: tuple[Any, str | None], test: float, seed: int
) -> None:
    by, column = way
    if column is not None and frame[column].n_unique() < 2 and by != "stratified":
        with pytest.raises(InputError, match="leaves one part empty"):
            split(frame, by=by, column=column, test=test, seed=seed)
        return
    parts = split(frame, by=by, column=column, test=test, seed=seed)
    assert Counter([*parts.train["row"], *parts.test["row"]]) == Counter(range(frame.height))
    for part in (parts.train, parts.test):
        assert part["row"].is_sorted()  # the original order is kept
        assert part.height > 0
    again = split(frame, by=by, column=column, test=test, seed=seed)
    assert again.digest == parts.digest
    if by == "time":
        assert parts.train["time"].max() < parts.test["time"].min()  # type: ignore[operator]
    if by == "group":
        assert not set(parts.train["group"]) & set(parts.test["group"])
    if by in ("random", "stratified"):
        assert parts.test.height == min(max(round(frame.height * test), 1), frame.height - 1)


def test_strata_keep_their_shares() -> None:
    frame = pl.DataFrame({"y": ["rare"] * 40 + ["common"] * 960})
    parts = split(frame, by="stratified", column="y", test=0.25)
    assert parts.test["y"].value_counts().sort("y")["count"].to_list() == [240, 10]


def test_numbers_are_stratified_by_quantiles() -> None:
    values = np.random.default_rng(0).lognormal(size=5000)
    parts = split({"y": values}, by="stratified", column="y", test=0.2)
    edges = np.quantile(values, np.linspace(0, 1, 11)[1:-1])
    held = np.bincount(np.searchsorted(edges, parts.test["y"].to_numpy()), minlength=10)
    assert held.max() - held.min() <= 1


def test_another_seed_draws_other_rows_and_another_digest() -> None:
    frame = {"a": range(100)}
    assert split(frame, seed=0).digest != split(frame, seed=1).digest
    assert split(frame, by="time", column="a", seed=0).digest == split(frame, by="time", column="a", seed=1).digest


def test_the_contract_names_the_column() -> None:
    section = ProjectSection(name="p", task="binary", target="y", time="t", entity="who")
    contract = Contract(project=section, columns={"y": Column(name="y", type="integer")})
    frame = pl.DataFrame({"t": [1, 2, 3, 4], "y": [0, 1, 0, 1], "who": ["a", "a", "b", "b"]})
    assert split(frame, by="time", contract=contract).column == "t"
    assert split(frame, by="stratified", contract=contract, test=0.5).column == "y"
    assert split(frame, by="group", contract=contract).column == "who"


def test_without_a_contract_time_is_the_only_date_column() -> None:
    start = datetime(2026, 1, 1)
    frame = pl.DataFrame({"when": [start + timedelta(days=day) for day in (3, 1, 2, 0)], "x": [1, 2, 3, 4]})
    parts: Split = split(frame, by="time", test=0.25)
    assert parts.test["x"].to_list() == [1]
    with pytest.raises(InputError, match="there is no date column"):
        split(frame.drop("when"), by="time")
    with pytest.raises(InputError, match="several date columns"):
        split(frame.with_columns(pl.col("when").alias("then")), by="time")


@pytest.mark.parametrize(
    ("frame", "options", "expected"),
    [
        ({"a": [1]}, {}, "cannot be split in two"),
        ({"a": [1, 2]}, {"test": 1.5}, "between 0 and 1"),
        ({"a": [1, 2]}, {"by": "rndom"}, "Did you mean random?"),
        ({"t": [1, None]}, {"by": "time", "column": "t"}, "1 of 2 rows have no time"),
        ({"t": ["x", "y"]}, {"by": "time", "column": "t"}, "holds text that is no date"),
        ({"t": [5, 5, 5]}, {"by": "time", "column": "t"}, "leaves one part empty"),
        ({"k": list("abcdefgh")}, {"by": "stratified", "column": "k"}, "8 different values in 8 rows"),
        ({"a": [1, 2]}, {"by": "group"}, "needs a column"),
        ({"a": [[1], [2]]}, {"by": "group", "column": "a"}, "holds values of type List(Int64)"),
    ],
)
def test_what_cannot_be_split(frame: dict[str, list[Any]], options: Any, expected: str) -> None:
    with pytest.raises(InputError) as error:
        split(frame, **options)
    assert expected in str(error.value)


def test_an_unknown_column_names_the_nearest() -> None:
    with pytest.raises(NotFound, match="Did you mean group"):
        split({"group": [1, 2]}, by="group", column="grup")
