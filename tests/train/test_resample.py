"""Laws of every way to cut rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainspring.contract import Contract, ProjectSection
from mainspring.core.errors import InputError, NotFound
from mainspring.train import resample
from mainspring.train.resample import Resampling

sizes = st.integers(4, 80)
folds = st.integers(2, 8)
seeds = st.integers(0, 1000)


def check_pairs(pairs: list[Any], rows: int) -> None:
    """No row on both sides, both sides filled, in rising order, within the table."""
    assert pairs
    for learn, judge in pairs:
        assert len(learn)
        assert len(judge)
        assert not set(learn) & set(judge)
        assert set(learn) | set(judge) <= set(range(rows))
        assert (np.diff(learn) >= 0).all()
        assert (np.diff(judge) > 0).all()


@given(sizes, folds, seeds)
def test_every_row_is_judged_once_by_folds_of_even_size(rows: int, folds: int, seed: int) -> None:
    pairs = resample.k_fold(rows, folds=folds, seed=seed)
    check_pairs(pairs, rows)
    assert sorted(np.concatenate([judge for _, judge in pairs])) == list(range(rows))
    judged = [len(judge) for _, judge in pairs]
    assert max(judged) - min(judged) <= 1


@given(st.lists(st.integers(0, 3), min_size=4, max_size=80), folds, seeds)
def test_strata_spread_every_label_evenly(labels: list[int], folds: int, seed: int) -> None:
    y = np.array(labels)
    pairs = resample.stratified(y, folds=folds, seed=seed)
    check_pairs(pairs, len(y))
    assert sorted(np.concatenate([judge for _, judge in pairs])) == list(range(len(y)))
    for label in set(labels):
        counts = [int((y[judge] == label).sum()) for _, judge in pairs]
        assert max(counts) - min(counts) <= 1


@given(st.lists(st.none() | st.sampled_from("abcdef"), min_size=4, max_size=80), folds, seeds)
def test_groups_stay_whole(groups: list[str | None], folds: int, seed: int) -> None:
    array = np.array(groups, dtype=object)
    if len({group for group in groups if group}) + groups.count(None) < 2:
        with pytest.raises(InputError, match="one group"):
            resample.grouped(array, folds=folds, seed=seed)
        return
    pairs = resample.grouped(array, folds=folds, seed=seed)
    check_pairs(pairs, len(groups))
    assert sorted(np.concatenate([judge for _, judge in pairs])) == list(range(len(groups)))
    for learn, judge in pairs:
        assert not ({groups[i] for i in learn} & {groups[i] for i in judge}) - {None}


@given(st.lists(st.integers(0, 40), min_size=4, max_size=80), folds, st.integers(0, 5), st.none() | st.integers(1, 30))
def test_time_is_never_learned_backwards(moments: list[int], folds: int, gap: int, span: int | None) -> None:
    order = np.array(moments)
    try:
        pairs = resample.in_time(order, folds=folds, gap=gap, span=span)
    except InputError as error:
        assert "moments" in str(error)  # noqa: PT017  # few moments: refusing is right for some tables only
        assert len(set(moments)) == 1 or gap
        return
    check_pairs(pairs, len(order))
    judged = np.concatenate([judge for _, judge in pairs])
    assert len(set(judged)) == len(judged)
    for learn, judge in pairs:
        assert order[learn].max() < order[judge].min()
        between = set(range(len(order))) - set(learn)
        assert sum(order[i] < order[judge].min() for i in between) >= min(gap, (order < order[judge].min()).sum() - 1)
        assert span is None or len(learn) <= span


@given(sizes, st.integers(2, 6), seeds)
def test_bootstrap_judges_what_was_not_drawn(rows: int, draws: int, seed: int) -> None:
    pairs = resample.bootstrap(rows, draws=draws, seed=seed)
    assert len(pairs) == draws
    check_pairs(pairs, rows)
    for learn, judge in pairs:
        assert len(learn) == rows
        assert sorted({*learn, *judge}) == list(range(rows))


@settings(max_examples=20)
@given(st.sampled_from(["k-fold", "stratified", "grouped", "bootstrap"]), seeds)
def test_the_seed_decides(kind: Any, seed: int) -> None:
    y, groups = np.arange(60) % 2, np.arange(60) // 3
    plan = Resampling(kind=kind)
    first, again, other = (plan.pairs(y, groups=groups, seed=s) for s in (seed, seed, seed + 5_000))
    same = [np.array_equal(a[1], b[1]) for a, b in zip(first, again, strict=True)]
    assert all(same)
    assert any(not np.array_equal(a[1], b[1]) for a, b in zip(first, other, strict=True))


def test_what_cannot_be_cut_is_refused() -> None:
    y = np.zeros(10)
    with pytest.raises(NotFound, match=r"No resampling named 'kfold'. Did you mean k-fold"):
        Resampling(kind="kfold")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="at least 2 folds"):
        Resampling(kind="k-fold", folds=1)
    with pytest.raises(InputError, match="declare time in"):
        Resampling(kind="expanding").pairs(y)
    with pytest.raises(InputError, match="declare entity in"):
        Resampling(kind="grouped").pairs(y)
    with pytest.raises(InputError, match="At least 4 rows"):
        Resampling(kind="k-fold").pairs(y[:3])


@pytest.mark.parametrize(
    ("time", "entity", "task", "rows", "kind"),
    [
        (None, None, "binary", 900, "5 stratified folds"),
        (None, None, "regression", 900, "5 folds"),
        (None, None, "binary", 60, "5 stratified folds, 3 times"),
        (None, "who", "binary", 900, "5 folds of whole groups"),
        (None, "row", "binary", 900, "5 stratified folds"),
        ("row", "who", "binary", 900, "5 blocks in time order, learning from all before"),
    ],
)
def test_the_contract_suggests_the_way(time: str | None, entity: str | None, task: Any, rows: int, kind: str) -> None:
    frame = pl.DataFrame({"row": range(rows), "who": [i // 4 for i in range(rows)], "y": [i % 2 for i in range(rows)]})
    contract = Contract(project=ProjectSection(name="x", task=task, target="y", time=time, entity=entity))
    assert resample.natural(contract, frame, task).text == kind
