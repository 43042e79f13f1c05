from __future__ import annotations

import datetime as dt
import re
import subprocess
import sys
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from mainspring.flow.plain import NotPlain, canonical, texts_in

scalars = some.one_of(
    some.none(), some.booleans(), some.integers(), some.floats(allow_nan=False), some.text(), some.binary()
)
values = some.recursive(
    scalars,
    lambda inner: some.one_of(
        some.lists(inner), some.tuples(inner, inner), some.dictionaries(some.text(), inner, max_size=4)
    ),
    max_leaves=12,
)


def typed(value: Any) -> Any:
    """The value with the type of everything in it, which == leaves out (1 == True == 1.0)."""
    if isinstance(value, list | tuple):
        return type(value), [typed(item) for item in value]
    if isinstance(value, dict):
        return [(key, typed(item)) for key, item in value.items()]
    return type(value), repr(value)


@given(values, values)
def test_texts_are_equal_exactly_when_values_are(one: Any, other: Any) -> None:
    assert (canonical(one) == canonical(other)) == (typed(one) == typed(other))


class Colour(Enum):
    RED = 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (dt.date(2026, 1, 1), dt.date(2026, 1, 2)),
        (dt.timedelta(1), dt.timedelta(2)),
        (Path("a"), "a"),
        (re.compile("a"), re.compile("a", re.IGNORECASE)),
        (Colour.RED, 1),
        ((1,), 1),
        ((1,), [1]),
        ({1, 2}, frozenset({1, 2})),
        (range(3), range(4)),
        (slice(1), slice(2)),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    ],
)
def test_values_of_other_types_are_told_apart(one: object, other: object) -> None:
    assert canonical(one) != canonical(other)
    assert canonical(one) == canonical(one)


def test_sets_have_one_text_in_every_process() -> None:
    code = "from mainspring.flow.plain import canonical; print(canonical({'north', 'south', 'east', ('a', 1)}))"
    texts = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(texts) == 1


def test_what_is_more_than_data_is_refused() -> None:
    for value in (object(), len, [object()], {"a": lambda: 1}, list(range(30_000))):
        with pytest.raises(NotPlain):
            canonical(value)


def test_texts_and_paths_inside_are_found() -> None:
    assert sorted(texts_in({"a": [Path("b/c.csv"), {"d"}], "e": (1, None)})) == ["a", "b/c.csv", "d", "e"]
