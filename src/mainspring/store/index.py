"""Which pack holds which chunk, learned from the packs' own indices."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from mainspring.core.errors import StoreError
from mainspring.store.pack import read_index

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mainspring.store.bucket import Bucket
    from mainspring.store.pack import Place


class ChunkIndex:
    """The chunks of every readable pack. Safe for several threads."""

    def __init__(self, bucket: Bucket) -> None:
        """Know nothing yet; `refresh` looks."""
        self._bucket = bucket
        self._packs: dict[str, tuple[Place, ...]] = {}
        self._where: dict[str, tuple[str, Place]] = {}
        self._lock = Lock()

    def refresh(self) -> None:
        """Learn the packs that others have written and forget those that are gone. A damaged pack is passed over."""
        found = {entry.name.rpartition("/")[2]: entry.size for entry in self._bucket.names("packs")}
        with self._lock:
            for gone in self._packs.keys() - found.keys():
                del self._packs[gone]
                self._where = {key: at for key, at in self._where.items() if at[0] != gone}
            unseen = [digest for digest in found if digest not in self._packs]
        for digest in unseen:
            try:
                self.add(digest, read_index(self._bucket, digest, found[digest]))
            except (StoreError, FileNotFoundError):
                continue  # nothing is reused from a pack that cannot be read; `verify` names it

    def add(self, pack: str, places: Iterable[Place]) -> None:
        """Remember a pack."""
        with self._lock:
            self._packs[pack] = tuple(places)
            for place in self._packs[pack]:
                # of two places the newer counts: it was written because the older was damaged
                self._where[place.digest] = (pack, place)

    def find(self, digest: str) -> tuple[str, Place] | None:
        """A pack that holds the chunk, and where."""
        return self._where.get(digest)

    def every(self, digest: str) -> list[tuple[str, Place]]:
        """All places of the chunk: it has several after damage was mended."""
        with self._lock:
            packs = list(self._packs.items())
        return [(pack, place) for pack, places in packs for place in places if place.digest == digest]

    def packs(self) -> dict[str, tuple[Place, ...]]:
        """Every known pack with its chunks."""
        with self._lock:
            return dict(self._packs)
