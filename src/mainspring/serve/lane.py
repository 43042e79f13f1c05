"""The quick lane: one row of JSON in, one answer out, without the framework between.

Rows that arrive in one turn of the event loop are scored together, which costs hardly more than scoring one; nobody
waits for others to come. A slow model is scored on a thread, and the rows that come meanwhile are its next turn.
"""

from __future__ import annotations

import time
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from mainspring.serve.endpoint import NOT_LOGGED, UNREADABLE, Asked, failed
from mainspring.serve.log.identity import entity_text, key_of, new_id
from mainspring.serve.log.writer import DROPPED
from mainspring.serve.problem import busy
from mainspring.serve.reply import PREDICT, refusal
from mainspring.serve.served import Scored
from mainspring.serve.traffic import Chosen
from mainspring.serve.works import Works, is_small, late

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence
    from concurrent.futures import Executor

    from mainspring.serve.endpoint import Endpoint
    from mainspring.serve.log.record import Role
    from mainspring.serve.log.writer import LogWriter
    from mainspring.serve.served import Aside, Served
    from mainspring.serve.traffic import Deployment

TURN = 64
"""So many rows are scored at once at most on the loop."""
LOST = b"x-mainspring-log: lost\r\n"
"""Tells in durable mode that the answer could not be put on the disk."""


class Connection(Protocol):
    """Who asked."""

    def answer(self, status: int, body: bytes, headers: bytes = b"") -> None:
        """Send the answer."""


class Item(NamedTuple):
    """A row that waits for its turn."""

    connection: Connection
    identity: str
    entity: Any
    body: bytes
    started: float
    request: str
    echo: bytes


class Queue:
    """The rows that wait for one version.

    ``working`` are those that a thread scores now, ``late`` the ids of those that were told meanwhile that it takes
    too long.
    """

    def __init__(self, served: Served, role: Role, capacity: int, aside: Aside | None = None) -> None:
        """Hold at most *capacity* rows, of which *aside* is missing to the version."""
        import numpy as np

        self.served, self.role, self.capacity, self.aside = served, role, capacity, aside
        self.flag = None if aside is None else aside.flag
        self.items: list[Item] = []
        self.working: list[Item] = []
        self.late: set[str] = set()
        self.matrix = np.empty((capacity, served.width), np.float32)
        self.view = self.matrix.data.cast("B") if self.matrix.size else memoryview(bytearray())
        self.step = 4 * served.width
        self.is_slow = served.pace.is_slow
        self.is_at_work = False


