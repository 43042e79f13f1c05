"""The writer takes records at once, puts them on the disk, and outlives a disk that refuses them."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from mainspring.cli._exit import guarded
from mainspring.cli.app import app
from mainspring.serve.endpoint import Endpoint
from mainspring.serve.lane import LOST
from mainspring.serve.log import open_spool, spool
from mainspring.serve.log import writer as module
from mainspring.serve.log.record import Record, apart, decode, encode, encode_many
from mainspring.serve.log.schema import Feature, Schema
from mainspring.serve.log.writer import DROPPED, LogWriter
from mainspring.serve.served import Served
from mainspring.serve.settings import Limits
from mainspring.serve.traffic import Deployment
from tests.serve import shop
from tests.serve.log.workbench import frame_of

if sys.platform == "linux":
    import fcntl
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


SCHEMA = Schema(version=1, features=(Feature("a", "number"),), classes=("n", "y"))


def record(number: int, size: int = 0) -> bytes:
    features = [float(number), "x" * size]
    return encode(f"id-{number}", 1_000 + number, 1, "champion", None, features, "y", [0.5, 0.5], 1, 200, None, "r")


def many(number: int, rows: int) -> bytes:
    """A request of so many rows."""
    said = ["y"] * rows
    return encode_many(f"id-{number}", 1_000, 1, "champion", rows, None, b"[]", said, None, 1, 200, None, "r")


def records_of(path: Path) -> list[Record]:
    return [each for item, _ in spool.read(path) if not isinstance(item, Schema) for each in item]


def kept(folder: Path) -> list[str]:
    """The ids in the finished spools of a folder, in the order of writing."""
    found: list[str] = []
    for path in spool.spools(folder):
        versions: set[int] = set()
        for item, _ in spool.read(path):
            if isinstance(item, Schema):
                versions.add(item.version)
            else:
                assert {each.version for each in item} <= versions, "its schema comes before a record"
                found += [one.id for each in item for one in apart(each) if isinstance(one.id, str)]
    return found


def until(true: Callable[[], bool], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)


def open_writer(root: Path, **settings: float | bool) -> LogWriter:
    writer = LogWriter(root, model="shop", source="test", **{"interval": 0.01} | settings)  # type: ignore[arg-type]
    writer.declare(SCHEMA)
    return writer


def test_every_record_is_kept_once_in_order_with_its_schema(tmp_path: Path) -> None:
    with open_writer(tmp_path, roll=0.05) as writer:
        for number in range(300):
            assert writer.append(record(number)) == number + 1
            if number % 100 == 99:
                time.sleep(0.08)
    status = writer.status()
    assert (status.accepted, status.written, status.synced, status.dropped, status.failed) == (300, 300, 300, 0, 0)
    assert len(spool.spools(writer.folder)) >= 3
    assert kept(writer.folder) == [f"id-{number}" for number in range(300)]


def test_no_spool_is_larger_than_compaction_can_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST_SPOOL", 2_000)
    monkeypatch.setattr(module, "SIZE", 500)
    with open_writer(tmp_path, roll=60) as writer:
        for number in range(200):
            writer.append(record(number))
    sizes = [path.stat().st_size for path in spool.spools(writer.folder)]
    assert len(sizes) >= 4
    assert max(sizes) < 2_700
    assert kept(writer.folder) == [f"id-{number}" for number in range(200)]


def test_spools_are_for_their_owner_alone(tmp_path: Path) -> None:
    with open_writer(tmp_path) as writer:
        writer.append(record(1))
    assert writer.folder.stat().st_mode & 0o777 == 0o700
    assert [path.stat().st_mode & 0o777 for path in spool.spools(writer.folder)] == [0o600]


def test_what_waits_longer_than_the_queue_is_dropped_and_counted(tmp_path: Path) -> None:
    (tmp_path / "shop").write_text("a file where the folder should be")
    writer = open_writer(tmp_path, queue=2_000)
    tickets = [writer.append(record(number, 1_000)) for number in range(3)]
    assert tickets == [1, DROPPED, DROPPED]
    until(lambda: writer.status().failed > 0)
    assert writer.dropped == 2
    assert "shop" in (writer.status().error or "")
    (tmp_path / "shop").unlink()
    assert writer.flush()
    assert writer.status().error is None
    assert writer.close()
    assert kept(writer.folder) == ["id-0"]


def test_several_at_once_are_taken_in_order_and_all_or_none(tmp_path: Path) -> None:
    with open_writer(tmp_path) as writer:
        assert writer.append(b"".join(record(number) for number in range(5)), 5) == 5
        assert writer.append(record(5)) == 6
        assert writer.flush()
        assert writer.status().synced == 6
    assert kept(writer.folder) == [f"id-{number}" for number in range(6)]
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "shop").write_text("a file where the folder should be")
    full = open_writer(tmp_path / "full", queue=2_000)
    assert full.append(record(0, 1_000)) == 1
    assert full.append(b"".join(record(number, 1_000) for number in range(3)), 3) == DROPPED
    assert full.dropped == 3
    assert full.status().accepted == 1
    full.close()


def turn(number: int, count: int, size: int = 0) -> tuple[object, ...]:
    """So many requests that were answered together, from ``id-<number>`` on."""
    ids = [f"id-{number + place}" for place in range(count)]
    bodies = [b"%d" % (number + place) + b" " * size for place in range(count)]
    return (ids, 1_000, 1, "champion", None, bodies, ["y"] * count, None, [1.0] * count, 200, None, "")


def test_turns_are_kept_in_order_whatever_their_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SIZE", 20_000)
    given, number = [1, 1, 63, 64, 65, 3, 200, 1], 0
    with open_writer(tmp_path, roll=60) as writer:
        for count in given * 5:
            number += count
            assert writer.append_turn(turn(number - count, count), count) == number
            if count == 3:
                number += 1
                assert writer.append(record(number - 1)) == number, "not before the turns that wait to be encoded"
        assert writer.flush()
        assert (writer.status().accepted, writer.status().synced, writer.status().pending_bytes) == (number, number, 0)
        assert writer.append(record(number)) == number + 1
    assert kept(writer.folder) == [f"id-{each}" for each in range(number + 1)]


def test_of_turns_too_is_dropped_what_the_queue_cannot_hold(tmp_path: Path) -> None:
    (tmp_path / "shop").write_text("a file where the folder should be")
    writer = open_writer(tmp_path, queue=2_000)
    assert writer.append_turn(turn(0, 64, 100), 64) == 64
    assert writer.append_turn(turn(64, 5), 5) == DROPPED
    assert (writer.dropped, writer.status().accepted) == (5, 64)
    (tmp_path / "shop").unlink()
    assert writer.flush()
    assert writer.append_turn(turn(64, 5), 5) == 69
    assert writer.close()
    assert len(kept(writer.folder)) == 69


@pytest.mark.parametrize("system", ["as it is", "cannot", "full"])
def test_large_blocks_go_past_the_cache_and_lie_between_small_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    """Where the file system refuses that, or takes a part only, they lie there all the same, and nothing is torn."""
    monkeypatch.setattr(open_spool, "DIRECT", 10_000)
    real, direct, refusals = os.write, list[int](), iter([system == "full"] * 2)

    def write(file: int, data: bytes) -> int:
        is_direct = bool(open_spool._DIRECT and fcntl.fcntl(file, fcntl.F_GETFL) & open_spool._DIRECT)
        if is_direct and system == "cannot":
            raise OSError(errno.EINVAL, "Invalid argument")
        if len(data) > 10_000 and next(refusals, False):
            real(file, data[: spool.PAGE])
            raise OSError(errno.ENOSPC, "No space left on device")
        if is_direct:
            direct.append(len(data))
        return real(file, data)

    monkeypatch.setattr(os, "write", write)
    number = 0
    with open_writer(tmp_path, roll=60) as writer:
        for large in [False, True, True, False, False, True, True]:
            count = 64 if large else 3
            writer.append_turn(turn(number, count, 300 if large else 0), count)
            number += count
            writer.flush(0.2)
        assert writer.flush()
        assert (writer.failed > 0) == (system == "full")
    (path,) = spool.spools(writer.folder)
    assert spool.is_whole(path)
    assert kept(writer.folder) == [f"id-{each}" for each in range(number)]
    if open_spool._DIRECT:
        assert all(size % spool.PAGE == 0 for size in direct)
        assert bool(direct) == (system != "cannot")


def test_a_full_disk_is_counted_shown_and_recovered_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = open_writer(tmp_path)
    writer.append(record(0))
    assert writer.flush()
    real, room = os.write, 100

    def write(file: int, data: bytes) -> int:  # the system's own behaviour: part of it fits, then nothing does
        nonlocal room
        if room == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        part = min(room, len(data))
        room -= part
        return real(file, data[:part])

    monkeypatch.setattr(os, "write", write)
    began = time.perf_counter()
    for number in range(1, 500):
        assert writer.append(record(number)) > 0
    assert time.perf_counter() - began < 0.5
    until(lambda: writer.failed > 0)
    status = writer.status()
    assert "No space left" in str(status.error)
    assert status.pending > 400
    assert status.written < 100
    assert not writer.flush(0.1)
    monkeypatch.setattr(os, "write", real)
    assert writer.flush()
    assert writer.status().error is None
    writer.close()
    assert kept(writer.folder) == [f"id-{number}" for number in range(500)]


def no_room(file: int, data: bytes) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_what_a_full_disk_costs_is_counted_in_rows_however_many_a_request_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = open_writer(tmp_path, queue=30_000)
    endpoint = Endpoint(Limits(), log=writer)
    endpoint.deploy(Deployment(1, Served(shop.bundle(), name="shop", version=1)))

    def ask(rows: int) -> int:
        """The log's ticket of a request of so many rows, 0 for a bare one."""
        asked = endpoint.ask(json.dumps([shop.GOOD] * rows if rows else shop.GOOD).encode())
        return endpoint.record(asked, endpoint.score(asked), 0.001)

    assert (ask(0), ask(50)) == (1, 51)
    assert writer.flush()
    assert (writer.status().written, writer.status().pending) == (51, 0)
    with monkeypatch.context() as system:
        system.setattr(os, "write", no_room)
        tickets = [ask(50) for _ in range(20)]
        until(lambda: writer.status().error is not None)
        full = writer.status()
    taken = sum(ticket != DROPPED for ticket in tickets)
    assert 0 < taken < 20
    assert (full.written, full.pending, full.dropped) == (51, 50 * taken, 50 * (20 - taken))
    assert writer.flush()
    assert ask(0) == 51 + 50 * taken + 1
    assert writer.close()
    after = writer.status()
    assert (after.accepted, after.written, after.synced, after.pending) == (52 + 50 * taken,) * 3 + (0,)
    assert after.dropped == full.dropped
    rows = [max(each.rows, 1) for path in spool.spools(writer.folder) for each in records_of(path)]
    assert sum(rows) == after.written


