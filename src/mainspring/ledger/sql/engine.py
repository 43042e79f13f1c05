"""The SQLite engine: WAL, full sync, and a look whether the database really took the settings."""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event
from sqlalchemy.pool import QueuePool, StaticPool

from mainspring.core.errors import LedgerError
from mainspring.ledger.sql.failure import is_busy, translate

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine

BUSY_MILLISECONDS = 30_000
WANTED: dict[str, str | int] = {"journal_mode": "wal", "synchronous": 2, "fullfsync": 1, "foreign_keys": 1}
"""Full sync, because with NORMAL a power cut loses commits that were acknowledged; fullfsync is for macOS."""


def file_engine(path: Path) -> Engine:
    """An engine for the database file at *path*.

    Raises LedgerError where it cannot be opened or takes other settings.
    """
    engine = create_engine(
        f"sqlite:///{path}", isolation_level="AUTOCOMMIT", poolclass=QueuePool, pool_size=8, max_overflow=64,
        pool_reset_on_return=None, connect_args={"check_same_thread": False, "timeout": BUSY_MILLISECONDS / 1000},
    )  # fmt: skip

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: Any) -> None:
        _prepare(connection, WANTED, str(path))

    return engine


def memory_engine() -> Engine:
    """An engine for a database of its own in memory, with one connection for all threads."""
    engine = create_engine(
        "sqlite://", isolation_level="AUTOCOMMIT", poolclass=StaticPool, pool_reset_on_return=None,
        connect_args={"check_same_thread": False},
    )  # fmt: skip

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: Any) -> None:
        _prepare(connection, {"foreign_keys": 1}, "in memory")

    return engine


def _prepare(connection: Any, wanted: dict[str, str | int], where: str) -> None:
    cursor = connection.cursor()
    try:
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
        for name, value in wanted.items():
            _set(cursor, name, value)
        for name, value in wanted.items():
            got = cursor.execute(f"PRAGMA {name}").fetchone()[0]
            if got != value:
                raise LedgerError(
                    f"The ledger {where} needs {name} = {value}, but this file system gives {got}: "
                    "facts would not be safe. "
                    "Keep the workspace on a local disk."
                )
    except sqlite3.Error as error:
        raise translate(error, where) from error
    finally:
        cursor.close()


def _set(cursor: Any, name: str, value: str | int) -> None:
    """Set one pragma; changing to WAL does not wait for others by itself."""
    deadline = time.monotonic() + BUSY_MILLISECONDS / 1000
    while True:
        try:
            cursor.execute(f"PRAGMA {name} = {value}")
        except Exception as error:
            if not is_busy(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
