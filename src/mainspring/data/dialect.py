"""How a delimited text is written: its delimiter, blanks that pad its fields, whether its first line names columns."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mainspring.core.errors import InputError
from mainspring.data.dates import is_dated

if TYPE_CHECKING:
    from collections.abc import Sequence

DELIMITERS = (",", ";", "\t", "|", " ")
NO_DELIMITER = "\x1f"
"""Stands for the delimiter of a file with a single column: a character that no text holds."""
_SAMPLE_CHARACTERS = 1 << 18
_SAMPLE_RECORDS = 300
_NUMBER = re.compile(r"[+-]?[$€£]?(\d{1,3}([,.' ]\d{3})+|\d+)?([.,]\d*)?([eE][+-]?\d+)?\s?%?")
_WORDS = re.compile(r"[^\s,;|\t][^,;|\t]*")
_YEAR = re.compile(r"(?:19|20)\d\d")
_NULLS = frozenset({"", "?", "na", "n/a", "#n/a", "nan", "null", "none", "-", "\\n", "nil", "inf", "-inf"})


@dataclass(frozen=True, slots=True)
class Dialect:
    """``padded``: blanks follow the delimiters and do not belong to the values."""

    delimiter: str
    padded: bool
    header: bool


def sniff(text: str, *, delimiter: str | None = None, header: bool | None = None) -> Dialect:
    """Guess the dialect of *text* (the beginning of a file is enough); what is given is not guessed.

    The delimiter is the one that gives the most consistent rows of the most recognisable cells, after van den Burg,
    Nazábal and Sutton, "Wrangling messy CSV files by detecting row and type patterns" (2019). A text whose first
    line holds no delimiter has a single column.
    """
    sample = _cut(text)
    chosen = delimiter if delimiter is not None else _delimiter(sample)
    records = parse_sample(sample, chosen)
    closer = parse_sample(sample, chosen, padded=True)
    padded = chosen != " " and _is_padded(records, closer, quoted=f'{chosen} "' in sample)
    if padded:
        records = closer
    return Dialect(chosen, padded, _has_header(records) if header is None else header)


def _is_padded(records: Sequence[Sequence[str]], closer: Sequence[Sequence[str]], *, quoted: bool) -> bool:
    """Whether nearly every field after the first begins with a blank, or quotes only work if blanks before them go."""
    inner = [cell for record in records for cell in record[1:] if cell]
    if inner and sum(cell.startswith(" ") for cell in inner) >= 0.9 * len(inner):
        return True
    return quoted and len(set(map(len, records))) > 1 and len(set(map(len, closer))) == 1


def parse_sample(sample: str, delimiter: str, *, padded: bool = False) -> list[list[str]]:
    """The first records of *sample*, blank lines left out."""
    try:
        reader = csv.reader(
            io.StringIO(sample, newline=""), delimiter=delimiter, skipinitialspace=padded and delimiter != " "
        )
        records: list[list[str]] = []
        for record in reader:
            if record and any(record):
                records.append(_unspaced(record) if delimiter == " " else record)
            if len(records) == _SAMPLE_RECORDS:
                break
    except csv.Error:
        return []
    except TypeError as error:
        raise InputError(f"The delimiter must be one character, got {delimiter!r} ({error}).") from None
    return records


def _unspaced(record: list[str]) -> list[str]:
    """Fields between runs of blanks."""
    return [cell for cell in record if cell]


def _cut(text: str) -> str:
    if len(text) <= _SAMPLE_CHARACTERS:
        return text
    sample = text[:_SAMPLE_CHARACTERS]
    end = max(sample.rfind("\n"), sample.rfind("\r"))
    return sample[: end + 1] if end > 0 else text[: text.find("\n") + 1] or text


def _delimiter(sample: str) -> str:
    first = next((line for line in sample.splitlines() if line.strip()), "")
    best, best_score = NO_DELIMITER, 0.0
    for delimiter in DELIMITERS:
        if delimiter not in first:
            continue
        records = parse_sample(sample, delimiter)
        if delimiter == " " and (best != NO_DELIMITER or not _tabular(records)):
            continue
        score = _pattern_score(records) * _type_score(records)
        if score > best_score * 1.000001:
            best, best_score = delimiter, score
    return best


def _pattern_score(records: Sequence[Sequence[str]]) -> float:
    """High where many records share few lengths, and lengths are not one."""
    lengths = Counter(map(len, records))
    if not lengths:
        return 0.0
    return sum(count * (length - 1) / length for length, count in lengths.items()) / len(lengths)


def _type_score(records: Sequence[Sequence[str]]) -> float:
    cells = [cell for record in records for cell in record]
    return max(sum(map(_known, cells)) / len(cells), 1e-10) if cells else 0.0


def _known(cell: str) -> bool:
    value = cell.strip()
    return value.casefold() in _NULLS or bool(_WORDS.fullmatch(value)) or _typed(value)


def _typed(cell: str) -> bool:
    """Whether the cell is a number or a date; no name of a column is."""
    value = cell.strip()
    return any(map(str.isdigit, value)) and (bool(_NUMBER.fullmatch(value)) or is_dated(value))


def _tabular(records: Sequence[Sequence[str]]) -> bool:
    """Words with blanks between are prose; equally long rows with numbers among them are a table."""
    if len(records) < 2 or len(set(map(len, records))) != 1:
        return False
    return any(all(_typed(cell) for cell in column) for column in zip(*records[1:], strict=True))


def _has_header(records: Sequence[Sequence[str]]) -> bool:
    """Whether the first record names the columns.

    Where a column's values are numbers or dates, a first cell that is none speaks for a header and one that is speaks
    against. With no such column, the first record is a header unless one of its cells comes back as a value below.
    """
    if not records:
        return True
    first, rest = records[0], records[1:]
    votes, returns = 0, False
    years = [cell for cell in first if _YEAR.fullmatch(cell.strip())]
    named_by_year = len(years) > 1 and len(set(years)) == len(years) and any(not _typed(cell) for cell in first)
    for place, name in enumerate(first):
        column = [record[place].strip() for record in rest if place < len(record)]
        values = [value for value in column if value.casefold() not in _NULLS]
        if values and sum(map(_typed, values)) >= 0.9 * len(values):
            if named_by_year and name in years and not all(map(_YEAR.fullmatch, values)):
                continue  # a column for each year: its name is a number, and still a name
            votes += -1 if _typed(name) or name.strip() == "?" else 1
        elif not rest and _typed(name):
            votes -= 1
        returns = returns or (bool(name.strip()) and name.strip() in values)
    return votes > 0 if votes else not returns