def test_what_waits_in_vain_until_the_end_is_lost_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = open_writer(tmp_path)
    monkeypatch.setattr(os, "write", no_room)
    writer.append(record(0))
    writer.append(many(1, 500), rows=500)
    writer.append_turn(turn(501, 3), 3)
    until(lambda: writer.failed > 0)
    assert (writer.status().pending, writer.dropped) == (504, 0)
    assert not writer.close()
    status = writer.status()
    assert (status.pending, status.dropped, writer.dropped) == (0, 504, 504)
    assert "No space left" in str(status.error)


def test_a_folder_that_vanishes_is_made_again(tmp_path: Path) -> None:
    writer = open_writer(tmp_path)
    writer.append(record(0))
    assert writer.flush()
    shutil.rmtree(tmp_path / "shop")
    writer.append(record(1))
    assert writer.flush()
    assert writer.close()
    assert kept(writer.folder) == ["id-1"]


def test_durable_answers_only_for_what_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    real = os.fsync

    def fsync(file: int) -> None:
        real(file)
        synced.append(file)

    monkeypatch.setattr(os, "fsync", fsync)

    async def ask(writer: LogWriter, number: int) -> bool:
        before = len(synced)
        safe = await writer.durable(writer.append(record(number)))
        assert len(synced) > before
        return safe

    async def run() -> None:
        writer = open_writer(tmp_path, durable=True)
        assert all(await asyncio.gather(*(ask(writer, number) for number in range(64))))
        assert len(synced) < 20, "one sync is shared by many"

        def broken(file: int) -> None:
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(os, "fsync", broken)
        assert not await writer.durable(writer.append(record(64)))
        assert "Input/output" in str(writer.status().error)
        monkeypatch.setattr(os, "fsync", fsync)
        until(lambda: writer.status().error is None)
        assert await writer.durable(writer.append(record(65)))
        assert not await writer.durable(DROPPED)
        writer.close()
        assert not await writer.durable(writer.append(record(66))), "it is closed"
        assert {f"id-{number}" for number in range(64)} | {"id-65"} <= set(kept(writer.folder))

    asyncio.run(run())


