"""How code that trains or evaluates reports facts without knowing where they go.

The engine (or a user's script) sets a recorder around the call; with none set, facts are dropped. The recorder
travels in a context variable, so that a step stays a plain function.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Param = str | int | float | bool | None


class Recorder(Protocol):
    """A run that takes parameters, metrics and tags. Never blocks and never raises for a failed write."""

    def log_params(self, params: Mapping[str, Param]) -> None:
        """Record parameters; a name keeps its first value."""

    def log_metric(self, name: str, value: float, *, step: int = 0) -> None:
        """Append one point to the metric's history."""

    def log_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags; the last value wins."""

    def child(self, name: str) -> Recorder:
        """Open a child run (a trial of a search, a fold)."""

    def finish(self, status: str = "finished") -> None:
        """Close the run: ``finished``, ``failed``, ``pruned`` or ``killed``."""


class Silent:
    """A recorder that drops everything."""

    def log_params(self, params: Mapping[str, Param]) -> None:
        """Drop."""

    def log_metric(self, name: str, value: float, *, step: int = 0) -> None:
        """Drop."""

    def log_tags(self, tags: Mapping[str, str]) -> None:
        """Drop."""

    def child(self, name: str) -> Recorder:
        """Return itself."""
        return self

    def finish(self, status: str = "finished") -> None:
        """Drop."""


_current: ContextVar[Recorder | None] = ContextVar("mainspring_recorder", default=None)
_silent = Silent()


def recorder() -> Recorder:
    """The recorder in force, or one that drops everything."""
    return _current.get() or _silent


@contextmanager
def recording(to: Recorder) -> Iterator[Recorder]:
    """Send the facts of the enclosed block to *to*."""
    token = _current.set(to)
    try:
        yield to
    finally:
        _current.reset(token)
