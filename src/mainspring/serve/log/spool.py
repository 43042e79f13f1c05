"""A spool: an append-only file of frames. What follows the last whole frame is a torn tail and is never read.

A frame is its kind (one byte), the length of its payload and its CRC-32 (four bytes each, little-endian), and the
payload: MessagePack, either an array of records or a schema. A reader passes over kinds that it does not know.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

import msgspec

from mainspring.serve.log.record import Record
from mainspring.serve.log.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAGIC = b"mainspring spool 1\n"
SUFFIX = ".spool"
"""Of a spool that its writer has finished."""
OPEN = ".open"
"""Of the one that its writer is at; when the writer has died it is finished as far as it goes."""
LOCK = "lock"
"""The file of a source's folder whose lock its writer holds as long as it lives."""
ROLL = "roll"
"""The file of a source's folder by which a reader asks the writer to begin a new spool."""
LONGEST = 1 << 30
"""No frame is longer: a length beyond it is damage."""

PAGE = 4096
"""What goes around the system's cache begins and ends at multiples of it."""

_HEAD = struct.Struct("<BII")
FRONT = _HEAD.size + 5
"""So many bytes lie before the records of a frame."""
_RECORDS = 1
_SCHEMA = 2
_NOTHING = 3
_records = msgspec.msgpack.Decoder(list[Record])
_schema = msgspec.msgpack.Decoder(Schema)


def seal(memory: memoryview, end: int, count: int) -> None:
    """Make a frame of the *count* records that lie in *memory* from `FRONT` to *end*."""
    start = _HEAD.size
    memory[start:FRONT] = b"\xdd" + count.to_bytes(4, "big")
    _HEAD.pack_into(memory, 0, _RECORDS, end - start, zlib.crc32(memory[start:end]))


def padding(length: int) -> bytes:
    """A frame that says nothing, by which what is *length* bytes long becomes a number of whole pages."""
    return _frame(_NOTHING, bytes((-length - _HEAD.size) % PAGE))


def schema_frame(schema: Schema) -> bytes:
    """A frame that says what the records of a version hold."""
    return _frame(_SCHEMA, msgspec.msgpack.encode(schema))


def _frame(kind: int, payload: bytes) -> bytes:
    return _HEAD.pack(kind, len(payload), zlib.crc32(payload)) + payload


def read(path: Path) -> Iterator[tuple[Schema | list[Record], int]]:
    """What each whole frame holds, no records where it is padding, and where in the file it ends.

    Stops at the first one that is not whole.
    One frame is held in memory at a time. Nothing comes of a file that is no spool.
    """
    with path.open("rb") as file:
        position = len(MAGIC)
        if file.read(position) != MAGIC:
            return
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            kind, length, check = _HEAD.unpack(head)
            if not kind or length > LONGEST:
                return  # zeros: the system had room for it, and no time to write it
            payload = file.read(length)
            if len(payload) < length or zlib.crc32(payload) != check:
                return
            position += _HEAD.size + length
            try:
                if kind == _RECORDS:
                    yield _records.decode(payload), position
                elif kind == _SCHEMA:
                    yield _schema.decode(payload), position
                else:
                    yield [], position
            except msgspec.MsgspecError:
                return  # written by a newer version, or not by us


def is_whole(path: Path) -> bool:
    """Whether the spool reads to its end."""
    end = len(MAGIC)
    for _, end in read(path):  # noqa: B007  # the last one counts
        pass
    return path.stat().st_size == end


def name_of(number: int) -> str:
    """The file name of a source's finished spool of this *number*; names sort as numbers do.

    >>> name_of(7)
    '00000007.spool'
    """
    return f"{number:08d}{SUFFIX}"


def number_of(path: Path) -> int:
    """The number of the spool at *path*."""
    return int(path.stem)


def spools(folder: Path, *, unfinished: bool = False) -> list[Path]:
    """The finished spools of a source, the oldest first; on demand also the one that its writer was at."""
    suffixes = {SUFFIX, OPEN} if unfinished else {SUFFIX}
    found = (path for path in folder.iterdir() if path.suffix in suffixes and path.stem.isdigit())
    return sorted(found, key=number_of)


def folder_of(root: Path, model: str, source: str) -> Path:
    """Where the spools of a *source* of a *model* lie under the *root* of all spools."""
    return root / escape(model) / escape(source)


def escape(name: str) -> str:
    """*name* as the name of a folder: no separator, never ``..``, and read back by `unescape`.

    >>> escape("a/b"), escape("..")
    ('a%2Fb', '%2E%2E')
    """
    quoted = quote(name, safe="")
    return quoted.replace(".", "%2E") if not quoted.strip(".") else quoted


def unescape(name: str) -> str:
    """The name that `escape` made a folder of."""
    return unquote(name)
