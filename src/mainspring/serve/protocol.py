"""HTTP on one connection: uvicorn's protocol with a quick lane, and with bounds on what a client may cost.

`POST /predict` with a small body, where that route is ours, does not become an ASGI task: it goes to
`mainspring.serve.lane` from the parser's own callbacks, which costs a third. Everything else is uvicorn's, except that
heads have a size, that what is being received has a deadline, that bodies together hold no more memory than they may,
that of many requests which come at once a few are taken at a time, and that a wish for another protocol is passed over.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mainspring.serve.problem import Problem, busy
from mainspring.serve.reply import JSON, PREDICT, refusal, status_line

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Collection

    from mainspring.serve.app import App

QUICK = 64 * 1024
"""A body up to so many bytes may take the quick lane."""
LINGER = 2.0
"""So many seconds what a refused client still sends is thrown away, so that it reads why it was refused."""
PIECE = 4096
"""So many bytes are parsed without a look at how many requests they are."""
DEEP = 32
"""So many requests of one read are taken at a time: as bytes they cost a hundredth of what they do as tasks."""
LONGEST_ID = 128
MANY = 200
FEW = 32
_OK = status_line(200)
_KINDS = (b"application/json", b"text/json")


class _Flow(FlowControl):
    """Reads no more while requests wait behind the one that is being answered, so that they do not pile up.

    ``kept``: so many bytes were read and not even parsed yet.
    """

    def __init__(self, transport: asyncio.Transport, pipeline: Collection[Any]) -> None:
        super().__init__(transport)
        self._pipeline = pipeline
        self.kept = 0

    def resume_reading(self) -> None:
        if not (self._pipeline or self.write_paused or self.kept):
            super().resume_reading()


class Http(HttpToolsProtocol):
    """One connection. See the module."""

    flow: _Flow

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        """As uvicorn makes it; the app is ours."""
        super().__init__(*arguments, **settings)
        self.ours: App = self.config.app  # type: ignore[assignment]
        self.limits = self.ours.limits
        self.quick = self.ours.quick
        self.begun = 0.0  # when the request that is being received began; 0 while none is
        self.rested = time.perf_counter()  # since when nothing has been asked
        self.in_head = False
        self.keep = True
        self._unread = 0  # so much of our answers was not taken yet when that was looked at, and last changed then
        self._taken = 0.0
        self._head = 0
        self._got = 0
        self._dry = (
            0  # so many bytes came since the last of the body: the frame of a chunk, or lines behind the last one
        )
        self._begins = 0
        self._running: Any = None  # what the app is answering; ``cycle`` may be one that waits behind it
        self._receiving: Any = None  # what the app is to answer and the body of which is still coming
        self._reserved = 0
        self._chunks: list[bytes] | None = None
        self._waiting = False
        self._length = 0
        self._deferred: tuple[Any, Any] | None = None
        self._known: list[tuple[bytes, bytes]] = []
        self._request = ""
        self._echo = b""
        self._lingering = False
        self._rest = b""  # what was read, of which only so much was parsed
        self._at = 0
        self._upgrades = False  # the request asks for another protocol, and will be parsed again without that

    # what the event loop says

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, unless there are too many."""
        super().connection_made(transport)
        self.flow = _Flow(transport, self.pipeline)
        if len(self.connections) > self.limits.connections:
            self.ours.tally.count("refused_connections")
            self.refuse(busy("There are too many connections: try again."))

    def connection_lost(self, exc: Exception | None) -> None:
        """Give back what was reserved."""
        self._release()
        self._chunks = None
        self._drop_rest()
        running = self._running  # uvicorn tells the last of the pipeline only, and this one would go on writing
        if running is not None and not running.response_complete:
            running.disconnected = True
            running.message_event.set()
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        # they know this connection, and the collector of cycles hardly ever runs
        self.pipeline.clear()
        self.cycle = self._running = self._receiving = self._deferred = None  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Parse: what is long only as far as there are not too many requests in it."""
        if self._rest or len(data) > PIECE:
            self._rest, self._at = self._rest[self._at :] + data, 0
            self._go_on()
        elif not self._lingering:
            self._parse(data)

    def pause_writing(self) -> None:
        """The client does not read its answers: read no more of its requests either."""
        super().pause_writing()
        if not self.transport.is_closing():
            self.flow.pause_reading()

    def resume_writing(self) -> None:
        """It reads again."""
        super().resume_writing()
        if not self.transport.is_closing():
            self.flow.resume_reading()
            if self._rest:
                self.loop.call_soon(self._go_on)

    def shutdown(self) -> None:
        """Finish what was asked; where nothing was, wait a moment for what may be on its way."""
        self.keep = False
        if self._waiting or self._is_at_work():
            if self._is_at_work():
                self.cycle.keep_alive = False
        elif self.begun == 0:
            self.loop.call_later(self.ours.grace, self._close_if_idle)

    # what the parser says

    def on_message_begin(self) -> None:
        """A request begins. What ASGI needs to know of it is put together only if it gets there."""
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self.in_head = True
        self.begun = time.perf_counter()
        self._head = self._got = self._dry = 0
        self._begins += 1

    def on_header(self, name: bytes, value: bytes) -> None:
        """A line of the head; lines behind a chunked body tell us nothing."""
        if not self.in_head:
            return
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Choose the way."""
        self.in_head = False
        if self._lingering:
            return
        traced = self.ours.telemetry is not None and self.ours.is_traced(self.headers)
        if self.url == self.quick and not traced and self._is_quick():
            self._chunks = []
            return
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                self.refuse(Problem(501, "This is no proxy."))
            self._upgrades = True
            return
        if not self._fits():
            return
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers.extend(headers)
        self.scope["mainspring.traced"] = traced  # type: ignore[typeddict-unknown-key]
        super().on_headers_complete()
        self._receiving = self.cycle
        if not self.keep:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        if self._chunks is not None:
            self._chunks.append(body)
        elif not self._lingering:
            self._got += len(body)
            needed = self._got if self._got > QUICK else 0
            if self._got > self.limits.body:
                self.refuse(self._too_large())
            elif self._is_answered():
                return  # nobody waits for the rest
            elif needed <= self._reserved or self._reserve(needed - self._reserved):
                super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is here."""
        chunks, self._chunks = self._chunks, None
        started, self.begun = self.begun, 0.0
        self.rested = started
        if chunks is None:
            if self._upgrades:
                return
            if not self._lingering:
                super().on_message_complete()
            if self._is_answered():
                self._release()
            self._receiving = None
            return
        if self._reserved:
            self._release()
        self._waiting = True
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self.ours.lane.take(self, body, started, self._request, self._echo)

    def on_response_complete(self) -> None:
        """An answer of the app is out."""
        self._release()
        self.rested = time.perf_counter()
        super().on_response_complete()
        if self._rest:
            self.loop.call_soon(self._go_on)

    def send_400_response(self, msg: str) -> None:
        """What came is not HTTP."""
        self.ours.tally.request("(none)", 400, 0.0)
        self.refuse(Problem(400, msg))

    # answers

    def answer(self, status: int, body: bytes, headers: bytes = b"") -> None:
        """Send the answer to the request that took the quick lane, and go on with what came behind it."""
        self._waiting = False
        transport = self.transport
        if transport.is_closing():
            return
        head = self.ours.head if status == 200 else status_line(status) + self.ours.head[len(_OK) :]
        if not self.keep:
            headers += b"connection: close\r\n"
        transport.write(b"%b%bcontent-length: %d\r\n\r\n%b" % (head, headers, len(body), body))
        if not self.keep:
            transport.close()
        elif self._deferred is not None:
            cycle, app = self._deferred
            self._deferred = None
            self._running = cycle
            super()._start_asgi_task(cycle, app)
            if self._rest:
                self.loop.call_soon(self._go_on)

    def refuse(self, problem: Problem) -> None:
        """Say no, take nothing more of this connection, and close it when what was said can have been read.

        Where answers to earlier requests are still to come, or this one has its answer, it is closed without a word.
        """
        if self._lingering or self.transport.is_closing():
            return
        self._drop_rest()
        route = getattr(self, "url", b"").split(b"?")[0].decode("latin-1")
        if not self._is_answered():  # what is answered is in the log
            self.ours.turned_away(problem.status, route, is_post=bool(route) and self.parser.get_method() == b"POST")
        if self._waiting:
            self.ours.lane.settle()
        is_behind = (
            self._running is not None and not self._running.response_complete and self._running is not self.cycle
        )
        if self._waiting or self.pipeline or is_behind or self._is_answered():
            self._lingering = True
            self._release()
            self.transport.close()
            return
        self._lingering = True
        self.begun, self._chunks = 0.0, None
        self._release()
        if self._is_at_work():
            if self.cycle.response_started:
                self.transport.close()
                return
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        status, body, headers, _ = refusal(problem, route)
        self.transport.write(
            b"%b%b%bconnection: close\r\ncontent-length: %d\r\n\r\n%b"
            % (status_line(status), JSON, headers, len(body), body)
        )
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self.loop.call_later(LINGER, self.transport.close)

    def overdue(self, now: float) -> Problem | None:
        """What is to be said to a client that keeps us waiting; None where it does not."""
        limits = self.limits
        if (
            self.begun
            and not self.flow.read_paused
            and now - self.begun > (limits.head_timeout if self.in_head else limits.timeout)
        ):
            what = "headers" if self.in_head else "body"
            return Problem(408, f"The request's {what} did not arrive in time.")
        return None

    def is_idle(self, now: float) -> bool:
        """Whether nothing was asked for so long that the connection may go."""
        return (
            not (self._waiting or self.begun or self._rest or self._is_at_work())
            and now - self.rested > self.limits.keep_alive
        )

    def is_stuck(self, now: float) -> bool:
        """Whether the client has taken nothing of what it was sent for as long as a request may take.

        To be asked now and then. Until it takes it neither an answer nor a close comes to an end.
        """
        left = self.transport.get_write_buffer_size()
        if not left or left != self._unread:
            self._unread, self._taken = left, now
            return False
        return now - self._taken > self.limits.timeout

    # how it is done

    def _go_on(self) -> None:
        """Parse more of what was read, until a request waits for the answer of another, or answers for their reader."""
        while self._rest and not (self._lingering or self.transport.is_closing()):
            if self.pipeline or self._deferred is not None or self.flow.write_paused:
                self._keep_rest()
                return
            data, begin = self._rest, self._at
            end = self._at = _behind(data, begin, DEEP)
            self._parse(data[begin:end])
            if end == len(data):
                break
        self._drop_rest()

    def _keep_rest(self) -> None:
        """Let the rest of what was read wait, where there is room for it."""
        if self.flow.kept:
            return
        size = len(self._rest)
        if self.ours.held + size > self.limits.bodies:
            self.ours.tally.count("refused_bodies")
            self.refuse(busy("Too many requests wait for answers to others: try again."))
            return
        self.ours.held += size
        self.flow.kept = size
        self.flow.pause_reading()

    def _drop_rest(self) -> None:
        self._rest = b""
        if self.flow.kept:
            self.ours.held -= self.flow.kept
            self.flow.kept = 0
            if not self.transport.is_closing():
                self.flow.resume_reading()

    def _parse(self, data: bytes) -> None:
        """Parse, and look after what the rest of the request may cost."""
        self._begins = 0 if self.begun else -1  # how many requests begin in this piece, but for one that it begins with
        got = self._got if self.begun else -1
        self._unset_keepalive_if_required()
        left = data
        while left:
            try:
                self.parser.feed_data(left)
                break
            except httptools.HttpParserUpgrade as upgrade:
                left = self._plain(left[upgrade.args[0] :])
            except httptools.HttpParserError:
                message = "Invalid HTTP request received."
                self.logger.warning(message)
                self.send_400_response(message)
                break
        if self.begun and not self._lingering:
            self._received_in_part(len(data), is_dry=got == self._got and self._begins == 0)

    def _plain(self, rest: bytes) -> bytes:
        """The request that asked for another protocol, without that, and the *rest* behind its head.

        We speak no other, so it is answered as if it had not asked; the parser has passed over its body.
        """
        self._upgrades = False
        if self._lingering or self.transport.is_closing():
            return b""
        lines = b"".join(b"%b: %b\r\n" % (name, value) for name, value in self.headers if name != b"upgrade")
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        return b"%b %b HTTP/%b\r\n%b\r\n%b" % (method, self.url, version, lines, rest)

    def _is_answered(self) -> bool:
        """Whether the app has answered the request the body of which is still coming."""
        return self._receiving is not None and self._receiving.response_complete

    def _is_at_work(self) -> bool:
        """Whether the app is answering a request of this connection."""
        cycle: Any = self.cycle
        return cycle is not None and not cycle.response_complete

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        if self._waiting:
            self._deferred = (cycle, app)  # answers keep the order of their requests
        else:
            self._running = cycle
            super()._start_asgi_task(cycle, app)

    def _is_quick(self) -> bool:
        """Whether the request may take the quick lane. What its headers say is remembered for the next one."""
        if self._waiting or self.parser.get_method() != b"POST" or self.parser.get_http_version() != "1.1":
            return False
        if self._is_at_work():
            return False
        if self._known and self.headers == self._known:
            return True
        if len(self.headers) > FEW:
            return False
        self._request, self._echo, self._known = "", b"", []
        length = -1
        for name, value in self.headers:
            if name == b"content-length":
                length = int(value) if value.isdigit() and len(value) < 10 else -1
            elif name == b"content-type":
                if value.split(b";")[0].strip().lower() not in _KINDS:
                    return False
            elif name == b"x-request-id":
                if not 0 < len(value) <= LONGEST_ID or not value.isascii():
                    return False
                self._request, self._echo = value.decode(), b"x-request-id: " + value + b"\r\n"
            elif name in (b"transfer-encoding", b"expect", b"upgrade", b"content-encoding"):
                return False
        if not 0 <= length <= QUICK:
            return False
        try:
            self.ours.guard.check(b"POST", PREDICT, self.headers)
        except Problem:
            return False  # the app says it
        self.keep = self.keep and self.parser.should_keep_alive()
        self._known = [] if self._request else self.headers
        self._length = length
        return True

    def _fits(self) -> bool:
        """Whether the head is no larger than it may be and the body may come; where not, it is said."""
        if len(self.headers) > MANY or sum(len(name) + len(value) for name, value in self.headers) > self.limits.head:
            self.refuse(self._too_long())
            return False
        for name, value in self.headers:
            if name == b"content-length" and value.isdigit():
                length = int(value)
                if length > self.limits.body:
                    self.refuse(self._too_large(length))
                    return False
                return length <= QUICK or self._reserve(length)
        return True

    def _too_large(self, length: int | None = None) -> Problem:
        self.ours.tally.request("(none)", 413, 0.0)
        given = "" if length is None else f" of {length:,} bytes"
        return Problem(
            413,
            f"The body{given} is too large: at most {self.limits.body:,} bytes are taken. Send the rows in parts, "
            "or raise --max-body.",
        )

    def _too_long(self) -> Problem:
        self.ours.tally.request("(none)", 431, 0.0)
        return Problem(431, f"The request's headers are larger than {self.limits.head:,} bytes, or more than {MANY}.")

    def _received_in_part(self, received: int, *, is_dry: bool) -> None:
        """Bound what the rest of the head may be, and account for a body that is still coming.

        A piece of a body that *is_dry* has nothing of it: it is the frame of a chunk, or lines behind the last one.
        """
        if self.in_head:
            self._head += received if self._begins == 0 else 0
            if self._head > self.limits.head:
                self.refuse(self._too_long())
        elif self._chunks is not None and not self._reserved:
            self._reserve(self._length)
        elif self._chunks is None:
            self._dry = self._dry + received if is_dry else 0
            if self._dry > self.limits.head:
                self.refuse(self._too_long())

    def _reserve(self, size: int) -> bool:
        """Take so many bytes of what all bodies may hold together; where too few are left, say so."""
        if self.ours.held + size > self.limits.bodies:
            self.ours.tally.count("refused_bodies")
            self.refuse(busy("Too many large requests are being received: try again."))
            return False
        self.ours.held += size
        self._reserved += size
        return True

    def _release(self) -> None:
        self.ours.held -= self._reserved
        self._reserved = 0

    def _close_if_idle(self) -> None:
        if not self._is_at_work() and not self._waiting and self.begun == 0 and not self.transport.is_closing():
            self.transport.close()


def _behind(data: bytes, begin: int, heads: int) -> int:
    """Where so many *heads* of requests, or what looks like their ends, are over in *data* from *begin* on."""
    for _ in range(heads):
        line = data.find(b"\r", begin)  # quick: a body of JSON mostly has none
        found = data.find(b"\r\n\r\n", line) if line >= 0 else -1
        if found < 0:
            return len(data)
        begin = found + 4
    return begin
