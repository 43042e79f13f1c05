"""Bytes in, digest out; the same bytes out, or an error that names what is damaged."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainspring.core.digest import digest_bytes
from mainspring.core.errors import NotFound, StoreError
from mainspring.store import Store, open_store
from mainspring.store.store import INLINE


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def files(store: Store, kind: str) -> list[Path]:
    return sorted(path for path in (Path(store.url) / kind).rglob("*") if path.is_file())


def size_on_disk(store: Store) -> int:
    return sum(path.stat().st_size for path in Path(store.url).rglob("*") if path.is_file())


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0xFF
    path.write_bytes(data)


SHARED = open_store(tempfile.mkdtemp(prefix="mainspring-test-"))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=500), st.integers(1, 2000), st.binary(max_size=5))
def test_round_trip(head: bytes, times: int, tail: bytes) -> None:
    data = head * times + tail
    digest = SHARED.put(data)
    assert digest == digest_bytes(data)
    assert SHARED.get(digest) == data
    assert SHARED.has(digest)


@pytest.mark.parametrize("size", [0, 1, INLINE - 1, INLINE, INLINE + 1, 3_000_000])
def test_sizes_around_the_limits(store: Store, size: int) -> None:
    data = noise(size)
    assert store.get(store.put(memoryview(bytearray(data)))) == data
    assert list(store.verify()) == []


def test_a_missing_object_is_said_and_a_name_cannot_reach_outside(store: Store) -> None:
    with pytest.raises(NotFound, match=f"has no object {'a' * 64}"):
        store.get("a" * 64)
    for wicked in ("../../etc/passwd", "a" * 63 + "/", "A" * 64, ""):
        with pytest.raises(NotFound, match="Expected a digest of 64 hexadecimal digits"):
            store.get(wicked)


def test_the_same_bytes_are_stored_once(store: Store) -> None:
    data = noise(3_000_000)
    store.put(data)
    before = size_on_disk(store)
    store.put(data)
    open_store(store.url).put(data)
    assert size_on_disk(store) == before


def test_a_change_costs_what_changed(store: Store) -> None:
    data = noise(10_000_000)
    store.put(data)
    before = size_on_disk(store)
    changed = data[:4_000_000] + noise(100_000, 2) + data[4_000_000:]
    digest = open_store(store.url).put(changed)  # another process knows the chunks too
    assert size_on_disk(store) - before < 500_000
    assert store.get(digest) == changed


def test_a_large_object_fills_packs_and_not_a_thousand_files(store: Store) -> None:
    store.put(noise(30_000_000))
    sizes = [path.stat().st_size for path in files(store, "packs")]
    assert len(sizes) == 3
    assert all(8_000_000 < size < 16_000_000 for size in sizes[:2] if size != min(sizes))
    assert len(files(store, "objects")) == 1


def test_a_file_is_stored_as_its_bytes(store: Store, tmp_path: Path) -> None:
    for size in (0, 10, 1_000_000):
        path = tmp_path / f"file{size}"
        path.write_bytes(noise(size))
        assert store.get(store.put_file(path)) == path.read_bytes()


def test_parts_come_back_one_by_one(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(noise(500_000))
    stored = store.put_parts({"b": b"small", "a": tmp_path / "file"}, type="demo", meta={"rows": 3})
    parts = store.get_parts(stored.digest)
    assert parts.stored == stored
    assert (parts.type, list(parts), stored.size, stored.meta) == ("demo", ["a", "b"], 500_005, {"rows": 3})
    assert parts["a"] == (tmp_path / "file").read_bytes()
    assert parts["b"] == b"small"
    assert parts.size("a") == 500_000
    with pytest.raises(KeyError):
        parts["c"]
    with pytest.raises(StoreError, match="holds bare bytes, not a value of named parts"):
        store.get_parts(store.put(b"bare"))


def test_the_digest_of_parts_covers_type_names_bytes_and_facts(store: Store) -> None:
    digests = [
        store.put_parts({"a": b"1", "b": b"2"}, type="t").digest,
        store.put_parts({"b": b"2", "a": b"1"}, type="t").digest,
        store.put_parts({"a": b"1", "b": b"2"}, type="u").digest,
        store.put_parts({"a": b"1", "c": b"2"}, type="t").digest,
        store.put_parts({"a": b"1", "b": b"3"}, type="t").digest,
        store.put_parts({"a": b"1", "b": b"2"}, type="t", meta={"x": 1}).digest,
    ]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 5


def test_a_small_value_is_one_file(store: Store) -> None:
    store.put_parts({"a": b"x" * 1000, "b": b"y" * 1000}, type="t")
    assert len(files(store, "objects")) == 1


@pytest.mark.parametrize("at", [0, 5, -1])
def test_a_damaged_small_object_is_named_and_mended_by_whoever_makes_it_again(store: Store, at: int) -> None:
    data = b"some facts " * 100
    digest = store.put(data)
    (path,) = files(store, "objects")
    flip(path, at)
    name = f"objects/{digest[:2]}/{digest[2:]}"
    with pytest.raises(StoreError, match=re.escape(f"The object {name} is damaged")):
        store.get(digest)
    assert [damage.name for damage in store.verify()] == [name]
    damage = store.check(digest)
    assert damage is not None
    assert damage.name == name
    store.put(data)
    assert store.get(digest) == data
    assert list(store.verify()) == []


def test_a_damaged_chunk_is_named_and_mended_for_every_object_that_has_it(store: Store) -> None:
    data = noise(1_000_000)
    longer = data + noise(200_000, 3)
    first, second = store.put(data), store.put(longer)
    pack = max(files(store, "packs"), key=lambda path: path.stat().st_size)
    flip(pack, 100_000)
    for digest in (first, second):
        with pytest.raises(StoreError, match=rf"Chunk [0-9a-f]{{64}} of the pack packs/{pack.name} is damaged"):
            store.get(digest)
    damages = {damage.name for damage in store.verify()}
    assert damages == {f"packs/{pack.name}", *(f"objects/{digest[:2]}/{digest[2:]}" for digest in (first, second))}
    store.put(data)
    assert store.get(first) == data
    assert store.get(second) == longer, "the chunk is found where it was written again"
    assert open_store(store.url).get(second) == longer


def test_nothing_new_is_built_on_damage(store: Store) -> None:
    """The next version shares chunks with the last; those that cannot be read back are written again."""
    data = noise(1_000_000)
    store.put(data)
    (pack,) = files(store, "packs")
    flip(pack, 100_000)
    digest = open_store(store.url).put(data + b"one more line")
    assert store.get(digest) == data + b"one more line"
    sizes = sorted(path.stat().st_size for path in files(store, "packs"))
    assert len(sizes) == 2
    assert sizes[0] < 400_000, "only the damaged chunk and the changed end were written"


@pytest.mark.parametrize("keep", [0, 10, 100_000])
def test_a_pack_cut_short_or_gone_is_named(store: Store, keep: int) -> None:
    digest = store.put(noise(1_000_000))
    (pack,) = files(store, "packs")
    if keep:
        pack.write_bytes(pack.read_bytes()[:keep])
    else:
        pack.unlink()
    with pytest.raises(StoreError, match=f"pack packs/{pack.name} is damaged"):
        store.get(digest)
    assert store.check(digest) is not None
    store.put(noise(1_000_000))
    assert store.check(digest) is None


def test_a_gap_in_a_value_is_named(store: Store) -> None:
    stored = store.put_parts({"large": noise(500_000)}, type="t")
    (needed,) = store.references(stored.digest)
    store.delete(needed)
    damage = store.check(stored.digest)
    assert damage is not None
    assert damage.name == f"objects/{needed[:2]}/{needed[2:]}"
    assert "has no object" in damage.reason


def test_threads_put_at_once(store: Store) -> None:
    values = [noise(400_000, seed % 4) + bytes([seed]) for seed in range(12)]
    digests: dict[int, str] = {}

    def work(number: int) -> None:
        digests[number] = store.put(values[number])

    threads = [Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [store.get(digests[number]) for number in range(12)] == values


WRITER = """
import random, sys
from pathlib import Path
from mainspring.store import open_store
store = open_store(Path(sys.argv[1]))
for number in range(1000):
    data = random.Random(number).randbytes(2_000_000 if number % 2 else 1000)
    print(store.put(data), flush=True)
