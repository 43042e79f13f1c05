"""Writing now and waiting for the disk later, for a caller that acknowledges nothing in between."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mainspring.core.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_mine = threading.local()


class Unsettled:
    """What was written but may not be on the disk yet."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._files: dict[Path, None] = {}
        self._folders: dict[Path, None] = {}

    def add(self, file: Path, folders: list[Path]) -> None:
        """Remember a file and the folders whose entries it changed."""
        self._files[file] = None
        self._folders |= dict.fromkeys(folders)

    def settle(self, sync: Callable[[Path], None]) -> None:
        """Wait until all of it is on the disk. Raises StoreError where the disk refuses.

        A file that is gone by now was collected, and nobody will ask for it.
        """
        for path in (*self._files, *self._folders):
            try:
                sync(path)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise StoreError(f"The disk failed to keep {path}: {error.strerror}.") from error
        self._files.clear()
        self._folders.clear()


@contextmanager
def deferring() -> Iterator[Unsettled]:
    """Let this thread's writes to local stores inside the block return before they are durable.

    They are visible at once, and whole also after kill -9; only a power cut can lose or damage them until they are
    settled. So whoever defers must settle before it says anywhere that they are there.
    """
    before = current()
    _mine.unsettled = Unsettled()
    try:
        yield _mine.unsettled
    finally:
        _mine.unsettled = before


def current() -> Unsettled | None:
    """Where this thread's writes are remembered; None where they are to be durable on return."""
    return None if os.name == "nt" else getattr(_mine, "unsettled", None)
