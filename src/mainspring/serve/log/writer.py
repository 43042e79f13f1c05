"""The hot path's end of the prediction log: records are gathered in memory; a thread writes them to a spool.

What is lost: by kill -9 of the process what has not been handed to the system yet, at most the last tenth of a second
(``interval``); by a power cut what has not reached the disk, at most about a second (``sync``). With ``durable``
nothing is lost that was acknowledged. A full disk or a folder that is gone loses nothing until the queue is full.
"""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from mainspring.serve.log import spool
from mainspring.serve.log.block import SIZE, Block
from mainspring.serve.log.identity import new_id
from mainspring.serve.log.open_spool import OpenSpool
from mainspring.serve.log.record import encode_turns

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mainspring.serve.log.schema import Schema

DROPPED = -1
"""The ticket of a record that was not taken."""
QUEUE = 64 * 1024 * 1024
"""Bytes the queue holds at most: what comes beyond is dropped and counted."""
AGE = 5.0
"""After so many seconds a spool is finished, that compaction may take it."""
LARGEST_SPOOL = 8 * 1024 * 1024
"""Compaction holds one spool in memory: a larger one is finished before its time."""
TOGETHER = 64
"""So many requests of small turns are encoded at once."""
_PATIENCE = 0.25
_SPARE = 2
"""Blocks that are kept for use again."""
_MOST_GATHERED = 16 * TOGETHER
"""Only where the system has no memory do so many requests wait to be encoded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogStatus:
    """How a writer is doing, in rows since it began: a request has one or many, and each is a prediction.

    ``written`` were handed to the system, ``synced`` are on the disk, ``dropped`` were refused because the queue was
    full or the writer closed, or waited in vain until it had ended, ``pending`` (with ``pending_bytes``) wait.
    ``failed`` counts writes that the system refused; ``error`` is the last refusal's reason while it lasts, None when
    all is well.
    """

    accepted: int
    written: int
    synced: int
    dropped: int
    failed: int
    pending: int
    pending_bytes: int
    error: str | None


class LogWriter:
    """Writes one process's records of one model. Nothing here raises or waits on the hot path. Safe for threads."""

    def __init__(
        self,
        folder: Path,
        *,
        model: str,
        source: str,
        durable: bool = False,
        interval: float = 0.1,
        sync: float = 1.0,
        roll: float = AGE,
        queue: int = QUEUE,
    ) -> None:
        """Write below *folder*, the root of all spools, whether or not it can be written now.

        *source* names the process for people; a unique id is put behind it. Every *interval* seconds the queue is
        written, every *sync* seconds it is synced to the disk, and after *roll* seconds a spool is finished, so that
        compaction can take it. *queue* is the most bytes that wait. With *durable* each write is synced at once, one
        sync for all records that came meanwhile; see `durable`.
        """
        self.source = f"{source}.{new_id()}"
        self.folder = spool.folder_of(folder, model, self.source)
        self.is_durable = durable
        self._interval, self._sync, self._roll, self._limit = interval, sync, roll, queue
        self._guard = threading.Lock()
        self._wake = threading.Event()
        self._block = Block(SIZE)
        self._full: list[Block] = []
        self._spare: list[Block] = []
        self._turns: list[tuple[Any, ...]] = []
        self._gathered = 0
        self._waiting: list[tuple[int, asyncio.AbstractEventLoop | None, asyncio.Future[bool] | threading.Event]] = []
        self._schemas: dict[int, bytes] = {}
        self._accepted = self._dropped = self._pending = 0
        self._taken: list[Block] = []  # by the thread, and not written yet
        self._written = self._synced = self._failed = 0
        self._refused = 0  # the last ticket that a failed write or sync was to acknowledge
        self._lost = 0  # the last ticket whose sync failed
        self._error: str | None = None
        self._closing = self._ended = False
        self._rest = threading.Event()
        self._file = OpenSpool(self.folder)
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)
        self._thread.start()

    def declare(self, schema: Schema) -> None:
        """Say what the records of a version hold. Call it before the first `append` of that version."""
        with self._guard:
            self._schemas[schema.version] = spool.schema_frame(schema)

    def append(self, records: bytes, count: int = 1, *, rows: int = 0) -> int:
        """Take *count* records of a request each (see `mainspring.serve.log.record`); the last ticket, or `DROPPED`.

        They are of so many *rows* together, by default of one each. The queue's bound decides, never the disk.
        """
        rows = rows or count
        with self._guard:
            try:
                if self._pending + len(records) > self._limit or self._closing:
                    raise MemoryError
                is_full = self._gather()  # tickets are in the order of what is written
                is_full = self._put(records, count, rows) or is_full
            except (MemoryError, OSError):
                self._dropped += rows
                return DROPPED
            self._accepted = ticket = self._accepted + rows
        if self.is_durable or is_full:
            self._wake.set()
        return ticket

    def append_turn(self, turn: tuple[Any, ...], count: int) -> int:
        """Take a turn of *count* requests of a row each (see `encode_turns`); the last one's ticket, or `DROPPED`.

        Small turns are encoded several at once: of what each costs alone, most is that its code is in no cache.
        """
        is_full = False
        with self._guard:
            if self._pending >= self._limit or self._gathered >= _MOST_GATHERED or self._closing:
                self._dropped += count
                return DROPPED
            self._turns.append(turn)
            self._gathered += count
            self._accepted = ticket = self._accepted + count
            if self._gathered >= TOGETHER:
                with suppress(MemoryError, OSError):  # they wait for the next turn
                    is_full = self._gather()
        if self.is_durable or is_full:
            self._wake.set()
        return ticket

    def _gather(self) -> bool:
        """Encode the turns that wait for it; whether a block is full by that. All or nothing."""
        if not self._turns:
            return False
        is_full = self._put(encode_turns(self._turns), len(self._turns), self._gathered)
        self._turns, self._gathered = [], 0
        return is_full

    def _put(self, data: bytes, records: int, rows: int) -> bool:
        """Put so many records of so many rows into the block; whether it was full, and they are in another.

        Raises MemoryError or OSError where the system has no memory for that, and then nothing has happened.
        """
        is_full = not self._block.add(data, records, rows)
        if is_full:
            self._turn_over(len(data))
            self._block.add(data, records, rows)
        self._pending += len(data)
        return is_full

    def _turn_over(self, size: int) -> None:
        """Put the block aside to be written and go on with another, which has room for *size* bytes."""
        block = self._spare.pop() if self._spare and size <= SIZE else Block(max(size, SIZE))
        if self._block.rows:
            self._full.append(self._block)
        self._block = block

    async def durable(self, ticket: int) -> bool:
        """Wait until the record of this *ticket* is on the disk. False where the disk refuses it or it was dropped.

        After a refusal the answer is False at once until a write goes through again. A refused record stays in the
        queue and is written when the disk takes it, but nobody promised that.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bool] = loop.create_future()
        with self._guard:
            if ticket <= self._synced or self._error is not None or self._ended:
                return self._is_safe(ticket)
            self._waiting.append((ticket, loop, future))
        self._wake.set()
        return await future

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until all that was taken so far is on the disk. False where it is not after *timeout* seconds."""
        with self._guard:
            ticket = self._accepted
        until = time.monotonic() + timeout
        while self._synced < ticket:
            done = threading.Event()
            with self._guard:
                if self._ended:
                    break
                self._waiting.append((ticket, None, done))
            self._wake.set()
            left = until - time.monotonic()
            if left <= 0 or not done.wait(left):
                break
            if self._synced < ticket:
                time.sleep(min(self._interval, max(until - time.monotonic(), 0)))  # refused: try again
        return self._is_safe(ticket)

    def status(self) -> LogStatus:
        """The counters as they are now."""
        with self._guard:
            waiting = self._accepted - self._written
            in_vain = waiting if self._ended else 0
            return LogStatus(
                accepted=self._accepted,
                written=self._written,
                synced=self._synced,
                dropped=self._dropped + in_vain,
                failed=self._failed,
                pending=waiting - in_vain,
                pending_bytes=self._pending,
                error=self._error,
            )

    @property
    def dropped(self) -> int:
        """How many rows were not taken."""
        return self.status().dropped

    @property
    def failed(self) -> int:
        """How many writes the system refused."""
        return self._failed

    def close(self, timeout: float = 5.0) -> bool:
        """Take nothing more, write and sync what waits, finish the spool. Says whether everything is on the disk."""
        with self._guard:
            self._closing = True
        self._rest.set()
        self._wake.set()
        self._thread.join(timeout)
        return self._synced == self._accepted and self._lost == 0

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def _is_safe(self, ticket: int) -> bool:
        return self._lost < ticket <= self._synced

    def _run(self) -> None:
        try:
            while not self._closing:
                if self._wake.wait(self._interval):
                    self._wake.clear()
                if not self._step():
                    self._rest.wait(_PATIENCE)
            self._step(last=True)
            self._file.close()
        finally:
            with self._guard:
                self._ended = True
                self._refused = self._accepted
            self._answer()

    def _step(self, *, last: bool = False) -> bool:
        """Write what waits, sync and roll where it is time. Says whether the system took it."""
        with self._guard:
            schemas = list(self._schemas.items())
            wanted = self.is_durable or last or bool(self._waiting)
            ticket = self._accepted
            error = _failure(self._gather)
            error = _failure(lambda: self._take(wanted=wanted, last=last)) or error
        error = _failure(lambda: self._write_all(schemas)) or error
        error = _failure(lambda: self._keep(wanted=wanted, last=last)) or error
        with self._guard:
            self._error = error
            if error is not None:
                self._failed += 1
                self._refused = ticket
        self._answer()
        return error is None

    def _take(self, *, wanted: bool, last: bool) -> None:
        """Take what is to be written now. What was refused comes first: a block for each try would fill the memory."""
        if self._taken and not last:
            return
        wanted = wanted or not self._full
        self._taken, self._full = self._taken + self._full, []
        if wanted and self._block.rows:
            self._turn_over(0)
            self._taken, self._full = self._taken + self._full, []

    def _write_all(self, schemas: list[tuple[int, bytes]]) -> None:
        while self._taken:
            self._write(schemas)
            if self._file.size + SIZE > LARGEST_SPOOL:
                self._settle()
                self._file.finish()

    def _keep(self, *, wanted: bool, last: bool) -> None:
        """Sync what was written, and finish the spool, where it is time."""
        file = self._file
        roll = last or file.age() >= self._roll or file.asked_to_roll()
        if roll or wanted or file.unsynced_for() >= self._sync:
            self._settle()
        if roll:
            file.finish()

    def _write(self, schemas: list[tuple[int, bytes]]) -> None:
        """Write the first block of what was taken."""
        block = self._taken[0]
        try:
            self._file.write(schemas, block)
        finally:
            self._note_loss()
        del self._taken[0]
        with self._guard:
            self._pending -= block.size
            self._written += block.rows
            block.clear()
            if len(self._spare) < _SPARE and block.room == SIZE:
                self._spare.append(block)

    def _settle(self) -> None:
        try:
            self._file.sync()
        finally:
            self._note_loss()
            self._synced = self._written

    def _note_loss(self) -> None:
        """Of what was written and not synced nobody may be told that it is on the disk, when its file was given up."""
        if self._file.has_lost:
            self._lost, self._file.has_lost = self._written, False

    def _answer(self) -> None:
        """Tell those who wait for a ticket that is on the disk, or that has just been refused."""
        with self._guard:
            through = max(self._synced, self._refused)
            done = [each for each in self._waiting if each[0] <= through]
            if not done:
                return
            self._waiting = [each for each in self._waiting if each[0] > through]
        by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[bool], bool]]] = {}
        for ticket, loop, waiter in done:
            if isinstance(waiter, threading.Event):
                waiter.set()
            elif loop is not None:
                by_loop.setdefault(loop, []).append((waiter, self._is_safe(ticket)))
        for loop, answers in by_loop.items():
            with suppress(RuntimeError):  # the loop was closed: nobody waits any more
                loop.call_soon_threadsafe(_resolve, answers)


def _failure(work: Callable[[], object]) -> str | None:
    """Why the *work* failed, None where it did not: whatever it was, it must not reach a prediction."""
    try:
        work()
    except Exception as error:
        return str(error) or type(error).__name__
    return None


def _resolve(answers: list[tuple[asyncio.Future[bool], bool]]) -> None:
    for future, answer in answers:
        if not future.done():
            future.set_result(answer)
