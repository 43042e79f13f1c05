"""A batch from its source to a folder of Parquet parts, in an order that a kill at any moment cannot spoil."""

from __future__ import annotations

import io
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import RLock
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.core.digest import digest_bytes, digest_text
from mainspring.core.errors import InputError, Refused, listed
from mainspring.core.files import sync_folder, write_atomic
from mainspring.core.progress import progress
from mainspring.serve.batch import checkpoint as checkpoints
from mainspring.serve.batch.checkpoint import Checkpoint, Input, Part
from mainspring.serve.batch.table import ParquetTable
from mainspring.serve.log.lock import FileLock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from pathlib import Path

    import polars as pl

    from mainspring.serve.batch.scored import Scored, Scoring
    from mainspring.serve.batch.source import Piece, Source

_LEVEL = 1  # of zstd: half the time of the default for a few per cent more bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a batch came to. ``reused`` of the ``partitions`` were finished by an earlier call.

    ``rejected`` rows break the contract and have no prediction, ``flagged`` ones have one all the same; both are
    counted over the whole batch and say why in their column ``flags``. ``seconds`` are those of this call.
    """

    rows: int
    rejected: int
    flagged: int
    partitions: int
    reused: int
    versions: tuple[int, ...]
    seconds: float
    notes: tuple[str, ...] = ()


def run(
    source: Source,
    scoring: Scoring,
    folder: Path,
    *,
    partition_rows: int | None = None,
    force: bool = False,
) -> Summary:
    """Score every row of *source* into *folder*, each once, going on where an earlier call was stopped.

    A part holds *partition_rows* rows (by default as many as keep it small in memory), the input's columns and behind
    them the scoring's. The memory needed is that of about three pieces.

    Raises Refused where the folder was begun with another model, input or size of parts and *force* does not say to
    start anew, where it holds something else, or another process is at work in it. Damaged parts are scored again.
    """
    begun = time.perf_counter()
    for table in source.tables:
        if table.is_open:  # a column that is missing in the last file is better said before the first
            scoring.require(table.columns)
    checkpoints.prepare(folder)
    with _alone(folder):
        batch = _Batch(source, scoring, folder)
        batch.resume(partition_rows, force=force)
        batch.work()
    return batch.summary(time.perf_counter() - begun)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    lock = FileLock(folder / checkpoints.LOCK)
    if not lock.take():
        raise Refused(f"Another process is writing to {folder}. Wait until it has finished, or name another folder.")
    try:
        yield
    finally:
        with suppress(OSError):  # not while it is open, on Windows
            lock.path.unlink(missing_ok=True)
        lock.give_back()


@dataclass
class _Batch:
    source: Source
    scoring: Scoring
    folder: Path
    done: dict[str, Part] = field(default_factory=dict)
    reused: int = 0
    notes: list[str] = field(default_factory=list)
    first: list[str] | None = None
    state: Checkpoint = field(init=False)
    guard: RLock = field(default_factory=RLock)  # of state and done: one thread finds what is missing, one writes

    def resume(self, partition_rows: int | None, *, force: bool) -> None:
        """Take over what is finished, and put the checkpoint of this batch on the disk before its first part."""
        inputs = tuple(Input(table.name, table.size, table.digest) for table in self.source.tables)
        before = None
        try:
            before = checkpoints.load(self.folder)
        except InputError:
            if not force:
                raise
        if before is None and not force and checkpoints.begun(self.folder):
            raise Refused(
                f"{self.folder} has parts, but no {checkpoints.NAME} that says of what. Name another folder; or start "
                "anew, which removes them: --force"
            )
        if before is not None and (changed := self._changed(before, inputs, partition_rows)):
            if before.parts and not force:
                raise Refused(
                    f"The batch in {self.folder} was begun {changed}, so its parts would not fit together. Name "
                    "another folder; or start anew, which removes the parts: --force"
                )
            before = None
        if before is None:
            self.state = Checkpoint(
                model=self.scoring.identity,
                inputs=inputs,
                partition_rows=partition_rows or self.source.rows_apiece(),
            )
            self.state.save(self.folder)
        else:
            self._take_over(before)
        checkpoints.sweep(self.folder, set(self.done))

    def work(self) -> None:
        """Score what is missing: while a piece is scored, the next is read and the one before it is written."""
        with ThreadPoolExecutor(1, "batch-read") as reader, ThreadPoolExecutor(1, "batch-write") as writer:
            coming: Future[tuple[pl.DataFrame, pl.DataFrame]] | None = None
            writing: Future[None] | None = None
            missing = self._missing()
            piece = next(missing, None)
            try:
                coming = None if piece is None else reader.submit(self._read, piece)
                while piece is not None and coming is not None:
                    frame, asked = coming.result()
                    after = next(missing, None)
                    coming = None if after is None else reader.submit(self._read, after)
                    scored = self.scoring.score(asked, place=self._place(piece))
                    if replaced := [name for name in scored.columns.columns if name in frame.columns]:
                        self._note(f"{self.state.inputs[piece.place].name} had {listed(replaced)} already: replaced")
                    if writing is not None:
                        writing.result()
                        self._show()
                    writing = writer.submit(self._write, piece, frame, scored)
                    piece = after
                if writing is not None:
                    writing.result()
            finally:
                for table in self.source.tables:
                    reader.submit(table.close)
        self._end()

    def summary(self, seconds: float) -> Summary:
        """What it came to."""
        parts = list(self.done.values())
        return Summary(
            rows=sum(part.rows for part in parts),
            rejected=sum(part.rejected for part in parts),
            flagged=sum(part.flagged for part in parts),
            partitions=len(parts),
            reused=self.reused,
            versions=tuple(sorted({version for part in parts for version in part.versions})),
            seconds=seconds,
            notes=tuple(self.notes),
        )

    def _changed(self, before: Checkpoint, inputs: tuple[Input, ...], partition_rows: int | None) -> str:
        """What is not as at the beginning, in words; empty where all is."""
        if before.format < checkpoints.FORMAT and not all(
            isinstance(each, ParquetTable) for each in self.source.tables
        ):
            return "by an earlier version of Mainspring, which rewrote texts that look like numbers"
        model = self.scoring.identity
        if not _same(before.model, model):
            return f"with {_named(before.model)}; this is {_named(model)}"
        then = {each.name: each.digest for each in before.inputs}
        now = {each.name: each.digest for each in inputs}
        if list(then.items()) != list(now.items()):
            words = [
                f"{listed(names, limit=3)} {what}"
                for names, what in (
                    ([name for name in now if name in then and now[name] != then[name]], "of other contents"),
                    ([name for name in then if name not in now], "that is not there now"),
                )
                if names
            ]
            more = [name for name in now if name not in then]
            return "with " + " and with ".join(words) if words else f"without {listed(more, limit=3)}"
        if partition_rows not in (None, before.partition_rows):
            return f"with parts of {before.partition_rows:,} rows, not {partition_rows:,}"
        return ""

    def _take_over(self, before: Checkpoint) -> None:
        self.state = before
        self.done = {part.file: part for part in before.parts if checkpoints.intact(self.folder, part)}
        self.reused = len(self.done)
        if damaged := len(before.parts) - self.reused:
            self._save()
            self.notes.append(f"{damaged} finished part{'s' * (damaged > 1)} missing or damaged: scored again")

    def _missing(self) -> Iterator[Piece]:
        """The pieces that are not finished, in order. A file that is finished is not opened."""
        for place, table in enumerate(self.source.tables):
            with self.guard:
                known = self.state.inputs[place].rows
                finished = sum(part.rows for part in self.done.values() if part.input == place)
            if finished == known:
                continue
            self._count(place)
            for piece in self.source.pieces(place, self.state.partition_rows):
                if piece.file not in self.done:
                    yield piece
            table.close()  # its last piece has been read by now

    def _count(self, place: int) -> None:
        """Note how many rows a file has, what was guessed in reading it, and how it differs from the first."""
        table, name = self.source.tables[place], self.state.inputs[place].name
        rows, columns = table.rows, table.columns
        self.notes += [f"{name}: {note}" for note in table.notes]
        with self.guard:
            inputs = list(self.state.inputs)
            inputs[place] = msgspec.structs.replace(inputs[place], rows=rows)
            self.state = msgspec.structs.replace(self.state, inputs=tuple(inputs))
        if self.first is None:
            self.first = columns
        elif differs := sorted(set(self.first) ^ set(columns)):
            self.notes.append(f"{name} differs from the files before it in its columns: {listed(differs, limit=4)}")

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def _place(self, piece: Piece) -> str:
        """A name for these rows that another call gives them again, and no other rows have."""
        table = self.source.tables[piece.place]
        return digest_text(f"{table.digest} {piece.offset} {piece.rows}")[:16]

    def _read(self, piece: Piece) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The rows as they are given back, and as the model is asked about them."""
        table = self.source.tables[piece.place]
        frame = table.read(piece.offset, piece.rows)
        return frame, table.asked(frame)

    def _write(self, piece: Piece, frame: pl.DataFrame, scored: Scored) -> None:
        """The part first, then the checkpoint that names it."""
        buffer = io.BytesIO()
        whole = frame.with_columns(scored.columns.get_columns())
        whole.write_parquet(buffer, compression_level=_LEVEL)
        data = buffer.getvalue()
        write_atomic(self.folder / piece.file, data)
        sync_folder(self.folder)
        part = Part(
            file=piece.file,
            input=piece.place,
            offset=piece.offset,
            rows=piece.rows,
            rejected=scored.rejected,
            flagged=scored.flagged,
            bytes=len(data),
            digest=digest_bytes(data),
            versions=scored.versions,
        )
        with self.guard:
            self.done[piece.file] = part
            self._save()

    def _save(self, *, finished: bool = False) -> None:
        parts = tuple(self.done[name] for name in sorted(self.done))
        self.state = msgspec.structs.replace(self.state, parts=parts, finished=finished)
        self.state.save(self.folder)

    def _end(self) -> None:
        """Count once more, and say that it is finished."""
        rows = sum(part.rows for part in self.done.values())
        told = sum(each.rows or 0 for each in self.state.inputs)
        if rows != told:
            raise Refused(f"The parts in {self.folder} hold {rows:,} rows, the input {told:,}. Call again.")
        if not self.state.finished:
            self._save(finished=True)
        progress("scoring", 100, 100, f"{rows:,} rows")

    def _show(self) -> None:
        """How far it is, by the bytes of the input."""
        whole = sum(each.bytes for each in self.state.inputs) or 1
        share = 0.0
        for place, each in enumerate(self.state.inputs):
            if each.rows:
                finished = sum(part.rows for part in self.done.values() if part.input == place)
                share += each.bytes / whole * finished / each.rows
        rows = sum(part.rows for part in self.done.values())
        progress("scoring", min(99, int(100 * share)), 100, f"{rows:,} rows")


def _same(then: dict[str, Any], now: dict[str, Any]) -> bool:
    """Whether two scorings answer alike. A bundle is known by its digest, whatever it is called."""
    if "digest" in then and "digest" in now:
        return bool(then["digest"] == now["digest"])
    return then == now


def _named(model: dict[str, Any]) -> str:
    """A scoring's identity in a few words."""
    name, version, digest = model.get("model"), model.get("version"), model.get("digest")
    words = f"{name}/{version}" if version is not None else f"{name}"
    if digest:
        words += f" (bundle {digest[:12]})"
    return f"{words} through {model['through']}" if "through" in model else words
