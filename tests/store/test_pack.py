from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.core.digest import digest_bytes
from mainspring.core.errors import StoreError
from mainspring.store.pack import Pack, PackWriter, pack_name, read_index, unpack

if TYPE_CHECKING:
    from mainspring.store import Store


def packed(*chunks: bytes) -> Pack:
    writer = PackWriter()
    for chunk in chunks:
        writer.add(digest_bytes(chunk), chunk)
    pack = writer.close()
    assert pack is not None
    assert writer.close() is None
    return pack


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=10))
def test_every_chunk_comes_back_from_its_place(chunks: list[bytes]) -> None:
    pack = packed(*chunks)
    for place, chunk in zip(pack.places, chunks, strict=True):
        stored = bytes(pack.data[place.offset : place.offset + place.stored])
        assert unpack(stored, place.digest, pack=pack.digest) == chunk
        assert place.length == len(chunk)


def test_the_index_is_read_from_the_end(store: Store) -> None:
    pack = packed(b"one", b"two" * 100)
    store.bucket.put(pack_name(pack.digest), pack.data)
    assert read_index(store.bucket, pack.digest, len(pack.data)) == pack.places


@pytest.mark.parametrize("at", [-1, -10, -20, -40])
def test_a_damaged_index_is_named(store: Store, at: int) -> None:
    pack = packed(b"one", b"two" * 100)
    pack.data[at] ^= 0xFF
    store.bucket.put(pack_name(pack.digest), pack.data)
    with pytest.raises(StoreError, match=f"The pack packs/{pack.digest} is damaged"):
        read_index(store.bucket, pack.digest, len(pack.data))


def test_a_short_file_is_no_pack(store: Store) -> None:
    store.bucket.put(pack_name("a" * 64), b"short")
    with pytest.raises(StoreError, match="its footer is not one"):
        read_index(store.bucket, "a" * 64, 5)


def test_a_damaged_chunk_is_named() -> None:
    pack = packed(b"one" * 1000)
    with pytest.raises(StoreError, match=rf"Chunk {pack.places[0].digest} of the pack packs/abc is damaged"):
        unpack(b"rwrong", pack.places[0].digest, pack="abc")
