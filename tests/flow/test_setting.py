from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Any, Literal

import pytest

from mainspring.core.errors import InputError
from mainspring.flow.annotation import UNKNOWN
from mainspring.flow.setting import assignment, converted


class Colour(Enum):
    RED = 1
    BLUE = 2


@pytest.mark.parametrize(
    ("text", "annotation", "value"),
    [
        ("yes", bool, True),
        ("0", bool, False),
        ("0", bool | int, 0),
        ("5", str | int, 5),
        ("five", str | int, "five"),
        ("none", int | None, None),
        ("1e3", float, 1000.0),
        ("a=b", str, "a=b"),
        ("x/y.csv", Path, Path("x/y.csv")),
        ("RED", Colour, Colour.RED),
        ("2", Literal[1, 2], 2),
        ("1,2", tuple[int, ...], (1, 2)),
        ('["a", "b"]', list[str], ["a", "b"]),
        ('{"a": 1}', dict[str, int], {"a": 1}),
        ("[1, 2]", UNKNOWN, [1, 2]),
    ],
)
def test_a_text_becomes_the_declared_type(text: str, annotation: Any, value: object) -> None:
    found = converted(text, annotation)
    assert found == value
    assert type(found) is type(value)


def test_the_default_decides_where_nothing_is_annotated() -> None:
    assert converted("3", UNKNOWN, 1.5) == 3.0
    assert converted("3", UNKNOWN, "a") == "3"


@pytest.mark.parametrize(
    ("text", "annotation", "message"),
    [
        ("maybe", bool, "true or false"),
        ("1.5", int, "a whole number"),
        ("x", float | None, "float or None"),
        ("x", dict[str, int], "an object"),
        ("[1", list[int], "a list such as"),
    ],
)
def test_a_text_of_another_type_says_what_was_expected(text: str, annotation: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        converted(text, annotation)


def test_a_setting_without_a_name_is_refused() -> None:
    assert assignment("model.trials=1=2") == ("model.trials", "1=2")
    with pytest.raises(InputError, match=r"--set expects name=value .*, got 'trials'"):
        assignment("trials")
    with pytest.raises(InputError, match="--set expects name=value"):
        assignment("=3")
