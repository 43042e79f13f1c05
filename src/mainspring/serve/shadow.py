"""Versions that are asked and never answer: scored after the answer, on a thread of their own, many rows at once."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from mainspring.serve.endpoint import UNREADABLE, Asked, made, record_of
from mainspring.serve.problem import Problem
from mainspring.serve.rows import judge
from mainspring.serve.traffic import Chosen

if TYPE_CHECKING:
    from mainspring.serve.log.writer import LogWriter
    from mainspring.serve.served import Served
    from mainspring.serve.traffic import Deployment

WAITING = 1_000
WAITING_ROWS = 20_000
WAITING_BYTES = 32 * 1024 * 1024
"""So many requests, rows and bytes wait at most; beyond that requests are passed over and counted."""
CELL = 64
"""A value that was read takes about so many bytes."""
REST = 0.005


class Shadows:
    """Asks the shadow versions what the champion was asked. Nothing that goes wrong here reaches an answer.

    ``asked`` and ``failed`` count rows by version; ``passed_over`` counts requests that came too fast.
    """

    def __init__(self, log: LogWriter | None) -> None:
        """Write what they say to *log*."""
        self.live: Deployment | None = None
        self.asked: dict[int, int] = {}
        self.failed: dict[int, int] = {}
        self.passed_over = 0
        self._log = log
        self._waiting: deque[Asked] = deque()
        self._taken = [0, 0]  # rows and bytes; each of the two lists is written by one thread alone
        self._done = [0, 0]
        self._wake = threading.Event()
        threading.Thread(target=self._run, name="shadows", daemon=True).start()

    def offer(self, asked: Asked) -> None:
        """Take note of a request that was answered. Never waits."""
        if self.live is None or not self.live.shadows:
            return
        rows, size = (taken - done for taken, done in zip(self._taken, self._done, strict=True))
        more = _size(asked)
        if len(self._waiting) >= WAITING or rows + asked.count > WAITING_ROWS or size + more > WAITING_BYTES:
            self.passed_over += 1
            return
        self._taken = [self._taken[0] + asked.count, self._taken[1] + more]
        self._waiting.append(asked)
        self._wake.set()

    @property
    def waiting(self) -> int:
        """How many requests are to be asked yet."""
        return len(self._waiting)

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            time.sleep(REST)  # others gather, and whoever was answered is not held up by this thread
            while self._waiting:
                asked = self._waiting.popleft()
                if (live := self.live) is not None:
                    for served in live.shadows:
                        self._ask(live, served, asked)
                self._done = [self._done[0] + asked.count, self._done[1] + _size(asked)]

    def _ask(self, live: Deployment, served: Served, asked: Asked) -> None:
        start = time.perf_counter()
        try:
            shadow = _as_asked(live, served, asked)
            scored = served.score(shadow.matrix)
            if self._log is not None:
                self._log.append(record_of(shadow, scored, time.perf_counter() - start), rows=asked.count)
        except Exception:  # a boundary: a shadow may do whatever it likes but disturb
            self.failed[served.version] = self.failed.get(served.version, 0) + asked.count
        else:
            self.asked[served.version] = self.asked.get(served.version, 0) + asked.count


def _size(asked: Asked) -> int:
    """About how many bytes a request holds while it waits."""
    features = asked.features
    held = len(features) if isinstance(features, bytes) else CELL * asked.count * len(asked.served.fields)
    return int(asked.matrix.nbytes) + held


def _as_asked(live: Deployment, served: Served, asked: Asked) -> Asked:
    """The same rows as *served* takes them. Its contract may be another one than the champion's."""
    import numpy as np

    features: Any = asked.features
    flags = None
    if isinstance(features, bytes):
        try:
            typed = served.compiled.rows(features) if asked.rows else [served.compiled.row(features)]
            matrix = served.matrix(typed)
            return _made(live, served, asked, matrix, features, None)
        except UNREADABLE:
            import msgspec

            found = msgspec.json.decode(features)
            rows = found if asked.rows else [found]
    else:
        names = [field.name for field in asked.served.fields]
        rows = [dict(zip(names, row, strict=True)) for row in (features if asked.rows else [features])]
    try:
        judged = judge(served.fields, rows)
    except Problem as problem:
        raise ValueError(str(problem)) from problem
    matrix = np.array(judged.numbers, np.float32).reshape(len(rows), served.width)
    flags = judged.flags
    return _made(live, served, asked, matrix, judged.sent if asked.rows else judged.sent[0], flags)


def _made(
    live: Deployment, served: Served, asked: Asked, matrix: Any, features: Any, flags: list[str | None] | None
) -> Asked:
    chosen = Chosen(served, "shadow", asked.identity)
    return made(live, chosen, asked.request, asked.rows, matrix, asked.entity, features, flags)
