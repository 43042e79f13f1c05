"""Reading everything in the store to find what is not as it was written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainspring.core.errors import StoreError
from mainspring.store.pack import pack_name, read_index, unpack
from mainspring.store.store import Damage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mainspring.store.store import Store


def damages(store: Store, *, seen: Callable[[int], None] | None = None) -> Iterator[Damage]:
    """Every damaged or missing object and pack, in no order. Reads all bytes once for objects and once for packs."""
    for entry in store.bucket.names("packs"):
        try:
            _check_pack(store, entry.name.rpartition("/")[2], entry.size)
        except (StoreError, FileNotFoundError) as error:
            yield Damage(entry.name, str(error))
    for count, digest in enumerate(store.digests(), start=1):
        damage = store.check(digest)
        if damage is not None:
            yield damage
        if seen is not None:
            seen(count)


def _check_pack(store: Store, digest: str, size: int) -> None:
    name = pack_name(digest)
    places = read_index(store.bucket, digest, size)
    starts, lengths = [place.offset for place in places], [place.stored for place in places]
    for place, packed in zip(places, store.bucket.get_ranges(name, starts, lengths), strict=True):
        unpack(packed, place.digest, pack=digest)
