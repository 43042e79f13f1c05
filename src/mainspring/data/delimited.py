"""From delimited text to a frame of text columns, with every complaint naming its line."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from typing import TYPE_CHECKING, cast

from mainspring.core.errors import InputError, listed, quote
from mainspring.data.dialect import NO_DELIMITER, Dialect, sniff

if TYPE_CHECKING:
    from _csv import Reader
    from collections.abc import Iterator, Sequence

    import polars as pl

_BLOCK = 1 << 24
_SHOWN_LINES = 3
_WORDS_OF = {"\t": "tab", " ": "blank", NO_DELIMITER: "none"}


def said(delimiter: str) -> str:
    r"""A delimiter as one would say it.

    >>> said("\t"), said(";")
    ('tab', "';'")
    """
    return _WORDS_OF.get(delimiter, repr(delimiter))


def parse(
    utf8: bytes, *, name: str, delimiter: str | None = None, header: bool | None = None
) -> tuple[pl.DataFrame, Dialect]:
    """Parse the text into a frame of text columns, cells exactly as written but for padding after delimiters.

    Raises InputError for an empty text, a header without rows, rows of unequal length, a quote that is never closed and
    column names that are empty or occur twice.
    """
    if not utf8[:4096].strip() and not utf8.strip():
        raise InputError(f"{name} is empty. Expected a table: a line of column names and at least one row.")
    text = utf8[: 1 << 20].decode(errors="ignore")
    dialect = sniff(text, delimiter=delimiter, header=header)
    if dialect.delimiter == " ":
        utf8 = b"\n".join(re.sub(rb" +", b" ", line.strip()) for line in utf8.splitlines())
        text = utf8[: 1 << 20].decode(errors="ignore")
    first = next(iter(_records(text, dialect)), [])
    names = _names(first, dialect, name)
    frame = _frame(utf8, dialect, len(first), name)
    if dialect.header:
        frame = frame.slice(1)
    if frame.height == 0:
        raise InputError(
            f"{name} has column names ({listed(names)}) but no rows. "
            "If its first line is data, say that there is no header (header=False)."
        )
    frame.columns = names
    return frame, dialect


def _records(text: str, dialect: Dialect) -> Iterator[list[str]]:
    """Every record that is not a blank line, by Python's reader: slow, but it forgives nothing and knows its line."""
    reader = _reader(text, dialect)
    return (record for record in reader if record)


def _reader(text: str, dialect: Dialect) -> Reader:
    return csv.reader(io.StringIO(text, newline=""), delimiter=dialect.delimiter, skipinitialspace=dialect.padded)


def _names(first: Sequence[str], dialect: Dialect, name: str) -> list[str]:
    if not dialect.header:
        return [f"column_{place}" for place in range(1, len(first) + 1)]
    names = [cell.strip() for cell in first]
    empty = [place for place, cell in enumerate(names, 1) if not cell]
    if empty:
        which = f"Column {empty[0]} has" if len(empty) == 1 else f"Columns {listed(map(str, empty))} have"
        raise InputError(
            f"{which} no name in the header of {name}. Give every column a name in its first line, "
            "or say that there is no header (header=False)."
        )
    twice = [cell for cell, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(
            f"The header of {name} uses {'a column name' if len(twice) == 1 else 'column names'} more than once: "
            f"{listed(map(quote, twice))}. Rename them in its first line, or say that there is no header "
            "(header=False)."
        )
    return names


def _frame(utf8: bytes, dialect: Dialect, width: int, name: str) -> pl.DataFrame:
    quoted = b'"' in utf8
    if quoted and utf8.count(b'"') % 2:
        _check_quotes(utf8.decode(), dialect, name)
    if quoted and dialect.padded:  # Arrow takes a quote for a quote only at the very beginning of a field
        return _slowly(utf8.decode(), dialect, width, name)
    return _quickly(utf8, dialect, width, name, quoted=quoted)


def _quickly(utf8: bytes, dialect: Dialect, width: int, name: str, *, quoted: bool) -> pl.DataFrame:
    import polars as pl
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    columns = [str(place) for place in range(width)]
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(utf8),
            read_options=arrow_csv.ReadOptions(column_names=columns, block_size=min(max(len(utf8), 1), _BLOCK)),
            parse_options=arrow_csv.ParseOptions(delimiter=dialect.delimiter, newlines_in_values=quoted),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()), strings_can_be_null=False, check_utf8=False
            ),
        )
    except pa.ArrowInvalid as error:
        _complain_of_ragged(utf8.decode(), dialect, width, name)
        raise InputError(f"{name} cannot be read as delimited text: {quote(str(error))}.") from None
    frame = cast("pl.DataFrame", pl.from_arrow(table, rechunk=False))
    return frame.with_columns(pl.all().str.strip_chars_start(" ")) if dialect.padded else frame


def _slowly(text: str, dialect: Dialect, width: int, name: str) -> pl.DataFrame:
    import polars as pl

    records = list(_records(text, dialect))
    if any(len(record) != width for record in records):
        _complain_of_ragged(text, dialect, width, name)
    columns = zip(*records, strict=True)
    return pl.DataFrame([pl.Series(str(place), cells, dtype=pl.String) for place, cells in enumerate(columns)])


def _complain_of_ragged(text: str, dialect: Dialect, width: int, name: str) -> None:
    """Raise InputError that names the first lines whose number of fields differs from the first line's."""
    reader = _reader(text, dialect)
    wrong: list[str] = []
    count, line = 0, 1
    try:
        for record in reader:
            if record and len(record) != width:
                count += 1
                if len(wrong) < _SHOWN_LINES:
                    wrong.append(f"line {line} has {len(record)}")
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{name} cannot be read: line {reader.line_num}: {error}.") from None
    if count:
        more = f" ({count} such lines in all)" if count > len(wrong) else ""
        raise InputError(
            f"The rows of {name} are not equally long: expected {width} field{'s' if width > 1 else ''} as in its "
            f"first line (delimiter {said(dialect.delimiter)}), but {', '.join(wrong)}{more}. "
            "Mend these lines, or pass the delimiter if it was guessed wrong."
        )


def _check_quotes(text: str, dialect: Dialect, name: str) -> None:
    """Raise InputError where a quote is opened and never closed: everything after it would be one cell."""
    reader = _reader(text, dialect)
    begin = 1
    last: list[str] = []
    try:
        for last in reader:  # noqa: B007  # the last record is what is looked at
            before, begin = begin, reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{name} cannot be read: line {reader.line_num}: {error}.") from None
    ended = text.endswith(("\n", "\r"))
    if last and ended and last[-1].endswith(("\n", "\r")):
        raise InputError(f"A quote that opens in line {before} of {name} is never closed. Close or double it.")
