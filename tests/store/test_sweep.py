"""Collecting what nothing refers to, without ever taking what someone needs."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mainspring.core.errors import Refused
from mainspring.store.lease import collecting, writing

if TYPE_CHECKING:
    from mainspring.store import Store


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def make_old(store: Store) -> None:
    for path in Path(store.url).rglob("*"):
        os.utime(path, (1, 1))


def test_what_is_dead_goes_and_what_is_alive_stays_with_its_parts(store: Store) -> None:
    alive = store.put_parts({"large": noise(500_000), "small": b"x"}, type="t")
    dead = store.put_parts({"large": noise(500_000, 2)}, type="t")
    make_old(store)
    sweep = store.gc({alive.digest})
    assert not sweep.dry_run
    assert sweep.bytes > 500_000
    assert store.get_parts(alive.digest)["large"] == noise(500_000)
    assert not store.has(dead.digest)
    assert list(store.verify()) == []
    assert store.gc({alive.digest}).removed == ()


def test_a_dry_run_names_the_same_and_touches_nothing(store: Store) -> None:
    store.put_parts({"large": noise(500_000)}, type="t")
    make_old(store)
    before = sorted(store.digests())
    said = store.gc(set(), dry_run=True)
    assert said.dry_run
    assert sorted(store.digests()) == before
    assert list(store.verify()) == []
    done = store.gc(set())
    assert done.removed == said.removed
    assert {name.split("/")[0] for name, _ in done.removed} == {"objects", "packs"}
    assert list(store.digests()) == []


def test_what_is_young_stays(store: Store) -> None:
    """Its writer may be about to tell the ledger."""
    stored = store.put_parts({"large": noise(500_000)}, type="t")
    assert store.gc(set()).removed == ()
    assert store.check(stored.digest) is None


def test_putting_again_makes_young(store: Store) -> None:
    """A value that was dead is used again between the ledger's answer and the collection."""
    stored = store.put_parts({"large": noise(500_000)}, type="t")
    make_old(store)
    store.put_parts({"large": noise(500_000)}, type="t")
    store.gc(set())
    assert store.check(stored.digest) is None


def test_new_objects_keep_the_old_chunks_they_share(store: Store) -> None:
    old = store.put(noise(2_000_000))
    make_old(store)
    young = store.put(noise(2_000_000) + b"one more line")
    store.gc(set())
    assert not store.has(old)
    assert store.get(young) == noise(2_000_000) + b"one more line"


def test_a_mostly_dead_pack_is_written_anew(store: Store) -> None:
    """Nine tenths of a pack are dead: its living tenth moves, and is still found by objects that named the old pack."""
    large = noise(5_000_000)
    store.put(large)
    alive = store.put(large[:500_000])
    make_old(store)
    before = sum(path.stat().st_size for path in Path(store.url).rglob("packs/*"))
    sweep = store.gc({alive})
    assert len(sweep.repacked) == 1
    assert sum(path.stat().st_size for path in Path(store.url).rglob("packs/*")) < 0.2 * before
    assert store.get(alive) == large[:500_000]
    assert list(store.verify()) == []


def test_leftovers_of_killed_writers_go(store: Store) -> None:
    leftover = Path(store.url) / "incoming" / "123-abc"
    leftover.parent.mkdir(exist_ok=True)
    leftover.write_bytes(b"half")
    assert store.gc(set()).removed == ()
    make_old(store)
    assert store.gc(set()).removed == (("incoming/123-abc", 4),)


def test_a_damaged_object_that_is_alive_is_left_to_people(store: Store) -> None:
    alive = store.put(b"x" * 1000)
    path = next(Path(store.url).rglob(alive[2:]))
    path.write_bytes(b"damaged")
    make_old(store)
    assert store.gc({alive}).removed == ()


HOLDER = """
import sys
from pathlib import Path
from mainspring.store.lease import writing
with writing(Path(sys.argv[1])):
    print("writing", flush=True)
    sys.stdin.read()
"""


def test_a_collection_waits_for_writers_and_gives_up_kindly(store: Store) -> None:
    assert store.lock is not None
    store.put(b"x")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(store.lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "writing\n"
    with writing(store.lock):
        pass  # writers do not wait for each other
    with (
        pytest.raises(Refused, match=r"Something has been writing to the store for 0\.2 seconds"),
        collecting(store.lock, patience=0.2),
    ):
        pass
    holder.kill()  # a dead writer holds nothing
    holder.communicate(timeout=10)
    with collecting(store.lock, patience=5):
        pass
