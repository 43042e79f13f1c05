"""From the driver's errors to our own."""

from __future__ import annotations

import sqlite3

from mainspring.core.errors import LedgerError

_IOERR = 10  # SQLITE_IOERR; its extended codes share the low byte
_BUSY = frozenset({5, 6})  # SQLITE_BUSY, SQLITE_LOCKED
_FULL = 13
_READONLY = 8
_CANTOPEN = 14
_CORRUPT = frozenset({11, 26})


def _driver_error(error: BaseException) -> sqlite3.Error | None:
    original = getattr(error, "orig", error)
    return original if isinstance(original, sqlite3.Error) else None


def _code(error: BaseException) -> int:
    original = _driver_error(error)
    return (getattr(original, "sqlite_errorcode", 0) or 0) & 0xFF


def is_busy(error: BaseException) -> bool:
    """Whether another connection holds the database for now."""
    return _code(error) in _BUSY


def is_lost(error: BaseException) -> bool:
    """Whether the system failed to read, write or sync."""
    return _code(error) == _IOERR


def translate(error: Exception, where: str) -> Exception:
    """The LedgerError for a driver's error; any other error as it is."""
    original = _driver_error(error)
    if original is None:
        return error
    code = _code(error)
    if code == _FULL:
        advice = "the disk is full. Nothing of this call was kept; free some space and try again"
    elif code in _BUSY:
        advice = "another process has been writing for too long; try again"
    elif code == _READONLY:
        advice = "it cannot be written; change the rights of the folder or choose another workspace"
    elif code == _CANTOPEN:
        advice = "it cannot be opened; see that the folder exists and can be written"
    elif code in _CORRUPT:
        advice = f"it is damaged ({original}); put back a copy, or move it away to begin anew"
    else:
        advice = str(original)
    return LedgerError(f"The ledger {where}: {advice}.")
