"""Writers and the collector agree.

A collection waits for the writes under way, and holds off new ones while it runs.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mainspring.core.errors import Refused, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE = 30.0
"""So many seconds a collection waits for writers."""


@contextmanager
def writing(lock: Path | None) -> Iterator[None]:
    """Hold the store for a write; many may. The system lets go of it when the process dies, also by kill -9.

    None where the store is not a local folder: there, and on Windows, only the grace period protects a writer.
    """
    fcntl = _fcntl()
    if lock is None or fcntl is None:
        yield
        return
    handle = _open(lock)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)


@contextmanager
def collecting(lock: Path | None, *, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the store alone. Raises Refused where writers do not pause for *patience* seconds."""
    fcntl = _fcntl()
    if lock is None or fcntl is None:
        yield
        return
    handle = _open(lock)
    deadline = time.monotonic() + patience
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Refused(
                        f"Something has been writing to the store for {patience:g} seconds, so nothing was collected. "
                        "Try again when no run is under way."
                    ) from None
                time.sleep(0.05)
        yield
    finally:
        os.close(handle)


def _open(lock: Path) -> int:
    try:
        return os.open(lock, os.O_RDONLY | os.O_CREAT, 0o644)
    except OSError as error:
        raise StoreError(
            f"Cannot write to the store {lock.parent}: {error.strerror}. "
            "Choose a folder that can be written, or change its rights."
        ) from error


def _fcntl() -> Any:
    try:
        import fcntl
    except ImportError:
        return None
    return fcntl
