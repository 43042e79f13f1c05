"""The folder of one running endpoint: unpacked bundles and the workers' numbers.

Its supervisor holds a lock in it, which the system gives back however that ends, so that a later start can tell the
folders that nobody uses any more.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mainspring.serve.log.lock import FileLock

if TYPE_CHECKING:
    from collections.abc import Callable

PREFIX = "mainspring-serve-"
LOCK = "supervisor.lock"
SWEPT = 20
"""So many folders are removed by one start at most."""


class Shelf:
    """The folder of this process, and the lock in it."""

    def __init__(self) -> None:
        """Make it."""
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        self._lock = FileLock(self.folder / f"{LOCK}.new")
        if sys.platform != "win32":  # where an open file is in the way of removing its folder, and nothing is swept
            with contextlib.suppress(OSError):  # a file system without locks: nobody will take it for left
                if self._lock.take():
                    self._lock.path.rename(self.folder / LOCK)  # whoever finds it finds it locked

    def remove(self) -> None:
        """Remove it."""
        with contextlib.suppress(OSError):
            _clear(self.folder)
        self._lock.give_back()
        shutil.rmtree(self.folder, ignore_errors=True)


def sweep() -> list[Path]:
    """Remove folders of our own user whose supervisor has died without doing so; which."""
    if sys.platform == "win32":
        return []
    gone: list[Path] = []
    with contextlib.suppress(OSError):
        for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
            if len(gone) == SWEPT:
                break
            with contextlib.suppress(OSError):  # another start was quicker
                if _is_left(folder):
                    gone.append(folder)
    return gone


def _is_left(folder: Path) -> bool:
    """Whether *folder* was one that nobody uses; it is removed then."""
    if sys.platform == "win32":
        return False
    if not _is_ours(folder.lstat(), stat.S_ISDIR) or not _is_ours((folder / LOCK).lstat(), stat.S_ISREG):
        return False
    with FileLock(folder / LOCK) as lock:
        if not lock.take():
            return False
        aside = folder.rename(folder.with_name(f"{folder.name}-left"))  # its workers may write their numbers once more
        _clear(aside)
        shutil.rmtree(aside, ignore_errors=True)
    return True


def _is_ours(found: os.stat_result, is_kind: Callable[[int], bool]) -> bool:
    """Whether it is of this kind, no link, and nobody else could have put anything there."""
    return is_kind(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077


def _clear(folder: Path) -> None:
    """Remove all but the lock, so that what is left of a removal that is interrupted is still recognised."""
    for path in list(folder.iterdir()):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != LOCK:
            path.unlink(missing_ok=True)