def test_the_help_of_durable_names_the_header_of_an_answer_that_is_not_on_the_disk(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert guarded(app, ["serve", "--help"]) == 0
    assert LOST.decode().strip() in " ".join(re.sub(r"[│|]", " ", capsys.readouterr().out).split())


def test_who_asks_while_a_write_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only who asks after it: nobody waits for a disk that does not come back."""
    begun, go = threading.Event(), threading.Event()

    def full(file: int, data: bytes) -> int:
        begun.set()
        assert go.wait(10)
        raise OSError(errno.ENOSPC, "No space left on device")

    async def run() -> None:
        writer = open_writer(tmp_path, durable=True)
        with monkeypatch.context() as system:
            system.setattr(os, "write", full)
            first = asyncio.ensure_future(writer.durable(writer.append(record(0))))
            await asyncio.to_thread(begun.wait, 10)
            second = asyncio.ensure_future(writer.durable(writer.append_turn(turn(1, 3), 3)))
            await asyncio.sleep(0)
            go.set()
            assert not any(await asyncio.wait_for(asyncio.gather(first, second), 10))
        until(lambda: writer.status().error is None and writer.status().synced == 4)
        assert writer.close()
        assert kept(writer.folder) == [f"id-{number}" for number in range(4)]

    asyncio.run(run())


def test_nobody_is_told_that_it_is_kept_when_its_file_was_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SIZE", 400)
    real = os.write

    def write(file: int, data: bytes) -> int:
        done = real(file, data)
        if b"id-0" in bytes(data):
            shutil.rmtree(tmp_path / "shop")
        return done

    writer = open_writer(tmp_path, interval=60)
    monkeypatch.setattr(os, "write", write)
    first, second = writer.append(record(0, 300)), writer.append(record(1, 300))
    writer.flush()
    assert (writer._is_safe(first), writer._is_safe(second)) == (False, True)
    assert not writer.close(), "one is gone"
    assert kept(writer.folder) == ["id-1"]


def test_where_there_is_no_memory_it_is_dropped_counted_and_gone_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SIZE", 2_000)
    writer = open_writer(tmp_path, interval=60)
    assert writer.append(record(0, 500)) == 1

    def none(size: int) -> None:
        raise MemoryError

    with monkeypatch.context() as system:
        system.setattr(module, "Block", none)
        assert writer.append(record(1, 1_800)) == DROPPED
        assert writer.append_turn(turn(1, 64, 100), 64) == 65, "it waits"
        assert [writer.append_turn(turn(65, 1), 1) for _ in range(2_000)].count(DROPPED) > 900
    taken = writer.status().accepted
    assert writer.dropped == 2_001 - (taken - 65)
    assert writer.flush()
    assert writer.append(record(9_999)) == taken + 1
    assert writer.close()
    assert writer.status().pending_bytes == 0
    assert len(kept(writer.folder)) == taken + 1


def test_spools_of_real_blocks_are_not_larger_than_said(tmp_path: Path) -> None:
    with open_writer(tmp_path, roll=60) as writer:
        for number in range(50):
            writer.append_turn(turn(number * 64, 64, 6_000), 64)
    sizes = [path.stat().st_size for path in spool.spools(writer.folder)]
    assert max(sizes) <= module.LARGEST_SPOOL
    assert len(kept(writer.folder)) == 50 * 64


def test_a_reader_can_ask_for_what_there_is(tmp_path: Path) -> None:
    with open_writer(tmp_path, roll=60) as writer:
        writer.append(record(0))
        assert writer.flush()
        assert kept(writer.folder) == []
        (writer.folder / spool.ROLL).touch()
        until(lambda: kept(writer.folder) == ["id-0"])


def test_a_torn_tail_is_cut_wherever_it_is_torn(tmp_path: Path) -> None:
    path = tmp_path / "00000001.spool"
    first, second = frame_of(record(0), record(1)), frame_of(record(2))
    start = spool.MAGIC + spool.schema_frame(SCHEMA) + first
    for length in range(len(second)):
        path.write_bytes(start + second[:length])
        found = [each.id for item, _ in spool.read(path) if isinstance(item, list) for each in item]
        assert found == ["id-0", "id-1"]
    path.write_bytes(start + bytes(9_000))
    assert not spool.is_whole(path), "zeros, where the system had room and no time"
    damaged = bytearray(start + second)
    damaged[-3] ^= 1
    path.write_bytes(damaged)
    assert [position for _, position in spool.read(path)][-1] == len(start)
    assert decode(record(3)).id == "id-3"


FULL = """
import resource, sys, time
from pathlib import Path
from mainspring.serve.log.writer import LogWriter
from tests.serve.log.test_writer import SCHEMA, record

hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
writer = LogWriter(Path(sys.argv[1]), model="shop", source="test", interval=0.01, roll=60, queue=30_000)
writer.declare(SCHEMA)
resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, hard))  # the system itself refuses what goes beyond
longest = 0.0
for number in range(1_000):
    began = time.perf_counter()
    writer.append(record(number))
    longest = max(longest, time.perf_counter() - began)
    time.sleep(0.0005)
full = writer.status()
assert full.failed > 0, full
assert "File too large" in full.error, full
assert full.written > 10, full
assert writer.dropped == full.dropped
assert 0 < full.dropped == 1_000 - full.accepted, full
assert longest < 0.1, longest
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
assert writer.flush(), writer.status()
assert writer.append(record(1_000)) > 0
assert writer.close()
after = writer.status()
assert after.error is None and after.synced == after.accepted == full.accepted + 1, after
print(after.accepted)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no limits on files")
def test_a_disk_that_is_really_full_costs_no_prediction_and_only_what_the_queue_cannot_hold(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "shop").iterdir()
    found = kept(folder)
    assert len(found) == int(done.stdout)
    assert len(set(found)) == len(found)
    assert found == sorted(found, key=lambda each: int(each[3:]))
    assert found[-1] == "id-1000"
