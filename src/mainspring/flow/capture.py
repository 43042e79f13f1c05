"""What a step prints goes to a log file of its own, bounded: its beginning and its end are kept."""

from __future__ import annotations

import io
import os
import sys
import tempfile
from collections import deque
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOG_LIMIT = 1 << 20
"""A log keeps at most so many bytes: half from the beginning, half from the end."""
TAIL_LINES = 5
"""So many last lines of a failed step's log are shown."""


class Log(io.RawIOBase):
    """A file that is made on the first write and keeps the beginning and the end of what is written."""

    def __init__(self, path: Path, limit: int = LOG_LIMIT) -> None:
        """Write to *path*, at most about *limit* bytes."""
        super().__init__()
        self.path = path
        self.written = 0
        self._half = limit // 2
        self._file: io.BufferedWriter | None = None
        self._tail: deque[bytes] = deque()
        self._in_tail = 0

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, data: Any) -> int:
        """Take *data*; nothing is ever refused."""
        raw = bytes(data)
        room = max(0, self._half - self.written)
        self.written += len(raw)
        if room:
            if self._file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self.path.open("wb")
            self._file.write(raw[:room])
            self._file.flush()
        if rest := raw[room:][-self._half :]:
            self._tail.append(rest)
            self._in_tail += len(rest)
            while self._in_tail - len(self._tail[0]) >= self._half:
                self._in_tail -= len(self._tail.popleft())
        return len(raw)

    def finish(self) -> None:
        """Write the end and close the file."""
        if self._file is None:
            return
        end = b"".join(self._tail)
        left_out = self.written - self._half - len(end)
        if left_out > 0:
            self._file.write(f"\n… {left_out:,} bytes left out …\n".encode())
        self._file.write(end)
        self._file.close()
        self._file = None


class Capture:
    """Redirects the output of steps that run in this process, Python's and that of libraries and child processes."""

    def __init__(self) -> None:
        """Keep the true outputs aside."""
        self._saved: list[tuple[int, int]] = []
        self._stray: int | None = None
        with suppress(OSError):  # a process without standard streams has nothing to redirect
            self._saved = [(fd, os.dup(fd)) for fd in (1, 2)]
            with tempfile.TemporaryFile() as stray:
                self._stray = os.dup(stray.fileno())

    def close(self) -> None:
        """Let go of the true outputs."""
        for _, saved in self._saved:
            os.close(saved)
        if self._stray is not None:
            os.close(self._stray)
        self._saved, self._stray = [], None

    @contextmanager
    def to(self, path: Path) -> Iterator[Log]:
        """Send everything that is printed inside the block to a log at *path*."""
        log = Log(path)
        stream = io.TextIOWrapper(cast("Any", log), encoding="utf-8", errors="backslashreplace", write_through=True)
        before = sys.stdout, sys.stderr
        self._point(to_stray=True)
        sys.stdout = sys.stderr = stream
        try:
            yield log
        finally:
            sys.stdout, sys.stderr = before
            with suppress(ValueError):  # the step has closed it
                stream.flush()
            self._point(to_stray=False)
            self._collect(log)
            log.finish()
            with suppress(ValueError, io.UnsupportedOperation):
                stream.detach()

    def _point(self, *, to_stray: bool) -> None:
        for stream in (sys.__stdout__, sys.__stderr__):
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()  # type: ignore[union-attr]  # None in a process without streams
        if self._stray is not None:
            for fd, saved in self._saved:
                os.dup2(self._stray if to_stray else saved, fd)

    def _collect(self, log: Log) -> None:
        """Move what libraries and child processes printed past Python into the log."""
        if self._stray is None:
            return
        size = os.fstat(self._stray).st_size
        if not size:
            return
        os.lseek(self._stray, 0, os.SEEK_SET)
        while chunk := os.read(self._stray, 1 << 16):
            log.write(chunk)
        os.ftruncate(self._stray, 0)
        os.lseek(self._stray, 0, os.SEEK_SET)


def tail(path: Path, lines: int = TAIL_LINES) -> list[str]:
    """The last lines of a log; none where there is no log."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 4096))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return []
    return [line[:200] for line in text.splitlines() if line.strip()][-lines:]
