"""Progress for people: one line per running task on a terminal, a quiet line per finished task anywhere else.

Whatever a command does inside :func:`shown` may call `mainspring.core.progress.progress` without knowing who looks.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from mainspring.core.progress import Progress, shown_by

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 0.4
"""Nothing moves on a terminal before so many seconds: a quick command flickers otherwise."""
QUIET_INTERVAL = 10.0
"""Off a terminal a running task is mentioned again after so many seconds."""


@contextmanager
def shown(*, silent: bool = False) -> Iterator[None]:
    """Show the progress of the enclosed block on standard error, or nothing where *silent*."""
    if silent:
        yield
        return
    # a step's output is redirected by descriptor, so ours gets one of its own
    stream = (
        os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding="utf-8", errors="replace") if _has_descriptor() else None
    )
    display = _Terminal(stream) if stream is not None and sys.stderr.isatty() else _Lines(stream or sys.stderr)
    try:
        with shown_by(display):
            yield
    finally:
        display.close()
        if stream is not None:
            stream.close()


def _has_descriptor() -> bool:
    try:
        sys.stderr.fileno()
    except (OSError, ValueError, AttributeError):
        return False
    return True


class _Lines:
    """For logs and pipes: a line when a task is finished, and now and then while it runs."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._said: dict[str, float] = {}
        self._guard = threading.Lock()

    def __call__(self, task: str, done: float, total: float | None, text: str = "") -> None:
        now = time.monotonic()
        with self._guard:
            finished = total is not None and done >= total
            if not finished and now - self._said.setdefault(task, now) < QUIET_INTERVAL:
                return
            self._said[task] = now
            if finished:
                del self._said[task]
            parts = [f"{task}:", "" if finished else _share(done, total), text]
            self._stream.write(" ".join(part for part in parts if part) + "\n")
            self._stream.flush()

    def close(self) -> None:
        """Nothing to put away."""


@dataclass
class _Task:
    done: float = 0.0
    total: float | None = None
    text: str = ""
    started: float = field(default_factory=time.monotonic)


class _Terminal:
    """For a terminal: the running tasks, drawn anew ten times a second, and gone when the work is done."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._tasks: dict[str, _Task] = {}
        self._guard = threading.Lock()
        self._live: Any = None
        self._timer = threading.Timer(PATIENCE, self._begin)
        self._timer.daemon = True
        self._timer.start()

    def __call__(self, task: str, done: float, total: float | None, text: str = "") -> None:
        with self._guard:
            if total is not None and done >= total:
                self._tasks.pop(task, None)
                return
            state = self._tasks.setdefault(task, _Task())
            state.done, state.total, state.text = done, total, text or state.text

    def close(self) -> None:
        """Take the lines away."""
        self._timer.cancel()
        with self._guard:
            live, self._live = self._live, False
        if live:
            live.stop()

    def _begin(self) -> None:
        from rich.console import Console
        from rich.live import Live

        live = Live(
            get_renderable=self._render, console=Console(file=self._stream, force_terminal=True), transient=True,
            refresh_per_second=10, redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip
        with self._guard:
            if self._live is None:
                self._live = live
                live.start()

    def _render(self) -> Any:
        from rich.progress_bar import ProgressBar
        from rich.spinner import Spinner
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 1))
        now = time.monotonic()
        for name, task in list(self._tasks.items()):
            bar = ProgressBar(total=task.total, completed=task.done, width=24) if task.total else Spinner("dots")
            said = Text(task.text)  # of a user's names and messages, brackets and all
            table.add_row(name, bar, _share(task.done, task.total), f"{now - task.started:.0f} s", said)
        return table


def _share(done: float, total: float | None) -> str:
    return "" if not total else f"{done:g}/{total:g}"


if TYPE_CHECKING:

    def _fits(lines: _Lines, terminal: _Terminal) -> tuple[Progress, Progress]:
        return lines, terminal
