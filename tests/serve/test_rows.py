"""A request is held against the contract as a table is, and the quick way never accepts what the plain way refuses."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainspring.contract import Column, Contract, ProjectSection
from mainspring.data.check import check
from mainspring.features.moment import MomentCodec
from mainspring.serve.compiled import Compiled
from mainspring.serve.field import Broken, Field
from mainspring.serve.problem import Problem
from mainspring.serve.rows import judge
from mainspring.serve.served import Served
from tests.serve import shop

SERVED = Served(shop.bundle(), name="shop", version=1)
BAD: list[tuple[str, Any, str]] = [
    ("age", None, "nulls"),
    ("age", 17, "minimum"),
    ("age", 121, "maximum"),
    ("age", "forty", "type"),
    ("age", 40.5, "type"),
    ("age", True, "type"),
    ("age", [40], "type"),
    ("age", {"years": 40}, "type"),
    ("age", 10**30, "maximum"),
    ("spent", -0.01, "minimum"),
    ("spent", "a lot", "type"),
    ("spent", "1e999", "finite"),
    ("spent", False, "type"),
    ("member", 2, "type"),
    ("member", "perhaps", "type"),
    ("town", "berlin", "categories"),
    ("town", 7, "categories"),
    ("town", ["bo"], "type"),
    ("shelf", 4, "categories"),
    ("code", "AB1", "pattern"),
    ("code", "ab1\n", "pattern"),
    ("since", "17.05.2024", "type"),
    ("since", "2024-02-30", "type"),
    ("since", "2019-12-31", "minimum"),
    ("since", 20240517, "type"),
    ("since", "0001-01-01", "minimum"),
]


def row(**values: Any) -> dict[str, Any]:
    return {**shop.GOOD, **values}


def quick(values: dict[str, Any]) -> np.ndarray[Any, Any] | None:
    """The matrix that the quick way makes of a row; None where it does not take it."""
    try:
        typed = SERVED.compiled.row(msgspec.json.encode(values))
        return SERVED.matrix([typed])
    except (msgspec.MsgspecError, Broken):
        return None


@pytest.mark.parametrize(("field", "value", "rule"), BAD)
def test_a_bad_value_is_refused_with_field_rule_value_and_row(field: str, value: Any, rule: str) -> None:
    assert quick(row(**{field: value})) is None
    with pytest.raises(Problem) as caught:
        judge(SERVED.fields, [shop.GOOD, row(**{field: value})])
    problem = caught.value
    assert problem.status == 422
    (told,) = problem.told()
    assert (told["row"], told["field"], told["rule"]) == (1, field, rule)
    assert problem.message.startswith(f"Row 1: {field} is") or rule == "pattern"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("age", "40"),
        ("age", 40.0),
        ("spent", None),
        ("spent", " 3.5 "),
        ("spent", "nan"),
        ("member", 0),
        ("member", "TRUE"),
        ("town", None),
        ("shelf", "3"),
        ("shelf", 3.0),
        ("since", None),
        (shop.ODD, 1e300),
        (shop.ODD, -7),
    ],
)
def test_a_value_may_come_in_any_form_that_a_table_may_have(field: str, value: Any) -> None:
    judged = judge(SERVED.fields, [row(**{field: value})])
    assert judged.flags is None
    expected = SERVED.model.encoder.encode_row(row(**{field: value}))
    np.testing.assert_array_equal(np.array(judged.numbers, np.float32), expected)


def test_the_quick_way_takes_the_usual_row_and_encodes_it_alike() -> None:
    found = quick(shop.GOOD)
    assert found is not None
    np.testing.assert_array_equal(found, SERVED.model.encoder.encode_row(shop.GOOD))


def test_a_column_whose_name_the_decoder_cannot_take_is_read_the_plain_way() -> None:
    fields = [Field('so "called"', Column(name='so "called"', type="number"), None)]
    compiled = Compiled(fields)
    with pytest.raises(msgspec.ValidationError):
        compiled.row(b'{"so \\"called\\"": 1}')
    assert judge(fields, [{'so "called"': 1}]).sent == [[1]]


def test_flag_lets_through_and_impute_puts_the_usual_value() -> None:
    judged = judge(SERVED.fields, [row(mood="odd", height=900), row(mood=["x"], height=None), shop.GOOD])
    assert judged.flags == ["categories:mood,imputed:height", "type:mood,imputed:height", None]
    names = [field.name for field in SERVED.fields]
    sent = [dict(zip(names, values, strict=True)) for values in judged.sent]
    assert [(each["mood"], each["height"]) for each in sent[:2]] == [("odd", 900), (None, None)]
    usual = SERVED.serving.typical["height"]
    assert 165 < usual < 185
    expected = [SERVED.model.encoder.encode_row(row(mood=mood, height=usual))[0] for mood in ("odd", None)]
    np.testing.assert_array_equal(np.array(judged.numbers[:2], np.float32), expected)


def test_an_absent_column_is_named_with_what_may_have_been_meant() -> None:
    values = {("aeg" if name == "age" else name): value for name, value in shop.GOOD.items()}
    with pytest.raises(Problem, match="age is not there; did you mean 'aeg' by it") as caught:
        judge(SERVED.fields, [values])
    assert caught.value.told()[0]["rule"] == "missing column"


def test_a_personal_value_is_not_repeated() -> None:
    with pytest.raises(Problem) as caught:
        judge(SERVED.fields, [row(email={"secret": "hunter2"})])
    assert "hunter2" not in str(caught.value.told())


def test_a_row_that_is_no_object() -> None:
    with pytest.raises(Problem, match="Row 1 is a list; expected an object"):
        judge(SERVED.fields, [shop.GOOD, [1, 2]])


CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.integers(-(2**53), 2**53),
    st.floats(-1e15, 1e15),
    st.sampled_from(
        ["", " ", "a", "b", "1", "2", " 3 ", "1.5", "true", "False", "2024-02-29", "2025-02-29", "x" * 300]
    ),
    st.sampled_from(["2024-01-01T10:00:00", "2024-01-01 10:00", "2024-13-01", "nan", "1_000", "٣", "+4", "1e3"]),
)
COLUMNS = (
    Column(name="v", type="integer", minimum=-2, maximum=1000),
    Column(name="v", type="integer", nullable=False),
    Column(name="v", type="number", minimum=-1.5, maximum=1e6),
    Column(name="v", type="boolean"),
    Column(name="v", type="category", categories=("a", "1", "2", "true")),
    Column(name="v", type="category"),
    Column(name="v", type="text", pattern="[a-z]*"),
    Column(name="v", type="date", minimum="2024-01-02"),
    Column(name="v", type="datetime"),
)


@settings(max_examples=300, deadline=None)
@given(column=st.sampled_from(COLUMNS), value=CELLS)
def test_the_verdict_is_that_of_a_check_of_a_table(column: Column, value: Any) -> None:
    contract = Contract(
        project=ProjectSection(name="x", task="binary", target="y"),
        columns={"v": column, "y": Column(name="y", type="boolean")},
    )
    frame = pl.DataFrame({"v": pl.Series([value], strict=True)})
    found = check(frame, contract, columns={"v"})
    broken: set[str | None] = {rule.rule for rule in found.rules if rule.failed}
    field = Field("v", column, None)
    assert broken_rule(field, value) in (broken or {None})


def broken_rule(field: Field, value: Any) -> str | None:
    try:
        field.read(value)
    except Broken as error:
        return error.rule
    return None


@settings(max_examples=300, deadline=None)
@given(column=st.sampled_from(COLUMNS), value=CELLS)
def test_the_quick_way_accepts_nothing_that_the_plain_way_refuses(column: Column, value: Any) -> None:
    field = Field("v", column, None)
    compiled = Compiled([field])
    try:
        typed = compiled.row(msgspec.json.encode({"v": value}))
        compiled.into(typed, bytearray(0), 0)
    except (msgspec.MsgspecError, Broken):
        return
    assert field.read(value) == compiled.values(typed)[0]


def test_a_pattern_that_begins_with_a_flag_is_read_the_plain_way() -> None:
    field = Field("v", Column(name="v", type="text", pattern="(?i)[a-z]{2}", nullable=False), None)
    assert (broken_rule(field, "aB"), broken_rule(field, "a1")) == (None, "pattern")
    compiled = Compiled([field])
    compiled.into(compiled.row(b'{"v": "aB"}'), bytearray(0), 0)
    with pytest.raises(Broken):
        compiled.into(compiled.row(b'{"v": "a1"}'), bytearray(0), 0)


def test_a_moment_that_leads_out_of_the_calendar_where_the_model_is_at_home_is_none() -> None:
    codec = MomentCodec("v", ("days",), "Pacific/Auckland")
    field = Field("v", Column(name="v", type="datetime"), codec)
    assert field.read("9999-12-31T23:00:00Z") == "9999-12-31T23:00:00Z"
    with pytest.raises(Broken) as caught:
        field.numbers("9999-12-31T23:00:00Z")
    assert caught.value.rule == "type"


def test_a_moment_before_all_years_is_none() -> None:
    field = Field("v", Column(name="v", type="datetime", minimum="2024-01-02"), None)
    assert broken_rule(field, "0001-01-01T00:00:00+01:00") == "type"
    assert broken_rule(field, "0001-01-01T00:00:00Z") == "minimum"
