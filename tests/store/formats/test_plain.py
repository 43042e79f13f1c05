"""Plain values come back as the very same values."""

from __future__ import annotations

import json
import math
import zoneinfo
from collections import Counter, OrderedDict, defaultdict, deque
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.store.formats import plain
from mainspring.store.formats.registry import record_class

ZONES = st.none() | st.just(UTC) | st.just(zoneinfo.ZoneInfo("Europe/Berlin")) | st.just(timezone(timedelta(hours=5.5)))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(max_size=20)
    | st.complex_numbers(allow_nan=False)
    | st.dates()
    | st.datetimes(timezones=ZONES, allow_imaginary=False)
    | st.times()
    | st.timedeltas()
    | st.decimals(allow_nan=False)
    | st.fractions()
    | st.uuids()
)
HASHABLE = st.text(max_size=5) | st.integers() | st.booleans() | st.tuples(st.integers(), st.text(max_size=3))
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(HASHABLE, inner, max_size=4)
        | st.dictionaries(st.sampled_from(["$", "v", "type", "a"]), inner, max_size=4)
        | st.sets(HASHABLE, max_size=4)
        | st.frozensets(HASHABLE, max_size=4)
        | st.lists(inner, max_size=3).map(deque)
    ),
    max_leaves=12,
)


def encode(value: Any) -> str:
    return json.dumps(plain.encode(value, lambda _: None), allow_nan=False)


def decode(text: str) -> Any:
    return plain.decode(json.loads(text), plain.no_leaf, record_class)


def same(left: Any, right: Any) -> bool:
    """Equal in value and in type, all the way down; in a dict the order counts too."""
    if type(left) is not type(right):
        return False
    if isinstance(left, (list, tuple, deque)):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return same(list(left.items()), list(right.items()))
    if isinstance(left, datetime):
        return bool(left == right) and left.tzinfo == right.tzinfo and left.fold == right.fold
    return bool(left == right)


@given(VALUES)
def test_round_trip(value: Any) -> None:
    assert same(decode(encode(value)), value)


@given(st.sets(HASHABLE))
def test_equal_sets_have_equal_texts(value: set[Any]) -> None:
    """Whatever the order in which they were filled: the digest must not depend on the hash seed."""
    again = set(value)
    assert encode(value) == encode(again)


@pytest.mark.parametrize(
    "value",
    [
        OrderedDict(b=1, a=2),
        Counter("abca"),
        range(1, 9, 2),
        UUID(int=7),
        Fraction(1, 3),
        Decimal("1.10"),
        date.max,
        time.max,
        float("inf"),
        -0.0,
        2**200,
        bytearray(b"x"),
        "\ud800",
        [1.5, math.inf, None],
    ],
    ids=repr,
)
def test_odd_ones_come_back(value: Any) -> None:
    back = decode(encode(value))
    assert same(back, value)
    assert repr(back) == repr(value)


def test_nan_comes_back() -> None:
    assert math.isnan(decode(encode(math.nan)))
    assert math.isnan(decode(encode([1.0, math.nan]))[1])


def test_a_defaultdict_comes_back_as_a_dict() -> None:
    """Its factory is code."""
    assert decode(encode(defaultdict(list, a=[1]))) == {"a": [1]}


class Custom:
    pass


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (Custom(), ""),
        ({"a": [1, Custom()]}, "a[1]"),
        ((0, {"deep": {"er": Custom()}}), "[1].deep.er"),
        ({1: Custom()}, "[1]"),
    ],
)
def test_what_has_no_form_is_found_with_its_place(value: Any, path: str) -> None:
    with pytest.raises(plain.NotStorable) as caught:
        encode(value)
    assert isinstance(caught.value.value, Custom)
    assert caught.value.path == path


def test_a_value_in_itself_is_no_endless_loop() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(plain.NotStorable):
        encode(circle)


def test_a_subclass_is_not_silently_its_base() -> None:
    class Text(str):
        pass

    with pytest.raises(plain.NotStorable):
        encode(Text("x"))
