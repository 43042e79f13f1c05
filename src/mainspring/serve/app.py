"""The ASGI application of one worker: routes, who may ask, and answers. No framework."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from functools import partial
from typing import TYPE_CHECKING, Any

from mainspring.serve import memory
from mainspring.serve.endpoint import NOT_LOGGED, Endpoint
from mainspring.serve.exchange import Gone, Reply, Request, unkept
from mainspring.serve.guard import Guard
from mainspring.serve.journal import journal
from mainspring.serve.lane import Lane
from mainspring.serve.problem import Problem
from mainspring.serve.reply import PREDICT, refusal
from mainspring.serve.routes import Routes
from mainspring.serve.works import Works, is_small

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from mainspring.serve.endpoint import Asked
    from mainspring.serve.log.writer import LogWriter
    from mainspring.serve.meter import Tally
    from mainspring.serve.served import Scored
    from mainspring.serve.settings import Settings
    from mainspring.serve.telemetry import Telemetry

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

SMALL_BODY = 64 * 1024
"""A body up to so many bytes may be read on the loop, and waits with the single rows; larger ones wait apart."""
CROWD = 64
"""When half of so many connections, or of more, are gone, what they took is given back to the system."""


class App:
    """One worker's application. `mainspring.serve.protocol` asks it for the lane and the bounds.

    ``quick`` is the route of the quick lane, empty where a platform means something else by it. ``held`` are the bytes
    of bodies that are being received, ``head`` begins every answer of the quick lane, and ``grace`` is how long an idle
    connection is kept when the worker ends. ``unread``: how many requests were turned away in this second before they
    were read, by status.
    """

    def __init__(self, settings: Settings, *, log: LogWriter | None = None) -> None:
        """Made before there is an event loop; `start` is called when there is one."""
        self.settings = settings
        self.limits = settings.limits
        self.endpoint = Endpoint(settings.limits, log=log)
        self.tally: Tally = self.endpoint.tally
        extra = [route for route in (settings.health_route,) if route]
        self.guard = Guard(token=settings.token, hosts=settings.hosts, open_routes=extra)
        self.routes = Routes(self)
        self.telemetry: Telemetry | None = None
        self.quick = b"" if settings.predict_route == PREDICT else PREDICT.encode()
        self.held = 0
        self.unread: dict[int, int] = {}
        self.labelling = 0
        self.grace = 0.5
        self.is_ending = False
        self.head = b""
        self.pool = ThreadPoolExecutor(1, thread_name_prefix="scoring")
        self.works = Works(self.pool, most=settings.limits.jobs, timeout=settings.limits.timeout)
        self.lane: Lane
        self.connections: set[Any] = set()
        self._loop: asyncio.AbstractEventLoop
        self._crowd = 0  # so many connections there have been since memory was given back

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Open the quick lane on *loop*."""
        self._loop = loop
        self.lane = Lane(self.endpoint, loop, self.pool)
        self.tick()

    def tick(self) -> None:
        """What is due once a second: the date, clients that keep us waiting, connections nobody uses."""
        date = formatdate(time.time(), usegmt=True)
        self.head = f"HTTP/1.1 200 OK\r\ndate: {date}\r\ncontent-type: application/json\r\n".encode()
        now = time.perf_counter()
        self.lane.tick(now)
        self.keep_unread()
        for connection in list(self.connections):
            problem = connection.overdue(now)
            if problem is not None:
                self.tally.request("(none)", 408, now - connection.begun)
                connection.refuse(problem)
            elif connection.is_stuck(now):
                connection.transport.abort()
            elif connection.is_idle(now):
                connection.transport.close()
        self._crowd = max(self._crowd, len(self.connections))
        if self._crowd >= CROWD and len(self.connections) <= self._crowd // 2:
            self._crowd = len(self.connections)
            self._loop.run_in_executor(None, memory.give_back)

    def turned_away(self, status: int, path: str, *, is_post: bool) -> None:
        """Count a request that is turned away unread: for want of room whatever it asks, else if it is for us."""
        if status in (429, 503) or (is_post and self.routes.scores(path)):
            self.unread[status] = self.unread.get(status, 0) + 1

    def keep_unread(self) -> None:
        """Log what was turned away since the last time."""
        unread, self.unread = self.unread, {}
        self.endpoint.turned_away(unread)

    def is_traced(self, headers: list[tuple[bytes, bytes]]) -> bool:
        """Whether this request is to be traced, which the quick lane does not do."""
        return self.telemetry is not None and self.telemetry.is_sampled(headers)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return
        request = Request(scope["method"], scope["path"], scope["query_string"], {}, started=time.perf_counter())
        traced = self.telemetry is not None and scope.get("mainspring.traced", False)
        trace = self.telemetry.begin(request, scope["headers"]) if traced and self.telemetry is not None else None
        try:
            reply = await self._reply(request, scope["headers"], receive)
        except Gone:
            return
        except Problem as problem:
            reply = await self._refused(problem, request)
        except Exception as error:  # a boundary: whatever happens, the client gets an answer and we go on
            journal().error("request failed", route=request.route, error=f"{type(error).__name__}: {error}")
            failure = Problem(500, "The request failed here. The server's log says why.")
            reply = await self._refused(failure, request)
        self.tally.request(request.route, reply.status, time.perf_counter() - request.started)
        if trace is not None:
            trace.end(reply.status, request.route)
        await _send(send, request, reply)
        journal().debug("request", method=request.method, route=request.route, status=reply.status)

    async def _refused(self, problem: Problem, request: Request) -> Reply:
        kept = True
        if request.is_scoring and problem.status not in (401, 403, 405):
            kept = await self._kept(
                self.endpoint.refused(problem, time.perf_counter() - request.started, request.identity)
            )
        status, body, _, kind = refusal(problem, request.path if request.route == "(none)" else request.route)
        headers = problem.headers | ({"connection": "close"} if problem.close else {})
        return Reply(body, status, kind, headers | unkept(kept))

    async def _kept(self, ticket: int) -> bool:
        """In durable mode, whether the record of this ticket came to the disk; it is waited for."""
        log = self.endpoint.log
        return log is None or not log.is_durable or ticket == NOT_LOGGED or await log.durable(ticket)

    async def _reply(self, request: Request, headers: list[tuple[bytes, bytes]], receive: Receive) -> Reply:
        self.guard.check(request.method.encode("latin-1"), request.path, headers)
        request.headers = dict(headers)
        given = request.headers.get(b"x-request-id", b"")
        request.identity = given.decode("ascii", "replace") if 0 < len(given) <= 128 and given.isascii() else ""
        handler = self.routes.find(request)
        request.is_scoring = request.method == "POST" and self.routes.scores(request.path)
        if request.method in ("POST", "PUT", "PATCH", "DELETE"):
            if request.headers.get(b"content-encoding", b"identity") not in (b"identity", b""):
                raise Problem(415, "Compressed bodies are not taken: send the body as it is.")
            request.body = await self._body(receive)
        return await handler(request)

    async def _body(self, receive: Receive) -> bytes:
        """The whole body. The connection bounds its size and its time; outside of a connection of ours this does."""
        chunks: list[bytes] = []
        size = 0
        async with asyncio.timeout(self.limits.timeout + 5):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Gone
                chunk = message.get("body", b"")
                size += len(chunk)
                if size > self.limits.body:
                    raise Problem(413, f"The body is too large: at most {self.limits.body:,} bytes are taken.")
                chunks.append(chunk)
                if not message.get("more_body", False):
                    return b"".join(chunks)

    async def work(
        self, request: Request, read: Callable[[], Asked], render: Callable[[Asked, Scored], Any]
    ) -> tuple[Asked, Any, bool]:
        """Read rows, score and render them, count and log; (what was asked, what was rendered, whether it is kept).

        Large requests and slow models go to a thread, of whose work only so much may wait.
        """
        endpoint, body = self.endpoint, request.body
        is_short = len(body) <= SMALL_BODY
        works = self.lane.works if is_short else self.works
        asked, scored, rendered = await works.answer(endpoint, read, render, whole=not (is_short and is_small(body)))
        ticket = endpoint.record(asked, scored, time.perf_counter() - request.started)
        return asked, rendered, await self._kept(ticket)

    async def predict(self, request: Request) -> Reply:
        """``POST /predict``."""
        kind = request.content_type
        if kind not in ("application/json", "text/json", ""):
            raise Problem(415, f"Expected a body of application/json, got {kind}. CSV goes to /invocations.")
        read = partial(self.endpoint.ask, request.body, request.identity)
        _, body, kept = await self.work(request, read, self.endpoint.render)
        return Reply(body, headers=unkept(kept))


async def _send(send: Send, request: Request, reply: Reply) -> None:
    headers = [
        (b"content-type", reply.kind.encode("latin-1")),
        (b"content-length", str(len(reply.body)).encode()),
        (b"x-content-type-options", b"nosniff"),
        *((name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in reply.headers.items()),
    ]
    if request.identity:
        headers.append((b"x-request-id", request.identity.encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    body = b"" if request.method == "HEAD" else reply.body
    await send({"type": "http.response.body", "body": body})
