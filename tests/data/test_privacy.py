"""Columns about persons and groups, by content and by name, without crying wolf."""

from __future__ import annotations

import polars as pl
import pytest

from mainspring.data.privacy import personal, sensitive
from mainspring.data.summary import summarise

FIRST = ["Anna", "Bela", "Carl", "Dora", "Emil", "Finn", "Gina", "Hugo", "Ines", "Jan"]
LAST = ["Meyer", "Novak", "Okafor", "Petrov", "Quinn", "Rossi", "Silva"]


def _personal(name: str, values: list[object]) -> str | None:
    series = pl.Series(name, values, strict=False)
    return personal(series, summarise(series))


@pytest.mark.parametrize(
    ("name", "values", "what"),
    [
        ("contact", [f"{first.lower()}@mail{i}.org" for i, first in enumerate(FIRST)], "e-mail addresses"),
        ("c3", [f"+49 30 {1000000 + 7919 * i}" for i in range(20)], "telephone numbers"),
        ("c4", [f"(202) 555-{1000 + i}" for i in range(20)], "telephone numbers"),
        ("c5", [f"{i} North Main Street" for i in range(1, 30)], "postal addresses"),
        ("host", [f"10.0.{i}.{i + 3}" for i in range(20)], "internet addresses"),
        ("account", [f"DE{10 + i}3704004405320130{i:02d}" for i in range(20)], "bank account numbers (IBAN)"),
        ("number", [f"{100 + i}-45-{6000 + i}" for i in range(20)], "social security numbers"),
        ("passenger", [f"{last}, Mr. {first}" for last in LAST for first in FIRST], "names of persons"),
        ("client_name", [f"{first} {last}" for last in LAST for first in FIRST], "names of persons"),
        ("surname", LAST * 3, "names of persons"),
        ("date_of_birth", ["1990-01-01", "1985-12-31"] * 9, "birth dates"),
        ("product_name", [f"Super Blender {i}" for i in range(60)], None),
        ("beer name", [f"{first} {last}" for last in LAST for first in FIRST], None),
        ("job", ["teacher", "cook"] * 20, None),
        ("price", [f"{i}.50" for i in range(30)], None),
        ("version", [f"1.{i}.0" for i in range(30)], None),
        ("telephone", ["none", "yes"] * 30, None),
        ("day", ["2024-01-01", "2024-01-02"] * 10, None),
    ],
)
def test_what_names_a_person_is_found_and_what_does_not_is_left(
    name: str, values: list[object], what: str | None
) -> None:
    assert _personal(name, values) == what


@pytest.mark.parametrize(
    ("name", "values", "group"),
    [
        ("Sex", ["f", "m"] * 9, "sex or gender"),
        ("personal_status_sex", ["A91", "A92"] * 9, "sex or gender"),
        ("AGE", [30, 40, 51] * 9, "age"),
        ("native_country", ["US", "CH"] * 9, "nationality"),
        ("MARRIAGE", [1, 2, 3] * 9, "marital status"),
        ("race", ["a", "b"] * 9, "race or ethnic origin"),
        ("housing_median_age", [30, 40, 51] * 9, None),
        ("account_age_days", [30, 40, 51] * 9, None),
        ("message", ["a", "b"] * 9, None),
        ("trace", ["a", "b"] * 9, None),
        ("sex", [None] * 9, None),
    ],
)
def test_protected_groups_are_known_by_the_words_of_a_name(name: str, values: list[object], group: str | None) -> None:
    assert sensitive(summarise(pl.Series(name, values, strict=False))) == group
