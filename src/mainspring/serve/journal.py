"""Structured logs: one JSON object a line on standard error, for people and for machines."""

from __future__ import annotations

import logging
import os
import sys
import threading
from datetime import UTC, datetime
from typing import Any

import msgspec

from mainspring.core.json import plain

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
VARIABLE = "MAINSPRING_LOG_LEVEL"


class Journal:
    """Writes lines; each is one ``write`` so that those of several processes do not mix."""

    def __init__(self, *, level: str = "info", **always: Any) -> None:
        """Leave out what is below *level*; put *always* into every line."""
        self._least = LEVELS.get(level, 20)
        self._always = always
        self._guard = threading.Lock()

    def debug(self, event: str, **facts: Any) -> None:
        """Write what only somebody who looks for a fault wants to know."""
        self._write("debug", event, facts)

    def info(self, event: str, **facts: Any) -> None:
        """Write what happened."""
        self._write("info", event, facts)

    def warning(self, event: str, **facts: Any) -> None:
        """Write what somebody should look after."""
        self._write("warning", event, facts)

    def error(self, event: str, **facts: Any) -> None:
        """Write what went wrong."""
        self._write("error", event, facts)

    def _write(self, level: str, event: str, facts: dict[str, Any]) -> None:
        if LEVELS[level] < self._least:
            return
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = {"time": time, "level": level, "event": event, **self._always, **facts}
        try:
            data = msgspec.json.encode(line, enc_hook=plain) + b"\n"
            with self._guard:
                os.write(sys.stderr.fileno(), data)
        except (OSError, ValueError):  # nobody reads any more: that is no reason to stop answering
            return


class _Handler(logging.Handler):
    """What libraries say through `logging`, as lines of the journal."""

    def emit(self, record: logging.LogRecord) -> None:
        error = (
            f"{record.exc_info[0].__name__}: {record.exc_info[1]}" if record.exc_info and record.exc_info[0] else None
        )
        level = record.levelname.lower() if record.levelname.lower() in LEVELS else "error"
        facts = {"logger": record.name} | ({"error": error} if error else {})
        getattr(_current, level)(record.getMessage().strip(), **facts)


_current = Journal()


def journal() -> Journal:
    """The journal of this process."""
    return _current


def start(**always: Any) -> Journal:
    """Begin the journal of this process, and let what libraries log come to it from warnings on."""
    global _current  # there is one standard error
    _current = Journal(level=os.environ.get(VARIABLE, "info").lower(), **always)
    root = logging.getLogger()
    root.handlers[:] = [_Handler(logging.WARNING)]
    root.setLevel(logging.WARNING)
    return _current
