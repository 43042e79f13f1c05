"""Columns that say who someone is, and columns that say which group they belong to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mainspring.data.kind import tokens

if TYPE_CHECKING:
    import polars as pl

    from mainspring.data.summary import ColumnProfile

SAMPLED_VALUES = 500
LONGEST_TEXT = 200
MOSTLY = 0.6
"""A content is named when at least this share of the sampled values has its shape."""

_CONTENTS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("e-mail addresses", re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}")),
    ("internet addresses", re.compile(r"(?:\d{1,3}\.){3}\d{1,3}|(?:[0-9a-fA-F]{1,4}:){4,7}[0-9a-fA-F]{0,4}")),
    ("social security numbers", re.compile(r"\d{3}-\d{2}-\d{4}")),
    ("bank account numbers (IBAN)", re.compile(r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?")),
    (
        "telephone numbers",
        re.compile(r"\+\d[\d\s().-]{7,16}\d|\(?\d{3}\)?\s?[-./ ]\s?\d{3}\s?[-. ]\s?\d{4}|0\d{2,4}[-/ ]\d{5,8}"),
    ),
    (
        "postal addresses",
        re.compile(
            r"\W*\d{1,5}[A-Za-z]?\s+.*\b(?:st|street|ave|avenue|rd|road|blvd|boulevard|dr|drive|ln|lane|way|pl|place|"
            r"sq|square|hwy|pkwy|court|ct|strasse|straße|rue)\b.*",
            re.IGNORECASE,
        ),
    ),
    (
        "names of persons",
        re.compile(
            r"[^\W\d_][\w'’. -]+,\s*(?:Mrs?|Miss|Ms|Dr|Master|Rev|Prof|Sir|Lady|Mme|Mlle)\b.*"
            r"|(?:Mrs?|Miss|Ms|Dr|Prof)\.?\s+[A-Z].+"
        ),
    ),
)
_NAMED: tuple[tuple[str, tuple[frozenset[str], ...]], ...] = tuple(
    (what, tuple(frozenset(words.split()) for words in names))
    for what, names in {
        "names of persons": (
            "first name", "last name", "full name", "middle name", "given name", "family name", "customer name",
            "client name", "patient name", "employee name", "firstname", "lastname", "surname", "fullname", "forename",
        ),
        "e-mail addresses": ("email", "e mail", "mail address"),
        "telephone numbers": ("phone number", "telephone number", "mobile number", "fax", "phone no"),
        "postal addresses": ("street", "street address", "home address", "postal address"),
        "birth dates": ("birthdate", "birthday", "dob", "birth date", "date birth", "born"),
        "national ids": ("ssn", "social security", "passport", "nin", "national id", "tax id", "iban"),
        "internet addresses": ("ip address", "ip addr"),
    }.items()
)  # fmt: skip
_PERSON = re.compile(r"[A-Z][\w'’-]+(?:,? (?:[a-z]{2,3} )?[A-Z][\w'’.-]*){1,3}")
_TEXT_NAMES = {"phone": "telephone numbers", "telephone": "telephone numbers",
               "mobile": "telephone numbers", "addr": "postal addresses", "address": "postal addresses"}  # fmt: skip
"""Words that mean a person only where the column is text with nearly as many values as rows."""

_GROUPS: dict[str, frozenset[str]] = {
    "sex or gender": frozenset({"sex", "gender"}),
    "race or ethnic origin": frozenset({"race", "ethnicity", "ethnic"}),
    "age": frozenset({"age"}),
    "marital status": frozenset({"marital", "marriage", "married"}),
    "nationality": frozenset({"nationality", "citizenship", "foreign", "immigrant"}),
    "religion": frozenset({"religion", "religious", "faith"}),
    "disability or health": frozenset({"disability", "disabled", "pregnant", "pregnancy"}),
    "sexual orientation": frozenset({"orientation"}),
    "political opinion": frozenset({"political", "party", "union"}),
}
_NO_GROUP = frozenset(
    {"house", "housing", "account", "days", "months", "years", "building", "vehicle", "car", "third", "search"}
)
"""Beside these words an age is not a person's, and a party is not a political one."""


def personal(series: pl.Series, column: ColumnProfile) -> str | None:
    """What a column says about persons, in words, or None: judged by its values first, then by its name."""
    import polars as pl

    if column.empty or column.type == "constant":
        return None
    textual = series.dtype in (pl.String, pl.Categorical, pl.Enum)
    words = tokens(column.name)
    if textual and column.date_format is None:
        found = _content(series)
        if found is not None:
            return found
    for what, names in _NAMED:
        if any(name <= set(words) for name in names):
            return what
    if textual and column.distinct > 20 and column.distinct > 0.2 * (column.rows - column.nulls):
        if "name" in words and not _of_a_thing(words) and _share(_texts(series), _PERSON) >= MOSTLY:
            return "names of persons"
        for word in words:
            if word in _TEXT_NAMES and not _of_a_thing(words):
                return _TEXT_NAMES[word]
    return None


def _content(series: pl.Series) -> str | None:
    texts = _texts(series)
    if len(texts) < 5:
        return None
    return next((what for what, shape in _CONTENTS if _share(texts, shape) >= MOSTLY), None)


def _texts(series: pl.Series) -> list[str]:
    import polars as pl

    values = series.cast(pl.String).drop_nulls().head(10 * SAMPLED_VALUES).unique(maintain_order=True)
    return [text.strip()[:LONGEST_TEXT] for text in values.head(SAMPLED_VALUES).to_list()]


def _share(texts: list[str], shape: re.Pattern[str]) -> float:
    return sum(1 for text in texts if shape.fullmatch(text)) / max(len(texts), 1)


def _of_a_thing(words: tuple[str, ...]) -> bool:
    things = {
        "beer",
        "product",
        "item",
        "brand",
        "company",
        "model",
        "file",
        "city",
        "country",
        "brew",
        "factory",
        "store",
    }
    return bool(things.intersection(words))


def sensitive(column: ColumnProfile) -> str | None:
    """Which protected group a column tells, in words, or None: judged by the words of its name."""
    words = set(tokens(column.name))
    if column.empty or column.type in ("constant", "id", "text") or words & _NO_GROUP:
        return None
    if {"native", "country"} <= words or {"country", "birth"} <= words:
        return "nationality"
    for group, names in _GROUPS.items():
        if words & names:
            return group
    return None
