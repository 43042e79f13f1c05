"""Removing what nothing refers to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from mainspring.core.errors import NotFound, StoreError
from mainspring.store.lease import collecting
from mainspring.store.pack import PackWriter, pack_name

if TYPE_CHECKING:
    from mainspring.store.bucket import Entry
    from mainspring.store.store import Store

GRACE = 3600.0
"""Seconds during which nothing that was written or touched is taken: its writer may not have told the ledger yet."""
WASTE = 0.5
"""A pack is written anew when more than this share of its bytes is dead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """What a collection removed (or would): names in the store with their bytes, and what it wrote anew."""

    removed: tuple[tuple[str, int], ...]
    repacked: tuple[str, ...]
    kept: int
    dry_run: bool

    @property
    def bytes(self) -> int:
        """The bytes of everything removed."""
        return sum(size for _, size in self.removed)


def sweep(store: Store, live: set[str], *, dry_run: bool, grace: float) -> Sweep:
    """See `Store.gc`."""
    with collecting(store.lock):
        young_after = datetime.now(UTC) - timedelta(seconds=grace)
        objects = {
            entry.name.removeprefix("objects/").replace("/", ""): entry for entry in store.bucket.names("objects")
        }
        young = {digest for digest, entry in objects.items() if entry.modified >= young_after}
        kept, chunks = _reach(store, (live & objects.keys()) | young)
        dead = [entry for digest, entry in objects.items() if digest not in kept]
        dead += [entry for entry in store.bucket.leftovers() if entry.modified < young_after]
        waste, wasteful = _packs(store, chunks, young_after)
        removed = sorted((entry.name, entry.size) for entry in [*dead, *waste])
        if not dry_run:
            fresh = _repack(store, wasteful, chunks)
            for name, _ in removed:
                store.bucket.delete(name)
            for name in {pack_name(digest) for digest in wasteful} - fresh:
                store.bucket.delete(name)
            store.index.refresh()
        names = tuple(sorted(pack_name(digest) for digest in wasteful))
        return Sweep(removed=tuple(removed), repacked=names, kept=len(kept), dry_run=dry_run)


def _reach(store: Store, roots: set[str]) -> tuple[set[str], set[str]]:
    """The objects that the roots need, and the chunks that those need. A damaged one keeps itself: a person decides."""
    kept: set[str] = set()
    chunks: set[str] = set()
    waiting = list(roots)
    while waiting:
        digest = waiting.pop()
        if digest in kept:
            continue
        kept.add(digest)
        try:
            chunks.update(store.pieces(digest))
            waiting += store.references(digest)
        except (StoreError, NotFound, FileNotFoundError, ValueError):
            continue
    return kept, chunks


def _packs(store: Store, chunks: set[str], young_after: datetime) -> tuple[list[Entry], list[str]]:
    """The old packs without a living chunk, and the digests of those that are mostly dead."""
    store.index.refresh()
    known = store.index.packs()
    waste: list[Entry] = []
    wasteful: list[str] = []
    for entry in store.bucket.names("packs"):
        digest = entry.name.rpartition("/")[2]
        if entry.modified >= young_after or digest not in known:
            continue  # an unreadable pack stays: something in it may yet be saved
        alive = sum(place.stored for place in known[digest] if place.digest in chunks)
        if alive == 0:
            waste.append(entry)
        elif alive < (1 - WASTE) * entry.size:
            wasteful.append(digest)
    return waste, wasteful


def _repack(store: Store, wasteful: list[str], chunks: set[str]) -> set[str]:
    """Write the living chunks of the *wasteful* packs into new ones; the names of the new packs."""
    from mainspring.store.pack import TARGET

    writer = PackWriter()
    fresh: set[str] = set()
    done: set[str] = set()

    def close() -> None:
        pack = writer.close()
        if pack is not None:
            store.bucket.put(pack_name(pack.digest), pack.data)
            store.index.add(pack.digest, pack.places)
            fresh.add(pack_name(pack.digest))

    for digest in wasteful:
        places = [place for place in store.index.packs()[digest] if place.digest in chunks and place.digest not in done]
        found = store.bucket.get_ranges(
            pack_name(digest), [place.offset for place in places], [place.stored for place in places]
        )
        for place, packed in zip(places, found, strict=True):
            writer.add_packed(place, packed)
            done.add(place.digest)
            if len(writer) >= TARGET:
                close()
    close()
    return fresh
