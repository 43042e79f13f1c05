"""One run at a time in a project. The operating system holds the lock, so it ends with the process that took it."""

from __future__ import annotations

import os
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import msgspec

from mainspring.core.errors import InputError, Refused

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

PATIENCE = 3.0
"""A second run waits so many seconds before it gives up."""

_FAR = 1 << 30  # Windows locks bytes, and those must stay readable: one far behind the text is locked
_INTERVAL = 0.05
_held: set[str] = set()  # POSIX locks do not keep threads of one process apart
_guard = threading.Lock()


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the lock: process, time of taking it (ISO 8601), and the run it makes."""

    pid: int
    since: str
    run: str = ""


class RunLock:
    """The lock of one project, as a context manager.

    ``stale`` is the holder that ended without giving the lock back (killed, power cut), None where there was none.
    """

    def __init__(self, path: Path, *, patience: float = PATIENCE) -> None:
        """Lock through the file *path*, waiting up to *patience* seconds."""
        self.path = path
        self.stale: Holder | None = None
        self._patience = patience
        self._file: int | None = None

    def __enter__(self) -> Self:
        """Take the lock. Raises Refused, naming the holder, where it stays taken; InputError in a read-only folder."""
        try:
            file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise InputError(
                f"Cannot write to {self.path.parent} ({error.strerror}). A run keeps its results there; "
                "make the folder writable or name another workspace in mainspring.toml."
            ) from None
        until = time.monotonic() + self._patience
        while not self._take(file):
            if time.monotonic() >= until:
                holder = self._holder(file)
                os.close(file)
                raise Refused(_refusal(holder))
            time.sleep(_INTERVAL)
        self._file = file
        self.stale = self._holder(file)
        self.describe("")
        return self

    def describe(self, run: str) -> None:
        """Write who holds the lock, for others to read."""
        if self._file is None:
            return
        now = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        text = msgspec.json.encode(Holder(os.getpid(), now, run))
        os.ftruncate(self._file, 0)
        os.lseek(self._file, 0, os.SEEK_SET)
        os.write(self._file, text)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the lock back."""
        if self._file is None:
            return
        os.ftruncate(self._file, 0)
        with _guard:
            _held.discard(str(self.path))
        os.close(self._file)
        self._file = None

    def _take(self, file: int) -> bool:
        with _guard:
            if str(self.path) in _held or not _lock(file):
                return False
            _held.add(str(self.path))
            return True

    def _holder(self, file: int) -> Holder | None:
        try:
            os.lseek(file, 0, os.SEEK_SET)
            return msgspec.json.decode(os.read(file, 4096), type=Holder)
        except (OSError, msgspec.MsgspecError):
            return None


def _refusal(holder: Holder | None) -> str:
    who = f"process {holder.pid}, since {holder.since[11:19]}" if holder else "another process"
    return (
        f"Another mainspring run ({who}) is at work in this project. "
        "Wait until it has finished; what it finishes is reused by the next run."
    )


if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> bool:
        os.lseek(file, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _lock(file: int) -> bool:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # of the process: forked children do not keep it alive
        except OSError:
            return False
        return True
