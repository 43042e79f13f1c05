"""Facts from training go to the ledger in the background: logging never waits for the disk and never raises.

A call puts the fact into a queue in memory; a thread writes what has gathered in one transaction, every
``GATHER_SECONDS``. So kill -9 loses at most that much, and `flush` says when everything is durable. A ledger that
cannot write costs nothing but a warning: facts wait, up to ``MOST_WAITING`` of them, and are tried again.
"""

from __future__ import annotations

import atexit
import logging
import math
import time
import weakref
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Condition, Event, Lock, Thread
from typing import TYPE_CHECKING, Any, Self, cast

from mainspring.core.errors import MainspringError, NotFound
from mainspring.ledger.identity import new_id
from mainspring.ledger.ports.runs import Point

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mainspring.core.recording import Param, Recorder
    from mainspring.ledger.ledger import Ledger
    from mainspring.ledger.ports.runs import RunStatus

GATHER_SECONDS = 0.05
"""So long facts gather before they are written."""
MOST_WAITING = 2_000_000
"""More facts than these are not kept in memory; the oldest go first."""
RETRY_SECONDS = 1.0
FLUSH_SECONDS = 30.0

_log = logging.getLogger("mainspring.recorder")


@dataclass(slots=True)
class _Facts:
    """What has gathered for one run."""

    params: dict[str, Param] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    points: list[Point] = field(default_factory=list)


