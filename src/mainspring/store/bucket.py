"""Named bytes on a local folder or an object store, through one client.

The client's local store never syncs what it writes (seen with strace, and said by its authors), so `LocalBucket`
writes by itself: temporary name, fsync, rename, fsync of the folder. Object stores make a put durable and visible in
one step by themselves.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from mainspring.core.errors import InputError, StoreError
from mainspring.core.files import sync_file, sync_folder
from mainspring.store.deferred import current as unsettled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from obstore.store import ObjectStore

    from mainspring.store.deferred import Unsettled

UNSETTLED_SECONDS = 60.0
"""Nobody puts off a sync for so long."""
INCOMING = "incoming"
"""The folder of temporary names. Nothing in it is ever read; `gc` empties it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One stored name with its size in bytes and the time it was last written or touched."""

    name: str
    size: int
    modified: datetime


class Bucket:
    """Named bytes in an object store. A name is a relative path with forward slashes.

    Every failure is a StoreError that names the object; a missing name is a FileNotFoundError.
    """

    def __init__(self, client: ObjectStore, url: str) -> None:
        """Wrap the *client*; *url* is shown in errors."""
        self._client: Any = client
        self._process = os.getpid()
        self.url = url

    @property
    def client(self) -> Any:
        """The object-store client, in the process that opened it."""
        if os.getpid() != self._process:
            # the client's threads do not survive a fork: a call would hang for ever
            raise StoreError(
                f"The store {self.url} was opened before this process was forked. "
                "Open the workspace in the new process, or start processes by spawn."
            )
        return self._client

    def put(self, name: str, data: bytes | bytearray | memoryview) -> None:
        """Store *data* under *name*, durable on return; an older value is replaced in one step."""
        with _translated(self.url, name, "write"):
            self.client.put(name, data)

    def get(self, name: str) -> bytes:
        """All bytes of *name*. Raises FileNotFoundError where it is missing."""
        with _translated(self.url, name, "read"):
            return bytes(self.client.get(name).bytes())

    def get_range(self, name: str, start: int, length: int) -> bytes:
        """*length* bytes of *name* from *start*; fewer where it ends before."""
        with _translated(self.url, name, "read"):
            return bytes(self.client.get_range(name, start=start, length=length))

    def get_ranges(self, name: str, starts: list[int], lengths: list[int]) -> list[bytes]:
        """Several ranges of *name* in one call; neighbours are read together. All must lie within it."""
        size = self.head(name).size
        if any(start + length > size for start, length in zip(starts, lengths, strict=True)):
            # the client panics on such a range
            raise StoreError(f"Cannot read {name} in the store {self.url}: it is shorter than it was, {size} bytes.")
        with _translated(self.url, name, "read"):
            found = self.client.get_ranges(name, starts=starts, lengths=lengths)
        return [bytes(part) for part in found]

    def head(self, name: str) -> Entry:
        """Size and time of *name*. Raises FileNotFoundError where it is missing."""
        with _translated(self.url, name, "read"):
            return _entry(self.client.head(name))

    def has(self, name: str) -> bool:
        """Whether *name* exists."""
        try:
            self.head(name)
        except FileNotFoundError:
            return False
        return True

    def touch(self, name: str) -> None:
        """Make *name* young again, so that no collection takes it. Raises FileNotFoundError where it is missing."""
        self.put(name, self.get(name))  # object stores refuse to copy a name onto itself

    def names(self, prefix: str) -> Iterator[Entry]:
        """Every name under the folder *prefix*, in no order."""
        with _translated(self.url, prefix, "list"):
            for page in self.client.list(prefix=prefix):
                yield from map(_entry, page)

    def leftovers(self) -> list[Entry]:
        """What writers that were killed have left behind."""
        return list(self.names(INCOMING))

    def delete(self, name: str) -> None:
        """Remove *name*; nothing happens where it is missing."""
        with suppress(FileNotFoundError), _translated(self.url, name, "delete"):
            self.client.delete(name)


class LocalBucket(Bucket):
    """A bucket in a folder. Writes are durable on return and never half visible, also after kill -9 or a power cut."""

    def __init__(self, root: Path) -> None:
        """Use the existing folder *root*."""
        from obstore.store import LocalStore

        super().__init__(LocalStore(root), str(root))
        self.root = root

    def put(self, name: str, data: bytes | bytearray | memoryview) -> None:
        """Store *data* under *name*: temporary name, fsync, rename, fsync of the folder.

        Inside `mainspring.store.deferred.deferring` both syncs are left to the caller.
        """
        temporary = self.root / INCOMING / f"{os.getpid()}-{os.urandom(8).hex()}"
        later = unsettled()
        with _translated(self.url, name, "write"):
            temporary.parent.mkdir(exist_ok=True)
            try:
                with temporary.open("xb", buffering=0) as file:
                    rest = memoryview(data).cast("B")
                    while rest:
                        rest = rest[file.write(rest) :]
                    if later is None:
                        sync_file(file.fileno())
                fresh = self._missing_folders(name)
                fresh[0].mkdir(parents=True, exist_ok=True)
                temporary.replace(self.root / name)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            if later is not None:
                later.add(self.root / name, fresh)
                return
            for folder in fresh:
                sync_folder(folder)

    def get(self, name: str) -> bytes:
        """All bytes of *name*, by system calls: the client's threads cost more than a small file."""
        with _translated(self.url, name, "read"):
            return (self.root / name).read_bytes()

    def touch(self, name: str) -> None:
        """Set the file's time to now; a young one is synced too, for its writer may have put that off."""
        path, later = self.root / name, unsettled()
        with _translated(self.url, name, "write"):
            is_young = path.stat().st_mtime > time.time() - UNSETTLED_SECONDS
            os.utime(path)
            if later is not None:
                later.add(path, [path.parent])
            elif is_young:
                sync_folder(path)
                sync_folder(path.parent)

    def head(self, name: str) -> Entry:
        """Size and time of *name*, by one system call."""
        from datetime import UTC, datetime

        with _translated(self.url, name, "read"):
            found = (self.root / name).stat()
        return Entry(name, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))

    def _missing_folders(self, name: str) -> list[Path]:
        """The folders whose entries change when *name* appears: its own, and the parent of each that is new."""
        folder = (self.root / name).parent
        changed = [folder]
        while folder != self.root and not folder.exists():
            folder = folder.parent
            changed.append(folder)
        return changed


