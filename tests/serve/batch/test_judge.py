"""Bad rows: told, mended or left out of scoring, never lost; and as the endpoint judges them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainspring.contract import Column
from mainspring.features.category import CategoryCodec
from mainspring.features.number import NumberCodec
from mainspring.serve.batch.judge import Judge
from mainspring.serve.field import Field
from mainspring.serve.problem import Problem
from mainspring.serve.rows import judge as judge_rows
from tests.serve.batch.conftest import COLUMNS, spoilt, table

if TYPE_CHECKING:
    from mainspring.features.encoder import Codec

TYPICAL = {"age": 40.0, "town": "aa", "height": 1.7}
JUDGE = Judge(COLUMNS[:3], TYPICAL)


def test_good_rows_pass_as_they_are() -> None:
    rows = table(50)
    judged = JUDGE(rows)
    assert judged.frame is rows
    assert (judged.scored, judged.rejected, judged.flagged, judged.flags.null_count()) == (None, 0, 0, 50)


def test_every_row_says_what_was_found() -> None:
    rows = spoilt(770)
    judged = JUDGE(rows)
    assert judged.scored is not None
    for row, flags, scored in zip(rows["row"], judged.flags, judged.scored, strict=True):
        found = ["rejected"] if row % 7 == 3 else []
        found += ["minimum:age"] if row % 7 == 3 else []
        found += ["categories:town"] if row % 5 == 2 else []
        found += ["imputed:height"] if row % 11 == 4 else []
        assert flags == (",".join(found) or None), row
        assert scored == (row % 7 != 3)
    assert judged.rejected == 110
    assert judged.rejected + judged.flagged == judged.flags.count()
    assert judged.frame["row"].to_list() == [row for row in range(770) if row % 7 != 3]
    by_row = {row["row"]: row for row in judged.frame.to_dicts()}
    assert (by_row[4]["height"], by_row[2]["town"]) == (1.7, "zz")


def test_text_among_numbers_costs_its_own_row_only() -> None:
    rows = pl.DataFrame({"age": ["20", "old", None, "17"], "town": ["aa"] * 4, "height": ["1.8", "2", "tall", "nan"]})
    judged = JUDGE(rows)
    assert judged.flags.to_list() == [None, "rejected,type:age", "imputed:height", "rejected,minimum:age"]
    assert judged.frame.to_dict(as_series=False) == {"age": ["20", None], "town": ["aa"] * 2, "height": ["1.8", "1.7"]}


def test_what_only_a_whole_column_can_break_is_not_asked() -> None:
    column = Column(name="age", type="number", unique=True, maximum_null_fraction=0.1)
    assert Judge([column], {})(pl.DataFrame({"age": [1.0, 1.0, None]})).flags.null_count() == 3


VALUES = st.one_of(
    st.none(),
    st.floats(allow_infinity=False),  # JSON has no infinity
    st.integers(-200, 200),
    st.sampled_from(["aa", "bb", "cc", "", " 30 ", "12e1", "x"]),
)


@settings(deadline=None, max_examples=150)
@given(
    st.lists(VALUES, min_size=1, max_size=6),
    st.sampled_from(["number", "category"]),
    st.sampled_from(["reject", "flag", "impute"]),
    st.booleans(),
)
def test_rows_are_judged_as_by_the_endpoint(values: list[Any], kind: str, does: Any, nullable: bool) -> None:
    rows = pl.DataFrame({"x": pl.Series(values, dtype=_type(values), strict=False)})
    typed = rows["x"].to_list()
    if kind == "number":
        column = Column(name="x", type="number", minimum=-5, maximum=50, nullable=nullable, on_violation=does)
        codec: Codec = NumberCodec("x", -5.0, 50.0)
        usual: Any = 7.0
    else:
        column = Column(name="x", type="category", categories=("aa", "bb", "12"), nullable=nullable, on_violation=does)
        codec, usual = CategoryCodec("x", ("aa", "bb", "12")), "bb"
    judged = Judge([column], {"x": usual})(rows)
    field = Field("x", column, codec, usual)
    for value, flags in zip(typed, judged.flags, strict=True):
        assert flags == by_the_endpoint(field, value), value


def by_the_endpoint(field: Field, value: Any) -> str | None:
    try:
        alone = judge_rows([field], [{"x": value}])
    except Problem as problem:
        return f"rejected,{problem.violations[0].rule}:x"
    return alone.flags[0] if alone.flags else None


def _type(values: list[Any]) -> pl.DataType:
    kinds = {type(value) for value in values if value is not None}
    if str in kinds:
        return pl.String()
    return pl.Int64() if kinds == {int} else pl.Float64()


@pytest.mark.parametrize("dtype", [pl.Int64, pl.Float32, pl.String])
def test_a_usual_value_fits_into_a_column_of_any_type(dtype: Any) -> None:
    column = Column(name="x", type="number", maximum=5, on_violation="impute")
    judged = Judge([column], {"x": 2.5})(pl.DataFrame({"x": pl.Series([1, 9, None]).cast(dtype)}))
    assert judged.frame["x"].cast(pl.Float64).to_list() == [1.0, 2.5, None]
