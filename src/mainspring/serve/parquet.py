"""The Parquet of a request, measured before anything of it is unpacked.

A few kilobytes of Parquet may unpack to gigabytes, and what a footer says of that may be a lie. So the head of every
page is read here, by which alone readers make room. What a library then reads is a file put together anew, of the
columns that are wanted and of what was understood here: two readers may understand odd bytes differently, and there are
none left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mainspring.serve.problem import Problem
from mainspring.serve.thrift import (
    BINARY,
    BYTE,
    I32,
    I64,
    LIST,
    STRUCT,
    TRUE,
    Malformed,
    Reader,
    Struct,
    TooMuch,
    kept,
    number,
    struct,
    structs,
    written,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

MAGIC = b"PAR1"
ARROW = b"ARROW:schema"
MOST = 500_000
"""So many values may describe a file: some thousand columns, or pages. Reading them takes half a second."""
_MOMENT = {1: TRUE, 2: {1: {}, 2: {}, 3: {}}}
_LOGICAL = {
    1: {}, 4: {}, 5: {1: I32, 2: I32}, 6: {}, 7: _MOMENT, 8: _MOMENT, 10: {1: BYTE, 2: TRUE}, 11: {}, 12: {}, 13: {},
    14: {}, 15: {},
}  # fmt: skip
_ELEMENT = {1: I32, 2: I32, 3: I32, 4: BINARY, 6: I32, 7: I32, 8: I32, 10: _LOGICAL}
_PAGE = {
    1: I32, 2: I32, 3: I32, 5: {1: I32, 2: I32, 3: I32, 4: I32}, 7: {1: I32, 2: I32},
    8: {1: I32, 2: I32, 3: I32, 4: I32, 5: I32, 6: I32, 7: TRUE},
}  # fmt: skip
"""What of Parquet's own structs is understood, and goes on; not its statistics and checksums."""
FIXED = 7
REPEATED = 2
DATA, INDEX, DICTIONARY, DATA_2 = range(4)
ENCODINGS = {0: "plain", 2: "plain dictionary", 3: "RLE", 5: "delta", 8: "dictionary", 9: "byte stream split"}
"""The encodings in which no text is longer than what is stored of it. The two deltas of texts are not among them."""


class _Column(NamedTuple):
    place: int
    element: Struct


class _Page(NamedTuple):
    kind: int
    head: Struct
    begin: int
    end: int


