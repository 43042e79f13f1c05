"""What a column means, beyond how it is stored: a number, a category, a date written as text, a row's id, free text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, TypeAlias

from mainspring.data.dates import DateFormat, fitting

if TYPE_CHECKING:
    import polars as pl

Kind: TypeAlias = Literal["integer", "number", "category", "boolean", "text", "datetime", "date", "constant", "id"]

FEW_LEVELS = 20
"""So many distinct texts are a category however few the rows are."""
MANY_LEVELS = 1_000
"""Texts with more distinct values than this are a category only while each level is seen often."""
SENTENCES = 50
"""More distinct values than this, of four words or more each, are sentences and not the names of levels."""
SAMPLED_VALUES = 1_000
"""So many distinct texts are looked at to tell dates and words."""
PARSED_SHARE = 0.99
"""A text column is a column of dates when at least this share of its distinct values reads as one format."""

_GLANCE = 20
_DIGITS = re.compile(r"\d")
_TOKEN = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_ID_WORDS = frozenset({"id", "ids", "uuid", "guid", "key", "instant", "index", "idx", "rowid", "identifier", "serial"})


def tokens(name: str) -> tuple[str, ...]:
    """The words of a column's name, in lower case.

    >>> tokens("customerID_2"), tokens("birth-date")
    (('customer', 'id', '2'), ('birth', 'date'))
    """
    return tuple(word.lower() for word in _TOKEN.findall(name))


def date_format(values: pl.Series) -> DateFormat | None:
    """The one format in which (nearly) all of the distinct text *values* are dates, or None.

    The least surprising format wins where two fit, day before month.
    """
    texts = values.drop_nulls().str.strip_chars().head(SAMPLED_VALUES)
    glance = texts.head(_GLANCE).to_list()
    # shapes of eight characters and more: "0-10-05" and "12:30" are no dates, and few values rarely are
    if not glance or any(len(text) < 8 or len(_DIGITS.findall(text)) < 4 for text in glance):
        return None
    for known in fitting(glance):
        parsed = known.parse(texts)
        plausible = parsed.dt.year().is_between(1800, 2200).fill_null(value=False)
        if int(plausible.sum()) >= PARSED_SHARE * len(texts):
            return known
    return None


def text_kind(values: pl.Series, *, rows: int, distinct: int) -> Kind:
    """The kind of a text column from its distinct *values* (without null), *rows* filled cells and *distinct* levels.

    ``datetime`` and ``date`` where one format reads them; ``category`` where levels repeat; ``id`` where (nearly) each
    row has its own single word with a digit in it; ``text`` otherwise.
    """
    dates = date_format(values)
    if dates is not None:
        return "datetime" if dates.timed else "date"
    sample = [str(text) for text in values.head(SAMPLED_VALUES).to_list()]
    if {text.casefold() for text in sample} in ({"true", "false"}, {"true"}, {"false"}):
        return "boolean"
    words = sum(len(text.split()) for text in sample) / max(len(sample), 1)
    long = sum(len(text) for text in sample) / max(len(sample), 1)
    unique = distinct / max(rows, 1)
    if distinct <= FEW_LEVELS and (words < 8 or unique < 0.5):
        return "category"
    if unique >= 0.98 and words <= 1.2 and _mostly_coded(sample):
        return "id"
    if (words >= 4 and distinct > SENTENCES) or (unique > 0.5 and (words >= 1.8 or long > 60)):
        return "text"
    return "category" if distinct <= MANY_LEVELS or rows / distinct >= 2 else "text"


def _mostly_coded(sample: list[str]) -> bool:
    coded = sum(1 for text in sample if _DIGITS.search(text))
    return coded >= 0.8 * len(sample)


def is_row_id(name: str, *, rows: int, distinct: int, low: float, high: float) -> bool:
    """Whether an integer column only numbers the rows: every value once, and dense or called an id.

    >>> is_row_id("passenger_id", rows=3, distinct=3, low=10, high=900)
    True
    >>> is_row_id("balance", rows=3, distinct=3, low=10, high=900)
    False
    """
    if rows < 2 or distinct < rows:
        return False
    dense = high - low < 1.05 * rows and rows >= FEW_LEVELS
    return dense or bool(_ID_WORDS.intersection(tokens(name)))
