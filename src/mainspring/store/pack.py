"""Many chunks in one file: each compressed by itself, then an index, then a footer that finds the index.

    magic · chunk · chunk · … · index · length of the index (8 bytes) · magic

The index is MessagePack: digest, offset, stored length and length of each chunk.

A pack is written once and named by the digest of its index, so the index proves the name and each chunk proves its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from mainspring.core.digest import digest_bytes
from mainspring.core.errors import StoreError
from mainspring.store.compression import compress, decompress

if TYPE_CHECKING:
    from mainspring.store.bucket import Bucket

MAGIC = b"MSPACK1\n"
TARGET = 12 * 1024 * 1024
"""A pack is closed when it has grown to so many bytes."""
FOOTER = 8 + len(MAGIC)


class Place(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where a chunk lies in its pack. Lengths in bytes."""

    digest: str
    offset: int
    stored: int
    length: int


@dataclass(frozen=True, slots=True)
class Pack:
    """A finished pack: its bytes, its name and where its chunks lie."""

    digest: str
    data: bytearray
    places: tuple[Place, ...]


class PackWriter:
    """Collects chunks until a pack is full. Not for several threads at once."""

    def __init__(self) -> None:
        """Begin an empty pack."""
        self._clear()

    def _clear(self) -> None:
        self._data = bytearray(MAGIC)
        self._places: list[Place] = []

    def __len__(self) -> int:
        """The bytes collected so far."""
        return len(self._data)

    def add(self, digest: str, chunk: bytes | memoryview) -> None:
        """Compress *chunk* and append it."""
        packed = compress(chunk)
        self._places.append(Place(digest, len(self._data), len(packed), len(chunk)))
        self._data += packed

    def add_packed(self, place: Place, packed: bytes) -> None:
        """Append a chunk that another pack held, as it is."""
        self._places.append(Place(place.digest, len(self._data), place.stored, place.length))
        self._data += packed

    def close(self) -> Pack | None:
        """The finished pack, or None where no chunk was added; the writer is empty again."""
        if not self._places:
            return None
        index = msgspec.msgpack.encode(self._places)
        self._data += index + len(index).to_bytes(8, "little") + MAGIC
        pack = Pack(digest_bytes(index), self._data, tuple(self._places))
        self._clear()
        return pack


def pack_name(digest: str) -> str:
    """The name of a pack in the bucket."""
    return f"packs/{digest}"


def read_index(bucket: Bucket, digest: str, size: int) -> tuple[Place, ...]:
    """The index of the pack, *size* bytes long. Raises StoreError where the pack is damaged."""
    name = pack_name(digest)
    footer = bucket.get_range(name, max(0, size - FOOTER), FOOTER) if size >= FOOTER else b""
    length = int.from_bytes(footer[:8], "little")
    if footer[8:] != MAGIC or length > size - FOOTER - len(MAGIC):
        raise StoreError(f"The pack {name} is damaged: its footer is not one. {MEND}")
    index = bucket.get_range(name, size - FOOTER - length, length)
    if digest_bytes(index) != digest:
        raise StoreError(f"The pack {name} is damaged: its index is not what was written. {MEND}")
    return tuple(msgspec.msgpack.decode(index, type=list[Place]))


def unpack(packed: bytes, digest: str, *, pack: str) -> bytes:
    """The chunk from its stored form. Raises StoreError naming chunk and pack where it is damaged."""
    try:
        chunk = decompress(packed)
    except ValueError as error:
        raise StoreError(f"Chunk {digest} of the pack {pack_name(pack)} is damaged: {error}. {MEND}") from None
    if digest_bytes(chunk) != digest:
        raise StoreError(f"Chunk {digest} of the pack {pack_name(pack)} is damaged: its digest differs. {MEND}")
    return chunk


MEND = "Run `mainspring store verify` to list what is damaged, and the step that made it to make it again."
