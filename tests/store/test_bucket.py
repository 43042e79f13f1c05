"""Named bytes in a folder: durable, whole or not there, and every failure names the object."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from mainspring.core.errors import InputError, StoreError
from mainspring.store.bucket import Bucket, LocalBucket, open_bucket

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    return open_bucket(tmp_path / "store")


def test_bytes_come_back(bucket: Bucket) -> None:
    bucket.put("a/b/c", b"hello")
    bucket.put("a/b/c", b"hello again")
    assert bucket.get("a/b/c") == b"hello again"
    assert bucket.get_range("a/b/c", 6, 5) == b"again"
    assert bucket.get_ranges("a/b/c", [0, 6], [5, 5]) == [b"hello", b"again"]
    assert bucket.head("a/b/c").size == 11
    assert [entry.name for entry in bucket.names("a")] == ["a/b/c"]
    assert [entry.name for entry in bucket.names("incoming")] == []
    bucket.delete("a/b/c")
    bucket.delete("a/b/c")
    assert not bucket.has("a/b/c")


def test_a_missing_name_is_said(bucket: Bucket) -> None:
    for call in (bucket.get, bucket.head, bucket.touch):
        with pytest.raises(FileNotFoundError, match=r"a/b is not in the store .*store"):
            call("a/b")


def test_touching_makes_it_young(bucket: Bucket) -> None:
    assert isinstance(bucket, LocalBucket)
    bucket.put("a", b"x")
    os.utime(bucket.root / "a", (1, 1))
    bucket.touch("a")
    assert time.time() - bucket.head("a").modified.timestamp() < 60
    assert bucket.get("a") == b"x"


@pytest.mark.parametrize("write", ["path", "file://"])
def test_a_folder_is_named_by_path_or_url(tmp_path: Path, write: str) -> None:
    folder = tmp_path / "with a space"
    url = str(folder) if write == "path" else folder.as_uri()
    open_bucket(url).put("a", b"x")
    assert (folder / "a").read_bytes() == b"x"


def test_the_scheme_chooses_the_client() -> None:
    from obstore.store import S3Store

    bucket = open_bucket("s3://some-bucket/some/prefix")
    assert isinstance(bucket.client, S3Store)
    assert not isinstance(bucket, LocalBucket)
    with pytest.raises(InputError, match="got the scheme 'ftp' in 'ftp://somewhere'"):
        open_bucket("ftp://somewhere")


def test_a_store_is_not_made_where_only_looking(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="There is no store at"):
        open_bucket(tmp_path / "nothing", create=False)


FULL = """
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
from mainspring.core.errors import StoreError
from mainspring.store.bucket import open_bucket
bucket = open_bucket(Path(sys.argv[1]))
bucket.put("small", b"x" * 1000)
try:
    bucket.put("folder/large", b"x" * 200_000)
except StoreError as error:
    print(error)
"""


def test_a_write_that_does_not_fit_leaves_nothing(tmp_path: Path) -> None:
    """A limit on the size of files stands for the full disk."""
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=True)
    assert "Cannot write folder/large in the store" in done.stdout
    assert "File too large" in done.stdout
    assert "Free some space" in done.stdout
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["small"]


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    """The same on a file system of one megabyte, where this user may mount one."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("this user may not mount a small file system")
    try:
        bucket = open_bucket(tmp_path)
        bucket.put("small", b"x" * 1000)
        with pytest.raises(StoreError, match=r"Cannot write large .*No space left on device.*Free some space"):
            bucket.put("large", b"x" * 2_000_000)
        assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["small"]
        bucket.put("another", b"y" * 1000)
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


FORKED = """
import os, sys
from pathlib import Path
from mainspring.core.errors import StoreError
from mainspring.store.bucket import open_bucket
bucket = open_bucket(Path(sys.argv[1]))
bucket.put("a", b"x")
if os.fork() == 0:
    try:
        bucket.get_range("a", 0, 1)
    except StoreError as error:
        print(error, flush=True)
    os._exit(0)
os.wait()
"""


def test_a_forked_child_is_told_instead_of_hanging(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKED, str(tmp_path)], capture_output=True, text=True, timeout=30, check=True
    )
    assert "was opened before this process was forked" in done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="looks at system calls")
def test_every_put_is_synced_before_and_after_the_rename(tmp_path: Path) -> None:
    """The order of the calls is the promise: bytes on disk, then the name, then the folder's entry."""
    import shutil

    if shutil.which("strace") is None:
        pytest.skip("strace is not here")
    code = "import sys; from mainspring.store.bucket import open_bucket; open_bucket(sys.argv[1]).put('d/n', b'x')"
    trace = tmp_path / "trace"
    tracer = ["strace", "-f", "-y", "-o", str(trace), "-e", "trace=fsync,rename,renameat,renameat2"]
    done = subprocess.run(
        [*tracer, sys.executable, "-c", code, str(tmp_path / "s")], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"strace may not be used here: {done.stderr[:100]}")
    calls = [line.split(maxsplit=1)[1] for line in trace.read_text().splitlines() if str(tmp_path) in line]
    kinds = [("rename" if call.startswith("rename") else "sync", call) for call in calls]
    final = next(at for at, (kind, call) in enumerate(kinds) if kind == "rename" and '/s/d/n"' in call)
    assert any(kind == "sync" and "/incoming/" in call for kind, call in kinds[:final])
    synced = {call.partition("<")[2].partition(">")[0] for kind, call in kinds[final:] if kind == "sync"}
    assert synced == {str(tmp_path / "s" / "d"), str(tmp_path / "s")}