class Shipper:
    """Carries facts of any number of runs to one ledger, in the order they came. Safe for several threads."""

    def __init__(self, ledger: Ledger) -> None:
        """Begin with an empty queue; the thread starts with the first fact."""
        self._ledger = ledger
        self._queue: deque[tuple[Any, ...]] = deque()
        self._wake = Event()
        self._done = Condition(Lock())
        self._pushed = 0
        self._shipped = 0
        self._thread: Thread | None = None
        self._starting = Lock()
        self._closed = False
        self.lost = 0
        _open_shippers.add(self)

    def push(self, *fact: Any) -> None:
        """Queue a fact and return at once."""
        if len(self._queue) >= MOST_WAITING:
            self._queue.popleft()
            self.lost += 1
            self._shipped += 1
        self._queue.append(fact)
        self._pushed += 1
        if self._thread is None:
            self._start()
        if not self._wake.is_set():
            self._wake.set()

    def flush(self, seconds: float = FLUSH_SECONDS) -> bool:
        """Wait until everything pushed so far is durable, at most *seconds*. Whether it is."""
        goal = self._pushed
        with self._done:
            self._hurry = True
            self._wake.set()
            return self._done.wait_for(lambda: self._shipped >= goal, timeout=seconds)

    def close(self, seconds: float = FLUSH_SECONDS) -> bool:
        """Flush and end the thread. Whether everything is durable."""
        whole = self.flush(seconds) if self._queue or self._shipped < self._pushed else True
        self._closed = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=seconds)
        return whole

    _hurry = False

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = Thread(target=self._work, name="mainspring-recorder", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while True:
            self._wake.wait()
            if not self._closed and not self._hurry:
                time.sleep(GATHER_SECONDS)
            self._wake.clear()
            self._hurry = False
            batch: list[tuple[Any, ...]] = []
            while self._queue:
                batch.append(self._queue.popleft())
            if batch:
                self._ship(batch)
            if self._closed and not self._queue:
                return

    def _ship(self, batch: list[tuple[Any, ...]]) -> None:
        """Write *batch*, again and again until it is written, or the process ends."""
        warned = False
        while True:
            try:
                with self._ledger.together():
                    self._write(batch)
                break
            except (NotFound, ValueError, TypeError):
                self._ship_singly(batch)
                break
            except Exception as error:  # training goes on whatever the ledger does
                if not warned:
                    _log.warning("Facts of this run wait in memory, the ledger does not take them: %s", error)
                    warned = True
                if self._closed:
                    self.lost += len(batch)
                    return
                time.sleep(RETRY_SECONDS)
        with self._done:
            self._shipped += len(batch)
            self._done.notify_all()

    def _ship_singly(self, batch: list[tuple[Any, ...]]) -> None:
        """One fact of the batch is bad: write each by itself and drop what is refused."""
        for fact in batch:
            try:
                self._write([fact])
            except (MainspringError, ValueError, TypeError) as error:
                self.lost += 1
                _log.warning("A fact was refused and dropped: %s", error)

    def _write(self, batch: list[tuple[Any, ...]]) -> None:
        gathered: dict[str, _Facts] = {}

        def give(run: str) -> None:
            facts = gathered.pop(run, None)
            if facts is not None:
                self._ledger.runs.log(run, params=facts.params, metrics=facts.points, tags=facts.tags)

        for kind, run, *rest in batch:
            if kind == "create":
                name, parent, experiment, moment = rest
                give(parent)
                self._ledger.runs.create(
                    id=run, name=name, kind="trial", parent=parent, experiment=experiment, started=_moment(moment)
                )
                continue
            if kind == "finish":
                give(run)
                self._ledger.runs.finish(run, status=rest[0], finished=_moment(rest[1]))
                continue
            facts = gathered.get(run) or gathered.setdefault(run, _Facts())
            if kind == "metric":
                name, value, step, moment = rest
                facts.points.append(Point(name=name, value=float(value), step=int(step), time=_moment(moment)))
            elif kind == "params":
                facts.params.update({key: value for key, value in rest[0].items() if key not in facts.params})
            else:
                facts.tags.update(rest[0])
        for run in list(gathered):
            give(run)


class RunRecorder:
    """A run of the ledger as a `mainspring.core.recording.Recorder`. Cheap to make; safe for several threads."""

    def __init__(
        self, ledger: Ledger, run: str, *, experiment: str = "default", shipper: Shipper | None = None
    ) -> None:
        """Record for the existing *run*. Children share the *shipper* and come under the same *experiment*."""
        self.id = run
        self._experiment = experiment
        self._ledger = ledger
        self._shipper = shipper or Shipper(ledger)
        self._push: Callable[..., None] = self._shipper.push

    def log_params(self, params: Mapping[str, Param]) -> None:
        """Record parameters."""
        self._push("params", self.id, {str(name): _plain(value) for name, value in params.items()})

    def log_metric(self, name: str, value: float, *, step: int = 0) -> None:
        """Append one point."""
        self._push("metric", self.id, name, value, step, time.time())

    def log_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags."""
        self._push("tags", self.id, {str(name): str(value) for name, value in tags.items()})

    def child(self, name: str) -> RunRecorder:
        """Open a child run."""
        made = RunRecorder(self._ledger, new_id(), experiment=self._experiment, shipper=self._shipper)
        self._push("create", made.id, name, self.id, self._experiment, time.time())
        return made

    def finish(self, status: str = "finished") -> None:
        """Close the run."""
        self._push("finish", self.id, cast("RunStatus", status), time.time())

    def flush(self, seconds: float = FLUSH_SECONDS) -> bool:
        """Wait until everything said so far is durable, at most *seconds*. Whether it is."""
        return self._shipper.flush(seconds)

    def close(self, seconds: float = FLUSH_SECONDS) -> bool:
        """Flush and end the background thread, which children share. Whether everything is durable."""
        return self._shipper.close(seconds)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()


_open_shippers: weakref.WeakSet[Shipper] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """What still waits when the process ends in an orderly way is written."""
    for shipper in list(_open_shippers):
        shipper.close(seconds=5.0)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _plain(value: Any) -> Param:
    """A parameter as JSON can hold it: NumPy numbers as numbers, anything unknown as its text."""
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)


if TYPE_CHECKING:

    def _fits(recorder: RunRecorder) -> Recorder:
        return recorder
