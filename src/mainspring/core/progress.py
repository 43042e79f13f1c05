"""How long work shows that it moves, without knowing who looks."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator


class Progress(Protocol):
    """Called as work moves: what is being done, how far, and a short text for people."""

    def __call__(self, task: str, done: float, total: float | None, text: str = "") -> None:
        """Show that *done* of *total* units (None where unknown) of *task* are finished."""


def _hide(task: str, done: float, total: float | None, text: str = "") -> None:
    """Show nothing."""


_current: ContextVar[Progress] = ContextVar("mainspring_progress", default=_hide)


def progress(task: str, done: float, total: float | None, text: str = "") -> None:
    """Report progress to whoever looks."""
    _current.get()(task, done, total, text)


@contextmanager
def shown_by(show: Progress) -> Iterator[None]:
    """Let *show* display the progress of the enclosed block."""
    token = _current.set(show)
    try:
        yield
    finally:
        _current.reset(token)