"""


def test_kill_9_loses_nothing_acknowledged_and_shows_nothing_half_written(tmp_path: Path) -> None:
    path = tmp_path / "store"
    for lines in (1, 4, 7):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        acknowledged = [writer.stdout.readline().strip() for _ in range(lines)]
        os.kill(writer.pid, signal.SIGKILL)
        with writer:  # the pipe's own reader, which may hold lines already: `communicate` reads past it
            acknowledged += [line for line in writer.stdout.read().splitlines() if len(line) == 64]
        store = open_store(path)
        assert list(store.verify()) == []
        for number, digest in enumerate(acknowledged):
            assert store.get(digest) == noise(2_000_000 if number % 2 else 1000, number)


def test_two_processes_put_the_same_at_once(tmp_path: Path) -> None:
    code = WRITER.replace("range(1000)", "range(8)")
    path = str(tmp_path / "store")
    writers = [
        subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    outputs = [writer.communicate(timeout=60)[0] for writer in writers]
    assert outputs[0] == outputs[1]
    store = open_store(path)
    assert list(store.verify()) == []
    assert set(store.digests()) == set(outputs[0].split())


READ_ONLY = """
import fcntl, os, sys
from pathlib import Path
from mainspring.core.errors import StoreError
from mainspring.store import open_store
if os.getuid() == 0:
    os.setuid(65534)  # root may write everywhere
