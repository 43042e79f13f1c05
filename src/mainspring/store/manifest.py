"""Which chunks make up a large object, and where they lay when it was written."""

from __future__ import annotations

import msgspec

from mainspring.store.compression import compress, decompress

MARK = b"m"
"""The first byte of a stored manifest; small objects begin as `compression` says."""


class Piece(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One chunk: its digest (32 bytes), the pack it lay in (a position in ``Manifest.packs``) and where.

    Lengths in bytes.
    """

    digest: bytes
    pack: int
    offset: int
    stored: int
    length: int


class Manifest(msgspec.Struct, frozen=True, array_like=True):
    """The pieces of an object in order, and the packs that they name.

    The place is a hint: after packs were written anew, a chunk is found again by its digest.
    """

    length: int
    packs: list[str]
    pieces: list[Piece]


def encode(manifest: Manifest) -> bytes:
    """The stored form."""
    return MARK + compress(msgspec.msgpack.encode(manifest))


def decode(stored: bytes) -> Manifest:
    """The manifest from its stored form. Raises ValueError where it is damaged."""
    try:
        return msgspec.msgpack.decode(decompress(stored[len(MARK) :]), type=Manifest)
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from None
