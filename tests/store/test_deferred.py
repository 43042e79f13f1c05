from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from mainspring.core.errors import StoreError
from mainspring.store import open_store
from mainspring.store.bucket import settle
from mainspring.store.deferred import Unsettled, deferring

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="nothing is deferred there")


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The inodes that were synced, in order."""
    seen: list[int] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        seen.append(os.fstat(handle).st_ino)
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    return seen


def test_deferred_writes_are_there_at_once_and_synced_when_settled(tmp_path: Path, synced: list[int]) -> None:
    store = open_store(tmp_path)
    synced.clear()
    with deferring() as unsettled:
        digests = [store.put(f"value {number}".encode()) for number in range(20)]
        assert [store.get(digest) for digest in digests] == [f"value {number}".encode() for number in range(20)]
    assert synced == []
    settle(unsettled)
    files = [tmp_path / "objects" / digest[:2] / digest[2:] for digest in digests]
    assert synced[:20] == [file.stat().st_ino for file in files], "the bytes first, then the names"
    folders = {file.parent.stat().st_ino for file in files} | {(tmp_path / "objects").stat().st_ino}
    assert folders <= set(synced[20:])
    assert len(synced[20:]) == len(set(synced[20:])), "each folder once"
    synced.clear()
    settle(unsettled)
    assert synced == []


def test_outside_the_block_and_in_other_threads_a_write_is_durable_on_return(tmp_path: Path, synced: list[int]) -> None:
    store = open_store(tmp_path)
    with deferring():
        other = threading.Thread(target=store.put, args=(b"other",))
        other.start()
        other.join()
        assert synced
    synced.clear()
    store.put(b"after")
    assert synced


def test_a_disk_that_refuses_is_an_error(tmp_path: Path) -> None:
    def refuse(path: Path) -> None:
        raise OSError(5, "Input/output error")

    pending = Unsettled()
    pending.add(tmp_path / "a", [tmp_path])
    with pytest.raises(StoreError, match=r"The disk failed to keep .*a: Input/output error"):
        pending.settle(refuse)
    settle(pending)  # what was collected meanwhile is no loss


def test_who_finds_a_value_there_does_not_rely_on_a_sync_that_was_put_off(tmp_path: Path, synced: list[int]) -> None:
    store = open_store(tmp_path)
    large = os.urandom(500_000)
    with deferring():
        digest = store.put(b"some facts")
        store.put(large)
    assert synced == []
    store.put(b"some facts")
    assert (tmp_path / "objects" / digest[:2] / digest[2:]).stat().st_ino in synced
    synced.clear()
    store.put(large + b"one more line")  # shares chunks with a pack that nobody has synced
    shared = max((tmp_path / "packs").iterdir(), key=lambda path: path.stat().st_size)
    assert shared.stat().st_ino in synced
