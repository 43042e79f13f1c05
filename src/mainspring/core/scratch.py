"""A folder for work in progress, so that what was killed can go on.

Whoever runs a step may name one; code that can resume keeps its journal there. What lies there may be deleted at any
time at no loss but time.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_current: ContextVar[Path | None] = ContextVar("mainspring_scratch", default=None)


def scratch() -> Path | None:
    """The folder in force, None where nothing can be kept."""
    return _current.get()


@contextmanager
def scratch_in(folder: Path) -> Iterator[None]:
    """Keep the work in progress of the enclosed block in *folder*, which must exist."""
    token = _current.set(folder)
    try:
        yield
    finally:
        _current.reset(token)
