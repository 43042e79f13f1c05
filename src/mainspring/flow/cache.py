"""Finding an earlier result of a step, and proving that it still holds and is still there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from mainspring.core.errors import NotFound, StoreError
from mainspring.flow.witness import is_seen, look_again

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from mainspring.contract import Contract
    from mainspring.flow.filestate import FileStates
    from mainspring.flow.fingerprint import Fingerprint
    from mainspring.ledger import Ledger
    from mainspring.ledger.ports.steps import Output, StepRecord
    from mainspring.project import Project
    from mainspring.store.store import Store

REMEMBERED_FROM = 1 << 20
"""Values from so many bytes on are not read again while the files they lie in have the times they had."""
LOOK_BACK = 10
"""So many records of a step are asked what it looked at."""

_MOST_REMEMBERED = 2_000


@dataclass(frozen=True)
class Hit:
    """An earlier record whose result holds now, and the parts of the fingerprint that prove it."""

    record: StepRecord
    fingerprint: Fingerprint


class Cache:
    """Looks results up in the ledger and checks them in the store."""

    def __init__(
        self, ledger: Ledger, store: Store, *, project: Project, states: FileStates, contract: Contract | None
    ) -> None:
        """For *project*. *contract* is None where no step takes it."""
        self._ledger = ledger
        self._store = store
        self._root = project.root
        self._states = states
        self._contract = contract
        self._health = _Health(store, project.state / "intact.json")
        shared = project.contract.project.workspace is not None
        self._experiment = project.contract.project.name if shared else None
        self._runs: dict[str, bool] = {}
        self._past: dict[str, tuple[StepRecord, ...]] = {}

    def lookup(self, label: str, fingerprint: Fingerprint, *, like: str | None = None) -> Hit | None:
        """The record of *label* that holds under *fingerprint* (with its inputs), with an intact output; or None.

        What the step looked at in its past (or that of the step *like*, for an item that is new) is looked at again.
        """
        tried: set[frozenset[str]] = set()
        for names in self._looks(label, like):
            if names in tried:
                continue
            tried.add(names)
            now = fingerprint.and_(look_again(self._root, sorted(names), self._states, self._contract))
            record = self._recorded(label, now.key)
            if record is not None and self.is_intact(record.outputs):
                return Hit(record, now)
        return None

    def history(self, label: str) -> tuple[StepRecord, ...]:
        """The last records of *label*, newest first, as they were before this run."""
        if label not in self._past:
            self._past[label] = self._asked(label)
        return self._past[label]

    def _asked(self, label: str) -> tuple[StepRecord, ...]:
        if self._experiment is None:
            return self._ledger.steps.history(label, limit=LOOK_BACK)
        # in a workspace of several projects, others may have a step of this name
        every = self._ledger.steps.history(label, limit=LOOK_BACK * 20)
        return tuple(record for record in every if self._is_ours(record.run))[:LOOK_BACK]

    def _is_ours(self, run: str) -> bool:
        if run not in self._runs:
            self._runs[run] = self._ledger.runs.get(run).experiment == self._experiment
        return self._runs[run]

    def known_seconds(self, label: str) -> float | None:
        """How long the step took when it last ran, None where that is not known."""
        return next((one.seconds for one in self.history(label) if one.status == "ran"), None)

    def is_intact(self, outputs: Iterable[Output]) -> bool:
        """Whether every value can be read back as it was written."""
        return all(self._health.is_good(output.digest, output.size) for output in outputs)

    def save(self) -> None:
        """Keep what was learnt about values, for the next run."""
        self._health.save()

    def _looks(self, label: str, like: str | None) -> Iterator[frozenset[str]]:
        for name in (label, like):
            for record in self.history(name) if name else ():
                if record.status != "failed":
                    yield seen_in(record.parts)
        yield frozenset()

    def _recorded(self, label: str, key: str) -> StepRecord | None:
        for record in self.history(label):
            if record.key == key and record.status != "failed" and record.outputs:
                return record
        return self._ledger.steps.find(key)


def seen_in(parts: Mapping[str, str]) -> frozenset[str]:
    """The names of the parts that a witness saw, out of all parts of a record."""
    return frozenset(part for part in parts if is_seen(part))


class _Health:
    """Which values were read whole and found intact, by the times of the files that they lie in."""

    def __init__(self, store: Store, memory: Path) -> None:
        self._store = store
        self._memory = memory
        self._known: dict[str, list[tuple[str, list[int]]]] | None = None
        self._changed = False

    def is_good(self, digest: str, size: int) -> bool:
        if size < REMEMBERED_FROM:
            return self._store.check(digest) is None
        remembered = self._load().get(digest)
        if remembered and all(_signature(path) == signature for path, signature in remembered):
            return True
        try:
            before = [(str(path), _signature(path)) for path in self._store.files(digest)]
        except (NotFound, StoreError, ValueError):
            return False
        if self._store.check(digest) is not None:
            return False
        if before and all(signature for _, signature in before):
            self._load().pop(digest, None)
            self._load()[digest] = before
            self._changed = True
        return True

    def save(self) -> None:
        if not self._changed or self._known is None:
            return
        newest = dict(list(self._known.items())[-_MOST_REMEMBERED:])
        temporary = self._memory.with_name(f".{self._memory.name}.{os.getpid()}.tmp")
        try:
            temporary.write_bytes(msgspec.json.encode(newest))
            temporary.replace(self._memory)
        except OSError:
            temporary.unlink(missing_ok=True)
        self._changed = False

    def _load(self) -> dict[str, list[tuple[str, list[int]]]]:
        if self._known is None:
            try:
                self._known = msgspec.json.decode(
                    self._memory.read_bytes(), type=dict[str, list[tuple[str, list[int]]]]
                )
            except (OSError, msgspec.MsgspecError):
                self._known = {}
        return self._known


def _signature(path: str | Path) -> list[int]:
    try:
        stat = os.stat(path)  # noqa: PTH116  # many per value, and Path.stat would only call this
    except OSError:
        return []
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
