"""From spools to segments.

What a spool holds is in the log once, wherever the process is killed: the segments and how far their spools were read
become known to the ledger in one transaction, and only then the spools go. Spools whose writer has died are taken too.
"""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from mainspring.core.errors import MainspringError, Refused
from mainspring.core.files import sync_folder
from mainspring.serve.log import columns, merge, segment, shape, spool
from mainspring.serve.log.lock import FileLock
from mainspring.serve.log.mask import Mask
from mainspring.serve.log.record import apart
from mainspring.serve.log.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from threading import Event

    import polars as pl

    from mainspring.serve.log.record import Record
    from mainspring.workspace import Workspace

FOLDER = "spool"
"""In the workspace's folder: the spools of all models."""
READ = "spool"
"""The kind of the ledger's state that says how far a source's spools were read."""
TOGETHER = 50_000
"""From so many rows on what was read is written before more is read."""

_LOCK = "compact.lock"
_DAMAGED = ".damaged"
_PARTS = 10_000
_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Compaction:
    """What one compaction did.

    ``spools`` files with ``rows`` rows became ``segments``; ``merged`` segments were put together and ``expired`` rows
    were older than they are to be kept. ``torn`` bytes at the ends of dead writers' spools were never whole,
    ``unreadable`` records could not be understood. ``damaged`` finished spools did not read to their ends: what could
    be read of them was taken, and they were put aside under that ending.
    """

    spools: int = 0
    rows: int = 0
    segments: int = 0
    merged: int = 0
    expired: int = 0
    torn: int = 0
    unreadable: int = 0
    damaged: int = 0
    seconds: float = 0.0

    def add(self, other: Compaction) -> None:
        """Count what the *other* did as well."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


def spool_root(workspace: Workspace) -> Path:
    """The folder for `mainspring.serve.log.writer.LogWriter`."""
    return workspace.root / FOLDER


def models(workspace: Workspace) -> tuple[str, ...]:
    """The models that have spools or a log, sorted."""
    root = spool_root(workspace)
    spooled = {spool.unescape(path.name) for path in root.iterdir() if path.is_dir()} if root.is_dir() else set()
    logged = {state.key for state in workspace.ledger.states.search(shape.STATE)}
    return tuple(sorted(spooled | logged))


def waiting(workspace: Workspace, model: str) -> int:
    """The bytes in the spools of *model* that no segment holds yet, also in those that are being written."""
    folder = spool_root(workspace) / spool.escape(model)
    size = 0
    for path in folder.glob("*/*"):
        try:
            size += path.stat().st_size if path.suffix in (spool.SUFFIX, spool.OPEN) else 0
        except FileNotFoundError:
            continue
    return size


def finish_spools(workspace: Workspace, model: str, *, patience: float = 2.0) -> bool:
    """Ask the living writers of *model* to finish the spools they are at; whether they all did within *patience*."""
    folder = spool_root(workspace) / spool.escape(model)
    unfinished = [path for path in folder.glob(f"*/*{spool.OPEN}") if not _is_dead(path.parent)]
    for path in unfinished:
        (path.parent / spool.ROLL).touch()
    until = time.monotonic() + patience
    while any(path.exists() for path in unfinished):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def compact(workspace: Workspace, model: str, *, patience: float = 10.0, everything: bool = False) -> Compaction:
    """Bring the finished spools of *model* into its log, merge small segments, and let go of what is too old.

    With *everything* also segments of long ago are looked at for merging. Raises Refused where another process has been
    compacting for *patience* seconds, StoreError or LedgerError where the log cannot be written: the spools then stay.
    """
    began = time.monotonic()
    with locked(workspace, model, patience=patience) as folder:
        done = _Compactor(workspace, model, folder).run()
        done.merged += merge.small_ones(workspace, model, everything=everything)
        done.expired += merge.expired(workspace, model)
        merge.clear(workspace, model)
    done.seconds = time.monotonic() - began
    return done


@contextmanager
def locked(workspace: Workspace, model: str, *, patience: float = 10.0) -> Iterator[Path]:
    """Be the only one who changes the files of the log of *model*; gives the folder of its spools."""
    folder = spool_root(workspace) / spool.escape(model)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    until = time.monotonic() + patience
    with FileLock(folder / _LOCK) as lock:
        while not lock.take():
            if time.monotonic() > until:
                raise Refused(f"Another process is compacting the log of {model}. Try again in a moment.")
            time.sleep(0.05)
        yield folder


def follow(
    workspace: Workspace,
    model: str,
    stop: Event,
    *,
    interval: float = 5.0,
    told: Callable[[Compaction | Exception], None] | None = None,
) -> None:
    """Compact every *interval* seconds until *stop* is set. Failures are *told* and tried again, never raised."""
    while not stop.wait(interval):
        try:
            result: Compaction | Exception = compact(workspace, model)
        except Exception as error:  # the endpoint goes on; spools wait until the store is back
            _log.warning("The log of %s was not compacted: %s", model, error)
            result = error
        if told is not None:
            told(result)


@dataclass(slots=True)
class _Group:
    """What was read and is not in the log yet."""

    tables: list[pl.DataFrame] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)
    damaged: list[Path] = field(default_factory=list)
    through: dict[str, int] = field(default_factory=dict)
    schemas: dict[int, Schema] = field(default_factory=dict)
    rows: int = 0


class _Compactor:
    """One pass over the spools of one model, under the model's lock."""

    def __init__(self, workspace: Workspace, model: str, folder: Path) -> None:
        self._store, self._ledger = workspace.store, workspace.ledger
        self._model = model
        self._folder = folder
        self._mask = Mask(workspace.root)
        self._group = _Group()
        self.done = Compaction()

    def run(self) -> Compaction:
        """Bring in all that is finished."""
        with ExitStack() as held:
            dead = []
            for source in sorted(path for path in self._folder.iterdir() if path.is_dir()):
                lock = held.enter_context(FileLock(source / spool.LOCK))
                is_dead = _take(lock)
                if is_dead:
                    dead.append(source)
                for path in self._unread(source, with_open=is_dead):
                    self._read(path)
                    if self._group.rows >= TOGETHER:
                        self._commit()
            self._commit()
            for source in dead:
                self._remove(source)
            self._forget()
        return self.done

    def _key(self, source: str) -> str:
        return f"{self._folder.name}/{source}"

    def _unread(self, source: Path, *, with_open: bool) -> Iterator[Path]:
        """The spools that are not in the log; one that is, because a process died before it went, goes now.

        An open one is taken where its writer has died, or is at a later one because the system refused to rename it.
        """
        state = self._ledger.states.get(READ, self._key(source.name))
        through = 0 if state is None else int(state.value["through"])
        known = [path for path in spool.spools(source, unfinished=True) if spool.number_of(path) <= through]
        self._let_go(known, [path for path in known if path.suffix == spool.SUFFIX and not spool.is_whole(path)])
        left = {spool.number_of(path): path for path in spool.spools(source, unfinished=True)}
        newest = max(left, default=0)
        for number, path in left.items():
            if path.suffix == spool.SUFFIX or with_open:
                yield path
            elif number < newest:
                yield path if path.exists() else path.with_suffix(spool.SUFFIX)  # it was renamed while we looked

    def _read(self, path: Path) -> None:
        """Take the rows of one spool into the group."""
        schemas: dict[int, Schema] = {}
        end = len(spool.MAGIC)
        tables: list[pl.DataFrame] = []
        records: list[Record] = []
        for item, position in spool.read(path):
            end = position
            if isinstance(item, Schema):
                tables += self._tables(records, schemas)
                records = []
                schemas[item.version] = self._group.schemas[item.version] = item
            else:
                records += item
        tables += self._tables(records, schemas)
        group = self._group
        left = path.stat().st_size - end
        if left > 0 and path.suffix == spool.SUFFIX:
            group.damaged.append(path)
        self.done.torn += max(left, 0)
        self.done.spools += 1
        group.tables += tables
        group.rows += sum(table.height for table in tables)
        group.paths.append(path)
        group.through[path.parent.name] = spool.number_of(path)

    def _tables(self, records: list[Record], schemas: dict[int, Schema]) -> list[pl.DataFrame]:
        made = []
        for version in dict.fromkeys(record.version for record in records):
            its = [record for record in records if record.version == version]
            schema = schemas.get(version)
            if schema is None:
                self.done.unreadable += sum(record.count for record in its)
                continue
            made += self._made(its, schema)
        return made

    def _made(self, records: list[Record], schema: Schema) -> list[pl.DataFrame]:
        """The table of the *records*; where one of them cannot be read, the tables of those around it."""
        try:
            return [columns.table(schema, records, self._mask)]
        except (OSError, MainspringError, MemoryError):
            raise  # nothing is wrong with the records: they wait until the key can be read again
        except Exception as error:  # whatever one record holds, it must not stop all that come after it
            if len(records) == 1:
                records = apart(records[0])
            half = len(records) // 2
            if half:
                return self._made(records[:half], schema) + self._made(records[half:], schema)
            self.done.unreadable += 1
            _log.warning("A logged prediction of %s cannot be read: %s: %s", self._model, type(error).__name__, error)
            return []

    def _commit(self) -> None:
        """Make the group part of the log, then let its spools go."""
        group, self._group = self._group, _Group()
        if group.rows:
            source, through = next(iter(group.through.items()))
            rows = columns.stacked(group.tables)
            seen = dict(rows.schema)
            group.tables.clear()
            made = [
                segment.write(
                    self._store, part, model=self._model, kind="predictions", source=source,
                    sequence=through * _PARTS + number,
                )
                for number, part in enumerate(segment.pieces(rows, by_hour=True))
            ]  # fmt: skip
            with self._ledger.together():
                shape.widen(self._ledger, self._model, seen, *group.schemas.values())
                for name, number in group.through.items():
                    self._ledger.states.put(READ, self._key(name), {"through": number})
                self._ledger.segments.add(*made)
            self.done.rows += group.rows
            self.done.segments += len(made)
        self._let_go(group.paths, group.damaged)

    def _let_go(self, paths: list[Path], damaged: list[Path]) -> None:
        """Remove spools whose rows are in the log; a damaged one is put aside, for there was more in it."""
        for path in damaged:
            self.done.damaged += 1
            _log.error("The spool %s is damaged; it was put aside with the ending %s.", path, _DAMAGED)
            path.rename(path.with_suffix(_DAMAGED))
        _unlink(paths)

    def _remove(self, source: Path) -> None:
        """Remove the folder of a dead writer, if nothing is left in it."""
        for name in (spool.ROLL, spool.LOCK):
            (source / name).unlink(missing_ok=True)
        try:
            source.rmdir()
        except OSError:
            return  # a damaged spool is kept there
        sync_folder(self._folder)

    def _forget(self) -> None:
        """Forget how far the spools of writers were read whose folders are gone."""
        for state in self._ledger.states.search(READ, self._key("")):
            if not (self._folder / state.key.rpartition("/")[2]).is_dir():
                self._ledger.states.delete(READ, state.key)


def _take(lock: FileLock) -> bool:
    try:
        return lock.take()
    except FileNotFoundError:
        return False


def _is_dead(source: Path) -> bool:
    with FileLock(source / spool.LOCK) as lock:
        return _take(lock)


def _unlink(paths: list[Path]) -> None:
    """Remove the files for good: a power cut must not bring one back when the ledger has forgotten it."""
    for path in paths:
        path.unlink(missing_ok=True)
    for folder in {path.parent for path in paths}:
        sync_folder(folder)
