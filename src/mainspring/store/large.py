"""Objects too large for one file: cut into chunks, which lie in packs and are shared, and listed in a manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainspring.core.digest import digest_bytes
from mainspring.core.errors import StoreError
from mainspring.store.bucket import LocalBucket
from mainspring.store.compression import decompress
from mainspring.store.manifest import Manifest, Piece, decode, encode
from mainspring.store.pack import MEND, TARGET, PackWriter, pack_name, unpack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mainspring.store.bucket import Bucket
    from mainspring.store.index import ChunkIndex
    from mainspring.store.pack import Place

    Where = dict[str, tuple[str, Place]]
    """Chunk to pack and place."""


def write(bucket: Bucket, index: ChunkIndex, view: memoryview, *, reuse: bool) -> bytes:
    """Store the chunks of *view* that are not there yet and return the stored manifest.

    Without *reuse* every chunk is written.
    """
    from mainspring.store.chunks import cut

    index.refresh()
    order: list[str] = []
    chunks: dict[str, memoryview] = {}
    for chunk in cut(view):
        digest = digest_bytes(chunk)
        order.append(digest)
        chunks[digest] = chunk
    where = _reusable(bucket, index, chunks) if reuse else {}
    writer = PackWriter()
    for digest in [each for each in chunks if each not in where]:
        writer.add(digest, chunks[digest])
        if len(writer) >= TARGET:
            where |= _close(bucket, index, writer)
    where |= _close(bucket, index, writer)
    packs: dict[str, int] = {}
    pieces = []
    for digest in order:
        pack, place = where[digest]
        number = packs.setdefault(pack, len(packs))
        pieces.append(Piece(bytes.fromhex(digest), number, place.offset, place.stored, place.length))
    return encode(Manifest(len(view), list(packs), pieces))


def read(bucket: Bucket, index: ChunkIndex, digest: str, stored: bytes) -> bytes:
    """The bytes of the object *digest* from its stored manifest, verified.

    Raises StoreError naming the damaged chunk, ValueError where the manifest itself is damaged.
    """
    manifest = decode(stored)
    chunks: list[bytes | None] = [None] * len(manifest.pieces)
    by_pack: dict[int, list[int]] = {}
    for position, piece in enumerate(manifest.pieces):
        by_pack.setdefault(piece.pack, []).append(position)
    for number, positions in by_pack.items():
        spots = [(manifest.pieces[position].offset, manifest.pieces[position].stored) for position in positions]
        found = _ranges(bucket, manifest.packs[number], spots)
        for position, packed in zip(positions, found, strict=True):
            chunks[position] = _opened(packed)
    whole = [chunk for chunk in chunks if chunk is not None]
    if len(whole) == len(chunks):
        data = b"".join(whole)
        if digest_bytes(data) == digest:
            return data
    data = b"".join(_mended(bucket, index, manifest, position, chunk) for position, chunk in enumerate(chunks))
    if digest_bytes(data) != digest:
        raise ValueError("its list of chunks is not what was written")
    return data


def _reusable(bucket: Bucket, index: ChunkIndex, chunks: Mapping[str, memoryview]) -> Where:
    """The chunks that are there already. On a local disk each is read back: nothing new is built on damage.

    On an object store, which checks its own disks, that would fetch as much as it saves.
    """
    known = {digest: there for digest in chunks if (there := index.find(digest)) is not None}
    if not isinstance(bucket, LocalBucket):
        return known
    by_pack: dict[str, list[str]] = {}
    for digest, (pack, _) in known.items():
        by_pack.setdefault(pack, []).append(digest)
    intact: Where = {}
    for pack, digests in by_pack.items():
        found = _ranges(bucket, pack, [(known[digest][1].offset, known[digest][1].stored) for digest in digests])
        for digest, packed in zip(digests, found, strict=True):
            opened = _opened(packed)
            if opened is not None and memoryview(opened) == chunks[digest]:
                intact[digest] = known[digest]
        if any(digest in intact for digest in digests):
            bucket.touch(pack_name(pack))
    return intact


def _close(bucket: Bucket, index: ChunkIndex, writer: PackWriter) -> Where:
    """Write the pack, if it holds anything, and say where its chunks lie now."""
    pack = writer.close()
    if pack is None:
        return {}
    bucket.put(pack_name(pack.digest), pack.data)
    index.add(pack.digest, pack.places)
    return {place.digest: (pack.digest, place) for place in pack.places}


def _ranges(bucket: Bucket, pack: str, spots: list[tuple[int, int]]) -> list[bytes]:
    """The stored chunks at the *spots* of a pack; nothing for each where the pack is gone or shorter than it was."""
    try:
        return bucket.get_ranges(pack_name(pack), [start for start, _ in spots], [length for _, length in spots])
    except (FileNotFoundError, StoreError):
        return [b""] * len(spots)


def _opened(packed: bytes) -> bytes | None:
    try:
        return decompress(packed)
    except ValueError:
        return None


def _mended(bucket: Bucket, index: ChunkIndex, manifest: Manifest, position: int, chunk: bytes | None) -> bytes:
    """The chunk if it is intact, else the same chunk from wherever else it lies. Raises StoreError naming it."""
    piece = manifest.pieces[position]
    digest = piece.digest.hex()
    if chunk is not None and digest_bytes(chunk) == digest:
        return chunk
    failure = f"Chunk {digest} of the pack {pack_name(manifest.packs[piece.pack])} is damaged or missing. {MEND}"
    index.refresh()
    for pack, place in index.every(digest):
        try:
            return unpack(bucket.get_range(pack_name(pack), place.offset, place.stored), digest, pack=pack)
        except (FileNotFoundError, StoreError) as error:
            failure = str(error)
    raise StoreError(failure)