def settle(pending: Unsettled) -> None:
    """Wait until what was written in `mainspring.store.deferred.deferring` is on the disk."""
    pending.settle(sync_folder)


def open_bucket(url: str | Path, *, create: bool = True) -> Bucket:
    """The bucket at *url*: a path or ``file://`` for a folder, ``s3://``, ``gs://``, ``az://`` for an object store.

    ``memory://`` is one that lives and dies with the object.

    Raises InputError for a scheme that is not known, StoreError where the folder cannot be made or does not exist.
    """
    text = str(url)
    parts = urlsplit(text)
    if isinstance(url, Path) or len(parts.scheme) < 2:  # one letter is a Windows drive
        return _open_folder(Path(text), create=create)
    if parts.scheme == "file":
        return _open_folder(Path(unquote(parts.path)), create=create)
    if parts.scheme == "memory":
        from obstore.store import MemoryStore

        return Bucket(MemoryStore(), text)
    if parts.scheme in {"s3", "s3a", "gs", "az", "azure", "abfs", "abfss"}:
        from obstore.store import from_url

        return Bucket(from_url(text), text)
    raise InputError(
        "Expected a store at a folder, file://, memory://, s3://, gs:// or az://, "
        f"got the scheme {parts.scheme!r} in {text!r}."
    )


def _open_folder(root: Path, *, create: bool) -> LocalBucket:
    if not root.is_dir():
        if not create:
            raise StoreError(f"There is no store at {root}.")
        with _translated(str(root), "", "write"):
            root.mkdir(parents=True, exist_ok=True)
            sync_folder(root.parent)
    return LocalBucket(root)


def _entry(meta: Any) -> Entry:
    return Entry(meta["path"], meta["size"], meta["last_modified"])


class _translated:  # noqa: N801  # reads like the function it replaces; a class costs a third of a generator
    """Turn the client's and the system's errors into StoreErrors that name the object."""

    __slots__ = ("action", "name", "url")

    def __init__(self, url: str, name: str, action: str) -> None:
        self.url, self.name, self.action = url, name, action

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None or not isinstance(error, Exception) or isinstance(error, StoreError):
            return
        if isinstance(error, FileNotFoundError):
            raise FileNotFoundError(f"{self.name} is not in the store {self.url}") from None
        if not isinstance(error, OSError) and type(error).__module__ != "obstore.exceptions":
            return
        # the client appends a dump of its own source after an empty line
        cause = (getattr(error, "strerror", None) or str(error)).split("\n\n")[0]
        where = f"{self.name} in the store {self.url}" if self.name else f"the store {self.url}"
        raise StoreError(f"Cannot {self.action} {where}: {cause}. {_advice(cause)}") from error


def _advice(cause: str) -> str:
    text = cause.casefold()
    if "no space" in text or "too large" in text or "quota" in text:
        return "Free some space (`mainspring store gc` removes what nothing refers to) and try again."
    if "read-only" in text or "permission" in text:
        return "Choose a folder that can be written, or change its rights."
    return "Nothing half written is visible."
