"""Transactions.

Many small writes from many threads become one commit, and each call returns when its facts are durable.

The first caller that finds the writer free becomes the leader: it runs the writes of all who wait, each in a
savepoint of its own, commits once, and wakes them. While it syncs, the next callers gather. One alone pays one sync
and no thread switch.
"""

from __future__ import annotations

import os
import time
from collections import deque
from contextlib import contextmanager
from threading import RLock, local
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from mainspring.core.errors import LedgerError
from mainspring.ledger.sql.failure import is_busy, is_lost, translate

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, Engine

T = TypeVar("T")

PATIENCE = 30.0
"""So many seconds a write waits for other processes."""


class _Job(Generic[T]):
    __slots__ = ("done", "error", "result", "work")

    def __init__(self, work: Callable[[Connection], T]) -> None:
        self.work = work
        self.done = False
        self.result: T | None = None
        self.error: BaseException | None = None


class Session:
    """Reads and writes of one database in one process. Safe for several threads."""

    def __init__(self, engine: Engine, *, shared_connection: bool, where: str) -> None:
        """*shared_connection*: the engine has but one connection (a database in memory); *where* is shown in errors."""
        self._engine = engine
        self._where = where
        self._process = os.getpid()
        self._waiting: deque[_Job[Any]] = deque()
        self._leader = RLock()
        self._reading = self._leader if shared_connection else None
        self._writer: Connection | None = None
        self._mine = local()
        self._lost: str | None = None
        self.commits = 0

    def write(self, work: Callable[[Connection], T]) -> T:
        """Run *work* in a transaction and return its result once that is durable. An error of *work* undoes only it."""
        open_already: Connection | None = getattr(self._mine, "connection", None)
        if open_already is not None:
            return self._within(open_already, work)
        self._guard()
        job = _Job(work)
        self._waiting.append(job)
        with self._leader:
            if not job.done:
                self._lead()
        if job.error is not None:
            raise job.error
        return job.result  # type: ignore[return-value]  # set by whoever led

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run *work*, which only reads, on a connection that sees everything committed."""
        open_already: Connection | None = getattr(self._mine, "connection", None)
        if open_already is not None:
            return self._within(open_already, work)
        self._guard(writing=False)
        try:
            if self._reading is not None:
                with self._reading, self._engine.connect() as connection:
                    return work(connection)
            with self._engine.connect() as connection:
                return work(connection)
        except Exception as error:
            translated = translate(error, self._where)
            if translated is error:
                raise
            raise translated from error

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make all reads and writes of this thread in the block one transaction, which an error undoes as a whole.

        Nobody else writes meanwhile: never wait in the block for another thread that does.
        """
        if getattr(self._mine, "connection", None) is not None:
            yield
            return
        self._guard()
        with self._leader:
            connection = self._begin()
            self._mine.connection = connection
            try:
                yield
            except BaseException:
                self._mine.connection = None
                self._undo(connection)
                raise
            self._mine.connection = None
            try:
                self._commit(connection)
            except Exception as error:
                raise self._failed(error) from error

    def close(self) -> None:
        """Let go of the database. What was acknowledged stays."""
        with self._leader:
            if self._writer is not None:
                self._writer.close()
                self._writer = None
            self._engine.dispose()

    def _within(self, connection: Connection, work: Callable[[Connection], T]) -> T:
        """Run *work* in the transaction that `together` has open."""
        try:
            return work(connection)
        except Exception as error:
            failure = self._failed(error)
            if failure is error:
                raise
            raise failure from error

    def _guard(self, *, writing: bool = True) -> None:
        if os.getpid() != self._process:
            raise LedgerError(
                f"The ledger {self._where} was opened before this process was forked, which would damage it. "
                "Open the workspace in the new process."
            )
        if writing and self._lost is not None:
            raise LedgerError(self._lost)

    def _lead(self) -> None:
        """Run everything that waits in one transaction. Called with the leader's lock held."""
        batch: list[_Job[Any]] = []
        while self._waiting:
            batch.append(self._waiting.popleft())
        try:
            self._guard()
            connection = self._begin()
            try:
                for job in batch:
                    self._run(connection, job)
                self._commit(connection)
            except BaseException:
                self._undo(connection)
                raise
        except BaseException as error:
            failure = self._failed(error)
            for job in batch:
                job.error = job.error or failure
            if not isinstance(error, Exception):
                raise
        finally:
            for job in batch:
                job.done = True

    def _run(self, connection: Connection, job: _Job[Any]) -> None:
        """Run one write; where it fails it leaves nothing, and the others go on."""
        connection.exec_driver_sql("SAVEPOINT one")
        try:
            job.result = job.work(connection)
        except Exception as error:
            if is_lost(error) or not _raw(connection).in_transaction:
                raise  # the database has given up the whole transaction
            job.error = translate(error, self._where)
            connection.exec_driver_sql("ROLLBACK TO one")
        connection.exec_driver_sql("RELEASE one")

    def _begin(self) -> Connection:
        """The writer's connection with a transaction that holds the write lock of the database."""
        if self._writer is None:
            self._writer = self._engine.connect()
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self._writer.exec_driver_sql("BEGIN IMMEDIATE")
            except Exception as error:
                if not is_busy(error) or time.monotonic() > deadline:
                    raise self._failed(error) from error
                time.sleep(0.01)
            else:
                return self._writer

    def _commit(self, connection: Connection) -> None:
        try:
            connection.exec_driver_sql("COMMIT")
        except BaseException:
            self._undo(connection)
            raise
        self.commits += 1

    def _undo(self, connection: Connection) -> None:
        try:
            if _raw(connection).in_transaction:
                connection.exec_driver_sql("ROLLBACK")
        except Exception:
            # a connection that cannot even roll back is of no more use
            connection.invalidate()
            self._writer = None

    def _failed(self, error: BaseException) -> BaseException:
        """The error for the caller.

        After a failed sync nobody knows what is on the disk, so nothing more is acknowledged.
        """
        if not isinstance(error, Exception):
            return LedgerError(f"The ledger {self._where}: interrupted before the facts were kept.")
        if is_lost(error):
            self._lost = (
                f"The ledger {self._where} takes no more facts: the disk failed to keep the last ones "
                f"({error.__cause__ or error}). "
                "Look after the disk, then start again."
            )
            return LedgerError(self._lost)
        return translate(error, self._where)


def _raw(connection: Connection) -> sqlite3.Connection:
    return connection.connection.dbapi_connection  # type: ignore[return-value]  # this adapter is for SQLite
