"""Checking: what each rule finds, what it looked at, and what is put aside."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainspring.contract import Column, Contract, ProjectSection
from mainspring.core.errors import ContractError
from mainspring.data import check, read

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.data.check import Check, RuleResult

NAN, INF = float("nan"), float("inf")


def contract(*columns: Column) -> Contract:
    section = ProjectSection(name="p", task="binary", target="y")
    return Contract(project=section, columns={column.name: column for column in columns})


def one(values: Any, **declared: Any) -> dict[str, RuleResult]:
    """The results for a single column v."""
    return {rule.rule: rule for rule in check({"v": values}, contract(Column(name="v", **declared))).rules}


@pytest.mark.parametrize(
    ("values", "declared", "rule", "looked_at", "failed", "rows"),
    [
        ([17, 18, 120, 121, None], {"type": "integer", "minimum": 18}, "minimum", 4, 1, [0]),
        ([17, 18, 120, 121, None], {"type": "integer", "maximum": 120}, "maximum", 4, 1, [3]),
        ([1.0, NAN, 9.0], {"type": "number", "maximum": 5.0}, "maximum", 2, 1, [2]),  # NaN is missing, not large
        ([1.0, NAN, None], {"type": "number", "nullable": False}, "nulls", 3, 2, [1, 2]),
        (["1", "NaN", None], {"type": "number", "nullable": False}, "nulls", 3, 2, [1, 2]),
        ([1.0, 2.0**63], {"type": "category", "categories": ("1",)}, "categories", 2, 1, [1]),  # no integer writes it
        ([1.0, INF, -INF], {"type": "number"}, "finite", 3, 2, [1, 2]),
        ([1.0, 1.5], {"type": "integer"}, "type", 2, 1, [1]),
        (["1", "x", None], {"type": "integer"}, "type", 3, 1, [1]),
        (
            ["1", "x", "-3"],
            {"type": "number", "minimum": 0.0},
            "minimum",
            2,
            1,
            [2],
        ),  # what is no number breaks one rule
        ([0, 1, 2], {"type": "boolean"}, "type", 3, 1, [2]),
        (["true", "no"], {"type": "boolean"}, "type", 2, 1, [1]),
        (["2026-01-31", "x"], {"type": "date"}, "type", 2, 1, [1]),
        (["2026-01-31 10:00", "2026-01-31T10:00:00Z", "x"], {"type": "datetime"}, "type", 3, 1, [2]),
        ([date(2025, 12, 31), date(2026, 1, 1)], {"type": "date", "minimum": "2026-01-01"}, "minimum", 2, 1, [0]),
        ([datetime(2026, 1, 1, 1), None], {"type": "datetime", "maximum": "2026-01-01"}, "maximum", 1, 1, [0]),
        ([datetime(2026, 1, 1), datetime(2026, 1, 1, 1)], {"type": "date"}, "type", 2, 1, [1]),
        (["f", "x", None], {"type": "category", "categories": ("f", "m")}, "categories", 2, 1, [1]),
        ([1, 2, 3], {"type": "category", "categories": ("1", "2")}, "categories", 3, 1, [2]),
        ([1.0, 3.0], {"type": "category", "categories": ("1", "2")}, "categories", 2, 1, [1]),
        (["a1", "a1x", "b22"], {"type": "text", "pattern": r"[a-z]\d+"}, "pattern", 3, 1, [1]),
        (["ab", "ac"], {"type": "text", "pattern": r"a(?!b)."}, "pattern", 2, 1, [0]),  # a look-ahead
        (["a", "b", "a", "a", None, None], {"type": "text", "unique": True}, "unique", 4, 2, [2, 3]),
    ],
)
def test_each_rule(
    values: list[Any], declared: dict[str, Any], rule: str, looked_at: int, failed: int, rows: list[int]
) -> None:
    result = one(values, **declared)[rule]
    assert (result.rows_checked, result.failed) == (looked_at, failed)
    assert [example["row"] for example in result.examples] == rows
    assert not result.passed


def test_a_clean_column_passes_every_rule() -> None:
    results = one([18, 19], type="integer", minimum=18, maximum=120, nullable=False, unique=True)
    assert set(results) == {"type", "nulls", "minimum", "maximum", "unique"}
    assert all(result.passed for result in results.values())


def test_a_null_fraction_fails_the_column_and_no_row() -> None:
    declared = contract(Column(name="v", type="number", maximum_null_fraction=0.5))
    kept = check({"v": [1.0, None]}, declared)
    assert kept.passed
    broken = check({"v": [1.0, None, None]}, declared)
    assert [rule.failed for rule in broken.rules if rule.rule == "null fraction"] == [2]
    assert broken.quarantine.height == 0


def test_a_rule_that_looked_at_nothing_has_not_passed() -> None:
    nothing = one([None, None], type="number", minimum=0.0)
    assert nothing["type"].passed
    assert (nothing["minimum"].rows_checked, nothing["minimum"].failed, nothing["minimum"].passed) == (0, 0, False)
    assert not check(pl.DataFrame({"v": [1]}).clear(), contract(Column(name="v", type="integer"))).passed
    assert not check({"v": [1]}, contract()).passed


def test_missing_and_extra_columns() -> None:
    declared = contract(Column(name="v", type="integer"), Column(name="w", type="integer"))
    found = check({"v": [1, 2], "x": [1, 2]}, declared)
    assert [(rule.column, rule.rule, rule.failed) for rule in found.rules] == [
        ("v", "type", 0),
        ("w", "missing column", 2),
        ("x", "extra column", 0),
    ]
    assert found.quarantine["__reasons"].to_list() == ["column w is missing"] * 2
    assert check({"v": [1], "w": [1], "x": [1]}, declared).passed
    assert not check({"v": [1], "w": [1], "x": [1]}, declared, strict=True).passed
    assert check({"v": [1]}, declared, columns=["v"]).passed


def test_bad_rows_are_put_aside_with_every_reason() -> None:
    declared = contract(
        Column(name="age", type="integer", minimum=18, maximum=120),
        Column(name="sex", type="category", categories=("f", "m"), nullable=False),
    )
    found = check({"age": [30, 130, 17], "sex": ["f", None, "x"]}, declared)
    assert found.quarantine.rows() == [
        (130, None, 1, "age is above the maximum 120; sex is missing"),
        (17, "x", 2, "age is below the minimum 18; sex is none of f, m"),
    ]


def test_personal_values_are_masked_in_examples() -> None:
    found = one(["ada@example.org", "x"], type="text", pattern=".+@.+", personal=True)
    assert found["pattern"].examples == ({"row": 1, "value": "•••"},)


def test_a_bound_that_is_no_date_names_the_column() -> None:
    with pytest.raises(ContractError, match=r"\[columns.v\] has the bound 'soon'"):
        one([date(2026, 1, 1)], type="date", minimum="soon")


@pytest.mark.parametrize("kind", ["integer", "number", "category", "boolean", "text", "datetime", "date"])
def test_values_of_any_other_type_break_the_type_rule_and_nothing_else(kind: Any) -> None:
    strange: dict[str, list[Any]] = {"list": [[1]], "struct": [{"a": 1}], "bytes": [b"a"], "span": [timedelta(1)]}
    for values in strange.values():
        found = one([*values, None], type=kind, unique=True)
        assert {name: result.failed for name, result in found.items()} == {"type": 1}


def test_decimals_and_small_floats_are_numbers() -> None:
    for values in ([Decimal("1.5"), Decimal("9.5")], pl.Series([1.5, 9.5], dtype=pl.Float32)):
        assert one(values, type="number", maximum=5.0)["maximum"].failed == 1
    assert one(pl.Series([0, 1, 2], dtype=pl.Float32), type="boolean")["type"].failed == 1


@settings(max_examples=100, deadline=None)
@given(
    values=st.lists(st.one_of(st.none(), st.floats(width=32), st.integers(-5, 5).map(float)), min_size=1, max_size=30)
)
def test_the_two_passes_find_what_one_look_at_each_row_finds(values: list[float | None]) -> None:
    declared = Column(name="v", type="number", minimum=-2.0, maximum=2.0, nullable=False, unique=True)
    found: Check = check(pl.DataFrame({"v": values}, schema={"v": pl.Float64}), contract(declared))
    here = [(row, value) for row, value in enumerate(values) if value is not None and value == value]
    seen: set[float] = set()
    repeated = {row for row, value in here if value in seen or seen.add(value)}  # type: ignore[func-returns-value]
    expected = {
        "nulls": set(range(len(values))) - {row for row, _ in here},
        "finite": {row for row, value in here if value in (INF, -INF)},
        "minimum": {row for row, value in here if value < -2},
        "maximum": {row for row, value in here if value > 2},
        "unique": repeated,
    }
    assert {rule.rule: rule.failed for rule in found.rules if rule.rule != "type"} == {
        name: len(rows) for name, rows in expected.items()
    }
    assert set(found.quarantine["__row"]) == set().union(*expected.values())


def test_real_tables_with_their_traps(shared_data: Path) -> None:
    taxi = read(shared_data / "nyc_taxi_sample.parquet")
    found = check(
        taxi,
        contract(
            Column(name="fare_amount", type="number", minimum=0.01),
            Column(name="ehail_fee", type="number"),
            Column(name="tpep_pickup_datetime", type="datetime", minimum="2019-02-28", maximum="2019-04-01"),
        ),
    )
    assert next(rule.failed for rule in found.rules if rule.rule == "minimum") == 18  # known fares of zero and below
    kdd = read(shared_data / "kddcup99_10pct.parquet")
    labels = tuple(sorted(set(kdd["label"]) - {"spy"}))
    assert check(kdd, contract(Column(name="label", type="category", categories=labels))).quarantine.height == 2