store = open_store(Path(sys.argv[1]))
print(store.get(sys.argv[2]))
try:
    store.put(b"new")
except StoreError as error:
    print(error)
"""


def test_a_read_only_folder_can_be_read_and_says_why_not_written() -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are closed to other users
        root = Path(folder)
        root.chmod(0o755)
        store = open_store(root / "store")
        digest = store.put(b"old")
        everything = [root / "store", *(root / "store").rglob("*")]
        for path in everything:
            path.chmod(0o555 if path.is_dir() else 0o444)
        try:
            done = subprocess.run(
                [sys.executable, "-c", READ_ONLY, str(root / "store"), digest],
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            for path in everything:
                path.chmod(0o755 if path.is_dir() else 0o644)
    assert "b'old'" in done.stdout, done.stderr
    assert "Permission denied" in done.stdout, done.stderr
    assert "Choose a folder that can be written" in done.stdout


def test_a_store_without_a_disk_does_the_same() -> None:
    """The way that every object store goes: through the client alone, without locks, renames or files."""
    store = open_store("memory://")
    large = noise(3_000_000)
    kept = store.put_parts({"large": large, "small": b"x"}, type="t")
    lost = store.put_parts({"large": large[:2_000_000] + b"other"}, type="t")
    assert store.get_parts(kept.digest)["large"] == large
    assert store.check(kept.digest) is None
    assert list(store.verify()) == []
    assert sum(entry.size for entry in store.bucket.names("packs")) < 3_500_000, "chunks are shared"
    assert store.gc({kept.digest}).removed == (), "all is young"
    assert store.gc({kept.digest}, grace=-60).bytes > 0
    assert not store.has(lost.digest)
    assert store.get_parts(kept.digest)["large"] == large
    assert store.files(kept.digest) == ()
    with pytest.raises(NotFound, match="has no object"):
        store.get("a" * 64)


def test_a_parquet_file_can_lie_there_as_it_is(store: Store) -> None:
    data = b"PAR1" + noise(3_000_000) + b"PAR1"
    digest = store.put(data, whole=True)
    path = store.lies_at(digest)
    assert path is not None
    assert path.read_bytes() == store.get(digest) == data
    assert store.pieces(digest) == ()
    assert store.files(digest) == (path,)
    assert list(store.verify()) == []
    assert store.put(data) == digest, "it is there already"
    assert store.lies_at(store.put(data[:-1])) is None, "it was not asked for"
    assert store.lies_at(store.put(noise(100), whole=True)) is None, "it is no Parquet file"
    flip(path, 1_000)
    with pytest.raises(StoreError, match=f"objects/{digest[:2]}/{digest[2:]} is damaged: its digest differs"):
        store.lies_at(digest)
    with pytest.raises(StoreError, match="damaged"):
        store.get(digest)
    assert store.put(data, whole=True) == digest, "whoever makes it again mends it"
    assert store.lies_at(digest) == path
    store.delete(digest)
    with pytest.raises(NotFound, match="has no object"):
        store.lies_at(digest)