class Lane:
    """The quick lane of one worker."""

    def __init__(self, endpoint: Endpoint, loop: asyncio.AbstractEventLoop, pool: Executor) -> None:
        """Score for *endpoint* on *loop*; slow models in *pool*."""
        self.endpoint = endpoint
        self._loop = loop
        self._pool = pool
        self._live: Deployment | None = None
        self._queues: dict[tuple[int, str, int], Queue] = {}
        self._champion: Queue | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        limits = endpoint.limits
        self.works = Works(pool, most=limits.queue, timeout=limits.timeout)

    @property
    def waiting(self) -> int:
        """How many rows wait."""
        return self.works.waiting + sum(len(queue.items) for queue in self._queues.values())

    def take(self, connection: Connection, body: bytes, started: float, request: str, echo: bytes) -> None:
        """Answer the row in *body* soon; *echo* is a header line to send back."""
        live = self.endpoint.deployment
        if live is not self._live:
            self._follow(live)
        queue = self._champion
        if live is None or queue is None or live.fallback is not None:
            self._plainly(connection, body, started, request, echo)
            return
        identity = new_id()
        try:
            compiled = queue.served.compiled
            typed = compiled.row(body)
            entity = compiled.entity(typed)
            if live.is_split:
                queue = self._chosen(live, key_of(entity, identity))
                if queue.served is not live.champion:
                    compiled = queue.served.compiled
                    typed = compiled.row(body)
            waiting = len(queue.items)
            if waiting >= queue.capacity:
                problem = busy(chosen=Chosen(queue.served, queue.role, identity))
                self._refuse(connection, problem, started, request, echo)
                return
            compiled.into(typed, queue.view, waiting * queue.step)
        except UNREADABLE:
            self._plainly(connection, body, started, request, echo, identity)
            return
        queue.items.append(Item(connection, identity, entity, body, started, request, echo))
        if waiting == 0 and not queue.is_at_work:
            self._loop.call_soon(self._turn, queue)
        elif waiting + 1 == queue.capacity and not queue.is_slow:
            self._turn(queue)

    def settle(self) -> None:
        """Answer at once whoever waits and can be answered without a thread."""
        for queue in self._queues.values():
            if queue.items and not queue.is_slow:
                self._turn(queue)

    def tick(self, now: float) -> None:
        """Tell those who have waited for a slow model until *now* and longer than a request may take."""
        before = now - self.endpoint.limits.timeout
        for queue in list(self._queues.values()):
            if not queue.is_slow:
                continue
            old = [item for item in queue.working if item.started < before and item.identity not in queue.late]
            queue.late.update(item.identity for item in old)
            kept = [place for place, item in enumerate(queue.items) if item.started >= before]
            if len(kept) < len(queue.items):
                old += [item for item in queue.items if item.started < before]
                queue.items = [queue.items[place] for place in kept]
                queue.matrix[: len(kept)] = queue.matrix[kept]
            self._failed(queue, old, late(self.endpoint.limits.timeout))

    def _follow(self, live: Deployment | None) -> None:
        """Make queues for the versions that are live now; those before keep theirs until they are empty."""
        self._live = live
        self._queues = {key: queue for key, queue in self._queues.items() if queue.items or queue.is_at_work}
        self._champion = None if live is None else self._queue(live, live.champion, "champion")

    def _chosen(self, live: Deployment, key: str) -> Queue:
        served, role = live.choose(key)
        return self._queue(live, served, role)

    def _queue(self, live: Deployment, served: Served, role: Role) -> Queue:
        aside = live.asides.get(served.version)
        key = (id(served), role, id(aside))
        queue = self._queues.get(key)
        if queue is None:
            capacity = self.endpoint.limits.queue if served.pace.is_slow else TURN
            queue = self._queues[key] = Queue(served, role, capacity, aside)
        return queue

    def _turn(self, queue: Queue) -> None:
        """Score and answer all that waits in *queue*."""
        items = queue.items
        if not items:
            return
        queue.items = []
        matrix = queue.matrix[: len(items)]
        if queue.aside is not None:
            queue.aside.blank(matrix)
        if queue.is_slow:
            queue.is_at_work, queue.working = True, items
            self._later(self._slowly(queue, items, matrix.copy()))
            return
        start = time.perf_counter()
        try:
            scored = queue.served.score_each(matrix)
            bodies = _written(queue, items, scored)
        except Exception as error:  # whatever a library raises, the connections must be answered
            self._failed(queue, items, error)
            return
        self._answer(queue, items, scored, bodies, start)

    async def _slowly(self, queue: Queue, items: list[Item], matrix: Any) -> None:
        start = time.perf_counter()
        try:
            scored = await self._loop.run_in_executor(self._pool, queue.served.score_each, matrix)
            if queue.late:
                kept = [place for place, item in enumerate(items) if item.identity not in queue.late]
                items = [items[place] for place in kept]
                scores = None if scored.scores is None else [scored.scores[place] for place in kept]
                scored = Scored([scored.values[place] for place in kept], scores)
            bodies = _written(queue, items, scored)
        except Exception as error:
            self._failed(queue, [item for item in items if item.identity not in queue.late], error)
        else:
            if items:
                self._answer(queue, items, scored, bodies, start)
        finally:
            queue.is_at_work, queue.working = False, []
            queue.late.clear()
            self._turn(queue)

    def _answer(self, queue: Queue, items: list[Item], scored: Scored, bodies: list[bytes], start: float) -> None:
        """Send, count and log the answers of one turn: who waits need not wait for the log, unless it is durable."""
        log, served = self.endpoint.log, queue.served
        now, clock = time.perf_counter(), time.time_ns() // 1000
        connections, ids, entities, rows, begun, requests, echoes = zip(*items, strict=True)
        is_durable = log is not None and log.is_durable
        if not is_durable:
            for connection, body, echo in zip(connections, bodies, echoes, strict=True):
                connection.answer(200, body, echo)
        latencies = [now - each for each in begun]
        self._count(queue, latencies, now - start)
        if log is not None:
            named = None if served.compiled.entity_name is None else [entity_text(each) for each in entities]
            micros = [each * 1e6 for each in latencies]
            own = requests if any(requests) else ""
            version, role, flag = served.version, queue.role, queue.flag
            turn = (ids, clock, version, role, named, rows, scored.values, scored.scores, micros, 200, flag, own)
            ticket = log.append_turn(turn, len(items)) if len(items) <= TURN else _in_parts(log, turn)
            if is_durable:
                self._later(self._when_kept([*zip(connections, repeat(200), bodies, echoes, strict=False)], ticket))
        shadows = self.endpoint.shadows
        if shadows is not None and queue.role == "champion":
            for item in items:
                nothing = queue.matrix[:0]
                shadows.offer(
                    Asked(served, queue.role, item.identity, item.request, 0, nothing, item.entity, item.body)
                )

    def _count(self, queue: Queue, latencies: list[float], seconds: float) -> None:
        """Count a turn that was scored in so many *seconds*, and its requests."""
        tally = self.endpoint.tally
        tally.scored(queue.served.version, queue.role, len(latencies), seconds)
        tally.together(PREDICT, 200, latencies)

    async def _when_kept(self, replies: list[tuple[Connection, int, bytes, bytes]], ticket: int) -> None:
        """Answer when the records are on the disk; where it refuses them, answer all the same and say so."""
        log = self.endpoint.log
        kept = log is None or await log.durable(ticket)
        for connection, status, body, headers in replies:
            connection.answer(status, body, headers if kept else headers + LOST)

    def _plainly(
        self, connection: Connection, body: bytes, started: float, request: str, echo: bytes, identity: str = ""
    ) -> None:
        """What the quick way does not take: several rows, odd forms of values, values that break the contract."""
        endpoint = self.endpoint
        live = endpoint.deployment
        small = is_small(body)
        if not small or (live is not None and any(served.pace.is_slow for served in live.versions.values())):
            self._later(self._apart(connection, body, started, request, echo, identity, whole=not small))
            return
        try:
            asked = endpoint.ask(body, request, identity=identity)
            scored, data = endpoint.say(asked, endpoint.render)
        except Exception as error:
            self._refuse(connection, error, started, request, echo)
            return
        self._done(connection, asked, scored, data, started, echo)

    async def _apart(
        self, connection: Connection, body: bytes, started: float, request: str, echo: bytes, identity: str,
        *, whole: bool,
    ) -> None:  # fmt: skip
        endpoint = self.endpoint
        read = partial(endpoint.ask, body, request, identity=identity)
        try:
            asked, scored, data = await self.works.answer(endpoint, read, endpoint.render, whole=whole)
        except Exception as error:
            self._refuse(connection, error, started, request, echo)
            return
        self._done(connection, asked, scored, data, started, echo)

    def _done(
        self, connection: Connection, asked: Asked, scored: Scored, data: bytes, started: float, echo: bytes
    ) -> None:
        endpoint = self.endpoint
        latency = time.perf_counter() - started
        endpoint.tally.request(PREDICT, 200, latency)
        ticket = endpoint.record(asked, scored, latency)
        if endpoint.log is not None and endpoint.log.is_durable:
            self._later(self._when_kept([(connection, 200, data, echo)], ticket))
        else:
            connection.answer(200, data, echo)

    def _refuse(
        self, connection: Connection, error: Exception, started: float, request: str, echo: bytes,
        chosen: Chosen | None = None,
    ) -> None:  # fmt: skip
        problem, log = failed(error), self.endpoint.log
        latency = time.perf_counter() - started
        ticket = self.endpoint.refused(problem, latency, request, chosen)
        self.endpoint.tally.request(PREDICT, problem.status, latency)
        status, body, headers, _ = refusal(problem, PREDICT)
        if log is not None and log.is_durable and ticket != NOT_LOGGED:
            self._later(self._when_kept([(connection, status, body, headers + echo)], ticket))
        else:
            connection.answer(status, body, headers + echo)

    def _failed(self, queue: Queue, items: list[Item], error: Exception) -> None:
        if items:
            problem = failed(error)
            for item in items:
                chosen = Chosen(queue.served, queue.role, item.identity)
                self._refuse(item.connection, problem, item.started, item.request, item.echo, chosen)

    def _later(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _written(queue: Queue, items: list[Item], scored: Scored) -> list[bytes]:
    """The answers to *items*."""
    answer, flag = queue.served.answer, queue.flag
    scores: Sequence[list[float] | None] = scored.scores or [None] * len(items)
    return [
        answer(item.identity, value, chances, flag).encode()
        for item, value, chances in zip(items, scored.values, scores, strict=True)
    ]


def _in_parts(log: LogWriter, turn: tuple[Any, ...]) -> int:
    """Log a long turn of a slow model as several, each of which the log takes or not; the ticket of all."""
    ticket = 0
    for begin in range(0, len(turn[0]), TURN):
        part = slice(begin, begin + TURN)
        some = tuple(each[part] if isinstance(each, list | tuple) else each for each in turn)
        taken = log.append_turn(some, len(some[0]))
        ticket = DROPPED if DROPPED in (ticket, taken) else taken
    return ticket