class Table:
    """A Parquet file. ``names`` are its plain columns, ``nested`` those that hold lists or structs."""

    def __init__(self, body: bytes) -> None:
        """Read its footer. Raises Problem 400 for what is none, 413 for one that describes too much."""
        self._body = body
        self._reader = Reader(body, MOST)
        self._columns: dict[str, _Column] = {}
        self.nested: list[str] = []
        try:
            footer = self._footer()
            self._leaves = self._schema(structs(footer, 2))
            self._groups = structs(footer, 4)
            about = structs(footer, 5) if 5 in footer else []
            self._arrow = [each for each in about if each.get(1) == (BINARY, ARROW)][:1]
            self.rows = sum(number(group, 3) for group in self._groups)
        except (Malformed, TooMuch) as error:
            raise _problem(error) from None

    @property
    def names(self) -> list[str]:
        """The plain columns."""
        return list(self._columns)

    def only(self, names: Sequence[str], *, room: int) -> bytes:
        """A file of the columns called *names* alone, which unpack to *room* bytes at most.

        Raises Problem 400 for what is no Parquet, 413 for more than that.
        """
        columns = [self._columns[name] for name in names]
        try:
            groups = [
                (number(group, 3), [self._chunk(group, column) for column in columns]) for group in self._groups
            ]  # fmt: skip
        except (Malformed, TooMuch) as error:
            raise _problem(error) from None
        fixed = sum(number(column.element, 2) for column in columns if number(column.element, 1) == FIXED)
        pages = [page for _, chunks in groups for _, pages in chunks for page in pages]
        check_size(self.rows * fixed + sum(max(number(page.head, 2), page.end - page.begin) for page in pages), room)
        return self._file(columns, groups)

    def no_rows(self, names: Sequence[str]) -> bytes | None:
        """A file of the columns called *names* without rows, and with the types that Arrow knows and Parquet does not.

        None where none were noted. They are for looking at alone: what reads values must not go by them.
        """
        noted = [kept(each, {1: BINARY, 2: BINARY}) for each in self._arrow]
        columns = [self._columns[name] for name in names]
        return _finished(bytearray(MAGIC), columns, [], 0, noted) if noted else None

    def _footer(self) -> Struct:
        body = self._body
        if len(body) < 12 or body[:4] != MAGIC or body[-4:] != MAGIC:
            raise Malformed("it does not begin and end as one")
        self._end = len(body) - 8 - int.from_bytes(body[-8:-4], "little")
        if self._end < 4:
            raise Malformed("its footer is longer than it")
        self._reader.at, self._reader.end = self._end, len(body) - 8
        return self._reader.struct()

    def _schema(self, elements: list[Struct]) -> int:
        """Find the columns; how many leaves there are, by which row groups count."""
        open_: list[int] = []  # how many children are still to come, from the root inwards
        top, leaves = "", 0
        for element in elements:
            if open_:
                open_[-1] -= 1
            children = number(element, 5, 0)
            if len(open_) == 1:
                top = _name(element)
                if top in self._columns or top in self.nested:
                    raise Malformed("two columns have the same name")
                if children or number(element, 3, 0) == REPEATED:
                    self.nested.append(top)
                else:
                    self._columns[top] = _Column(leaves, kept(element, _ELEMENT))
                    if number(element, 1) == FIXED and number(element, 2) == 0:
                        raise Malformed("a column has values of no length")
            leaves += children == 0 and len(open_) > 0
            open_.append(children)
            while len(open_) > 1 and open_[-1] == 0:
                open_.pop()
        return leaves

    def _chunk(self, group: Struct, column: _Column) -> tuple[int, list[_Page]]:
        """One column of a row group: its codec, and its pages as they are described."""
        chunks = structs(group, 1)
        if len(chunks) != self._leaves:
            raise Malformed("a row group lacks a column")
        rows, about = number(group, 3), struct(chunks[column.place], 3)
        if number(about, 5) != rows:
            raise Malformed("a column has not as many values as rows")
        begin, dictionary = number(about, 9), number(about, 11, 0)
        at = dictionary if 0 < dictionary < begin else begin
        end = at + number(about, 7)
        if at < 4 or end > self._end:
            raise Malformed("a column lies outside of it")
        pages: list[_Page] = []
        while rows:
            page, values = self._page(at, end, column)
            at = page.end
            if page.kind == INDEX:
                continue
            if values > rows or (page.kind == DICTIONARY and pages):
                raise Malformed("a column has other pages than it may have")
            rows -= 0 if page.kind == DICTIONARY else values
            pages.append(page)
        return number(about, 4), pages

    def _page(self, at: int, end: int, column: _Column) -> tuple[_Page, int]:
        reader = self._reader
        reader.at, reader.end = at, end
        head = kept(reader.struct(), _PAGE)
        kind, unpacked, packed = number(head, 1), number(head, 2), number(head, 3)
        page = _Page(kind, head, reader.at, reader.at + packed)
        if page.end > end or kind > DATA_2:
            raise Malformed("a page lies outside of its column")
        if kind == INDEX:
            return page, 0
        inner = struct(head, {DATA: 5, DICTIONARY: 7, DATA_2: 8}[kind])
        values, encoding = number(inner, 1), number(inner, 4 if kind == DATA_2 else 2)
        if kind == DATA_2:
            levels = number(inner, 5) + number(inner, 6)
            if number(inner, 3) != values or levels > min(packed, unpacked):
                raise Malformed("a page contradicts itself")
        if kind == DICTIONARY:
            if values > unpacked:
                raise Malformed("a dictionary has more values than bytes")
            values = 0
        if encoding not in ENCODINGS:
            name = _name(column.element)
            raise Problem(
                400,
                f"Column {name[:80]!r} has the encoding {encoding}, which is not taken. Write it plain or with a "
                "dictionary, as Polars and pandas do.",
            )
        return page, values

    def _file(self, columns: list[_Column], groups: list[tuple[int, list[tuple[int, list[_Page]]]]]) -> bytes:
        out = bytearray(MAGIC)
        made = []
        for rows, chunks in groups:
            if not rows:
                continue
            abouts = []
            for column, (codec, pages) in zip(columns, chunks, strict=True):
                abouts.append(self._append(out, column, codec, pages, rows))
            size = sum(number(struct(about, 3), 6) for about in abouts)
            made.append({1: (LIST, (STRUCT, abouts)), 2: (I64, size), 3: (I64, rows)})
        return _finished(out, columns, made, self.rows)

    def _append(self, out: bytearray, column: _Column, codec: int, pages: list[_Page], rows: int) -> Struct:
        """Write the *pages* of a column behind *out*; what a row group says of them."""
        begin, unpacked = len(out), 0
        places: dict[int, int] = {}
        for page in pages:
            places.setdefault(11 if page.kind == DICTIONARY else 9, len(out))
            head = written(page.head)
            out += head
            out += memoryview(self._body)[page.begin : page.end]
            unpacked += len(head) + number(page.head, 2)
        about: Struct = {
            1: column.element[1],
            2: (LIST, (I32, sorted(ENCODINGS))),
            3: (LIST, (BINARY, [column.element[4][1]])),
            4: (I32, codec),
            5: (I64, rows),
            6: (I64, unpacked),
            7: (I64, len(out) - begin),
            **{field: (I64, place) for field, place in places.items()},
        }
        return {2: (I64, begin), 3: (STRUCT, about)}


def _finished(
    out: bytearray, columns: Sequence[_Column], groups: list[Struct], rows: int, about: Sequence[Struct] = ()
) -> bytes:
    """The file that begins with *out*, which are row *groups*, with its footer."""
    root: Struct = {4: (BINARY, b"schema"), 5: (I32, len(columns))}
    footer = written(
        {
            1: (I32, 1),
            2: (LIST, (STRUCT, [root, *(column.element for column in columns)])),
            3: (I64, rows),
            4: (LIST, (STRUCT, groups)),
            **({5: (LIST, (STRUCT, about))} if about else {}),
        }
    )
    return bytes(out) + footer + len(footer).to_bytes(4, "little") + MAGIC


def check_size(size: int, room: int) -> None:
    """Raise Problem 413 where a table that is unpacked has more bytes than *room*."""
    if size > room:
        raise Problem(
            413,
            f"The Parquet table is {size:,} bytes when it is unpacked; at most {room:,} are taken. Send the rows in "
            "parts, or raise --max-body.",
        )


def _name(element: Struct) -> str:
    kind, value = element.get(4, (0, b""))
    if kind != BINARY:
        raise Malformed("a column has no name")
    try:
        return str(value, "utf-8")
    except UnicodeDecodeError:
        raise Malformed("a column's name is not UTF-8") from None


def _problem(error: Malformed | TooMuch) -> Problem:
    if isinstance(error, TooMuch):
        return Problem(413, "The Parquet file has too many columns, row groups or pages: send it in parts.")
    return Problem(400, f"The body is not a Parquet file: {error}.")
