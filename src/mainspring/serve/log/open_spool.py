"""The spool that a writer is at."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from mainspring.core.files import sync_file, sync_folder
from mainspring.serve.log import spool
from mainspring.serve.log.lock import FileLock

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.serve.log.block import Block

DIRECT = 1024 * 1024
"""From so many bytes on a block goes past the system's cache: to find memory for it there takes longer than to write
it, on a processor that the endpoint needs."""
_DIRECT: int = getattr(os, "O_DIRECT", 0)
_MODE: int = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_BINARY", 0)


class OpenSpool:
    """The spool that is being written; opened when there is something to write. Used by one thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = FileLock(folder / spool.LOCK)
        self._handle: int | None = None
        self._path = folder
        self._number = 0
        self._schemas: dict[int, bytes] = {}
        self._began = self._dirty = 0.0
        self._is_dirty = False
        self._is_direct = _DIRECT != 0
        self.has_lost = False
        self.size = 0

    def write(self, schemas: list[tuple[int, bytes]], block: Block) -> None:
        """Append the records of *block*, and before them each schema that the file does not have yet; all or nothing.

        Raises OSError where the system refuses it.
        """
        if self._handle is not None and os.fstat(self._handle).st_nlink == 0:
            self.give_up()  # somebody removed it
        handle = self._open() if self._handle is None else self._handle
        fresh = [(version, frame) for version, frame in schemas if self._schemas.get(version) != frame]
        head = b"".join(frame for _, frame in fresh)
        try:
            if self._is_direct and block.size >= DIRECT:
                head += spool.padding(self.size + len(head))
                data = block.pages()
                _put(handle, memoryview(head))
                self._put_directly(handle, data, self.size + len(head))
            else:
                data = block.frame()
                _put(handle, memoryview(head))
                _put(handle, data)
        except OSError:
            try:
                os.ftruncate(handle, self.size)  # no torn frame before a whole one
            except OSError:
                self.give_up()
            raise
        if not self._is_dirty:
            self._is_dirty, self._dirty = True, time.monotonic()
        self.size += len(head) + len(data)
        self._schemas.update(fresh)

    def _put_directly(self, handle: int, data: memoryview, start: int) -> None:
        """Put whole pages at *start* on the disk past the system's cache, or where a file system cannot, through it."""
        import fcntl

        flags = fcntl.fcntl(handle, fcntl.F_GETFL)
        try:
            fcntl.fcntl(handle, fcntl.F_SETFL, flags | _DIRECT)
            try:
                _put(handle, data)
            finally:
                fcntl.fcntl(handle, fcntl.F_SETFL, flags)
        except OSError:  # the disk is full, or whatever a file system says that cannot
            os.ftruncate(handle, start)
            _put(handle, data)
            self._is_direct = False

    def sync(self) -> None:
        """Wait until what was written is on the disk."""
        if self._handle is not None and self._is_dirty:
            try:
                sync_file(self._handle)
            except OSError:
                self.give_up()
                raise
            self._is_dirty = False

    def finish(self) -> None:
        """Close the spool, which compaction may then take."""
        if self._handle is None:
            return
        handle, self._handle = self._handle, None
        empty = self.size == len(spool.MAGIC)
        self.size, self._is_dirty = 0, False
        os.close(handle)
        if empty:
            self._path.unlink()
        else:
            self._path.rename(self._path.with_suffix(spool.SUFFIX))

    def give_up(self) -> None:
        """After a failure: whatever is in the file stays there, and the next write begins a new one.

        ``has_lost`` says afterwards whether some of it may never come to the disk.
        """
        self.has_lost = self.has_lost or self._is_dirty
        with suppress(OSError):
            self.finish()

    def close(self) -> None:
        """Let go of everything."""
        self.give_up()
        self._lock.give_back()

    def age(self) -> float:
        """Seconds since the spool was begun; 0 where none is open."""
        return time.monotonic() - self._began if self._handle is not None else 0.0

    def unsynced_for(self) -> float:
        """Seconds since the oldest write that is not synced."""
        return time.monotonic() - self._dirty if self._is_dirty else 0.0

    def asked_to_roll(self) -> bool:
        """Whether a reader wants what there is."""
        if self._handle is None:
            return False
        try:
            (self._folder / spool.ROLL).unlink()
        except OSError:
            return False
        return True

    def _open(self) -> int:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._lock.take():  # before there is a spool: who finds one without a living lock takes it
            raise OSError(f"{self._folder} belongs to another writer")
        number = self._number + 1
        path = (self._folder / spool.name_of(number)).with_suffix(spool.OPEN)
        handle = os.open(path, _MODE, 0o600)
        self._number = number
        try:
            os.write(handle, spool.MAGIC)
            for folder in (self._folder, self._folder.parent, self._folder.parent.parent):
                sync_folder(folder)
        except OSError:
            os.close(handle)
            with suppress(OSError):
                path.unlink()
            raise
        self._handle, self._path, self._schemas = handle, path, {}
        self.size, self._began, self._is_dirty = len(spool.MAGIC), time.monotonic(), False
        return handle


def _put(handle: int, data: memoryview) -> None:
    written = 0
    while written < len(data):
        written += os.write(handle, data[written:])
