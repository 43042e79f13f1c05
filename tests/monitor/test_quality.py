"""Rules counted from a profile where it proves them: the same counts as by looking at every row."""

from __future__ import annotations

import math
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.contract import Column, Contract, ProjectSection
from mainspring.data.check import check
from mainspring.monitor.profile import Reference
from mainspring.monitor.quality import count_rules, settled
from mainspring.monitor.signals import count_window, judge_window

CONTRACT = Contract(
    project=ProjectSection(name="w", task="binary", target="y"),
    columns={
        "n": Column(name="n", type="number", minimum=-2, maximum=2, nullable=False),
        "free": Column(name="free", type="number", maximum_null_fraction=0.5),
        "i": Column(name="i", type="integer", minimum=0),
        "c": Column(name="c", type="category", categories=("a", "b", "c")),
        "open": Column(name="open", type="category"),
        "b": Column(name="b", type="boolean"),
        "p": Column(name="p", type="text", pattern="[a-z]+"),
    },
)
NUMBERS = st.one_of(st.none(), st.floats(-3, 3), st.sampled_from([math.nan, math.inf, 1e200]))
ROW = st.fixed_dictionaries(
    {
        "n": NUMBERS,
        "free": NUMBERS,
        "i": st.one_of(st.none(), st.integers(-1, 5)),
        "c": st.sampled_from([None, "a", "b", "c", "d"]),
        "open": st.sampled_from([None, "x", "y"]),
        "b": st.sampled_from([None, True, False]),
        "p": st.sampled_from([None, "ok", "NO"]),
    }
)
SCHEMA: dict[str, Any] = {
    "n": pl.Float64, "free": pl.Float64, "i": pl.Int64, "c": pl.String, "open": pl.String, "b": pl.Boolean,
    "p": pl.String,
}  # fmt: skip
USUAL = pl.DataFrame(
    {
        "n": [0.0, 1.0] * 20, "free": [0.5, 2.5] * 20, "i": [0, 3] * 20, "c": ["a", "d"] * 20, "open": ["x", "y"] * 20,
        "b": [True, False] * 20, "p": ["ok", "fine"] * 20,
    },
    schema=SCHEMA,
)  # fmt: skip
REFERENCE = Reference.fit(USUAL)
NAMES = list(SCHEMA)


def looked_at(frame: pl.DataFrame) -> dict[tuple[str, str], tuple[int, int]]:
    return {
        (rule.column, rule.rule): (rule.failed, rule.rows_checked)
        for rule in check(frame, CONTRACT, columns=NAMES).rules
        if rule.rule != "extra column"
    }


@given(st.lists(ROW, min_size=1, max_size=30))
def test_what_a_profile_proves_is_what_looking_at_every_row_finds(rows: list[dict[str, Any]]) -> None:
    frame = pl.DataFrame(rows, schema=SCHEMA)
    profile = REFERENCE.profile(frame)
    profiled = {name: (REFERENCE.columns[name], profile.columns[name]) for name in NAMES}
    found = settled(count_rules(frame, CONTRACT, NAMES, profiled=profiled), CONTRACT)
    assert found == looked_at(frame)
    assert list(found) == list(count_rules(frame, CONTRACT, NAMES))


def test_a_lacking_column_is_looked_at() -> None:
    frame = USUAL.drop("n")
    counted = count_window(REFERENCE, CONTRACT, frame)
    assert counted.rules["n", "missing column"] == (40, 40)


def test_an_allowed_share_of_missing_values_is_allowed_over_the_parts_of_a_window_together() -> None:
    """One part is beyond the share, the window is not."""
    frame = USUAL.with_columns(free=pl.when(pl.int_range(pl.len()) >= 28).then(pl.col("free")))
    parts = [count_window(REFERENCE, CONTRACT, part) for part in (frame[:20], frame[20:])]
    beyond = settled(parts[0].rules, CONTRACT)["free", "null fraction"]
    whole = settled((parts[0] + parts[1]).rules, CONTRACT)["free", "null fraction"]
    assert beyond == (20, 20)
    assert whole == (28, 40)
    within = USUAL.with_columns(free=pl.when(pl.int_range(pl.len()) >= 12).then(pl.col("free")))
    parts = [count_window(REFERENCE, CONTRACT, part) for part in (within[:20], within[20:])]
    assert settled(parts[0].rules, CONTRACT)["free", "null fraction"] == (12, 20)
    assert settled((parts[0] + parts[1]).rules, CONTRACT)["free", "null fraction"] == (0, 40)
    signals = judge_window(REFERENCE, CONTRACT, within).signals
    assert [one.value for one in signals if one.name == "null fraction"] == [0.0]


@pytest.mark.parametrize(("missing", "breached"), [(20, False), (22, False), (40, True)])
def test_a_few_more_missing_values_than_allowed_may_be_chance(missing: int, *, breached: bool) -> None:
    """Of rows of which the contract lets half be without a value, more than half will be in every other window."""
    frame = USUAL.with_columns(free=pl.when(pl.int_range(pl.len()) >= missing).then(pl.col("free")))
    (found,) = (one for one in judge_window(REFERENCE, CONTRACT, frame).signals if one.name == "null fraction")
    assert found.breached is breached
    assert found.text.endswith("it allows 50.0%")
