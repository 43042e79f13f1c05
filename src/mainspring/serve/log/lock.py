"""A file whose lock the operating system gives back when its holder dies, also by kill -9."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path

_FAR = 1 << 30


class FileLock:
    """The lock of the file at *path*, held by this object: two objects of one process exclude each other too."""

    def __init__(self, path: Path) -> None:
        """Nothing is taken yet."""
        self.path = path
        self._file: int | None = None

    def take(self) -> bool:
        """Take the lock and say whether that worked. Raises OSError where the file cannot be opened."""
        if self._file is not None:
            if _is_at(self._file, self.path):
                return True
            self.give_back()  # the folder was removed, and what is held is the lock of a file that is gone
        file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        if not _lock(file) or not _is_at(file, self.path):
            os.close(file)
            return False
        self._file = file
        return True

    def give_back(self) -> None:
        """Let go of the lock, if it is held. The file stays."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __enter__(self) -> Self:
        """Itself; `take` says whether the lock is held."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give the lock back."""
        self.give_back()


def _is_at(file: int, path: Path) -> bool:
    """Whether the open *file* is still the one at *path*."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except OSError:
        return False


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
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # of the open file, so threads exclude each other as well
        except BlockingIOError:
            return False
        return True
