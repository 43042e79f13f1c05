"""One process that answers: ``python -m mainspring.serve.worker``, which the supervisor starts and tells what is live.

It knows no ledger and no store: bundles lie unpacked in the endpoint's folder. When the supervisor is gone, it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn

from mainspring.serve import journal as journals
from mainspring.serve import memory, wire
from mainspring.serve.app import App
from mainspring.serve.protocol import Http
from mainspring.serve.served import Served, Unfit
from mainspring.serve.telemetry import begun
from mainspring.serve.traffic import Deployment

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from mainspring.serve.log.writer import LogWriter
    from mainspring.serve.settings import Settings
    from mainspring.serve.wire import Plan, Slot

DRAIN = 25
"""So many seconds requests that are being answered may take when the worker ends."""
SWITCH = 0.001
"""A thread that computes gives the event loop its turn after so many seconds."""


class _Server(uvicorn.Server):
    """uvicorn's server without its own handling of signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave signals to the worker."""
        yield


class Worker:
    """The worker of this process."""

    def __init__(self, settings: Settings, listening: socket.socket, lines: Iterator[bytes]) -> None:
        """Answer on the *listening* socket, and do what *lines* say."""
        self._settings = settings
        self._lines = lines
        self._socket = listening
        self._loaded: dict[str, Served] = {}
        self._said = threading.Lock()
        self._log = _log_of(settings)
        self._trouble: tuple[str | None, int, int] | None = None
        self._app = App(settings, log=self._log)
        self._server = _Server(_config(self._app))
        self._loop: asyncio.AbstractEventLoop
        self._first: asyncio.Future[None]

    async def run(self) -> None:
        """Answer until told to end."""
        self._loop = loop = asyncio.get_running_loop()
        self._first = loop.create_future()
        if sys.platform == "win32":
            signal.signal(signal.SIGTERM, lambda *_: self._end())
        else:
            loop.add_signal_handler(signal.SIGTERM, self._end)
        self._app.start(loop)
        self._app.telemetry = begun(self._settings.model, lambda: self._app.tally)
        self._app.connections = self._server.server_state.connections
        threading.Thread(target=self._listen, name="supervisor", daemon=True).start()
        await self._first
        if self._server.should_exit:
            return
        memory.settle()
        ticking = loop.create_task(self._tick())
        try:
            await self._server.serve(sockets=[self._socket])
        finally:
            ticking.cancel()
            await asyncio.to_thread(self._close)

    def _end(self) -> None:
        """Take no more connections, answer what was asked, and leave."""
        self._app.is_ending = True
        self._server.should_exit = True
        if not self._first.done():
            self._first.set_result(None)

    def _close(self) -> None:
        if self._log is not None:
            self._app.keep_unread()
            self._log.close()
            self._tell_of_log()  # what waited in vain is lost by now
        if self._app.telemetry is not None:
            self._app.telemetry.close()
        self._leave_numbers()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            for what in (self._app.tick, self._leave_numbers, self._tell_of_log):
                try:
                    what()
                except Exception as error:  # a boundary: what is due once a second is due again in a second
                    text = f"{type(error).__name__}: {error}"
                    journals.journal().error("once a second", what=what.__name__, error=text)

    def _leave_numbers(self) -> None:
        from mainspring.serve import prometheus

        with contextlib.suppress(OSError):  # a full disk costs other workers a second of these numbers
            prometheus.write(self._app)

    def _tell_of_log(self) -> None:
        if self._log is None:
            return
        status = self._log.status()
        trouble = (status.error, status.dropped, status.failed)
        # what was never written to may be in trouble: an earlier worker's may have been
        if trouble != self._trouble and (status.written or any(trouble)):
            self._trouble = trouble
            self._say(wire.LogTrouble(*trouble))

    # the supervisor

    def _listen(self) -> None:
        """Follow plans until the supervisor says no more. A thread of its own, as loading takes time."""
        _load_libraries()
        for text in self._lines:
            message = wire.told(text)
            if isinstance(message, wire.Plan):
                self._follow(message)
        self._loop.call_soon_threadsafe(self._end)

    def _follow(self, plan: Plan) -> None:
        try:
            deployment = self._deployment(plan)
        except _Unfit as unfit:
            self._say(wire.Failed(plan.number, unfit.version, str(unfit)))
            return
        self._loop.call_soon_threadsafe(self._deploy, plan, deployment)

    def _deployment(self, plan: Plan) -> Deployment:
        slots = [slot for slot in (plan.champion, plan.canary, *plan.shadows) if slot is not None]
        found = {slot.version: self._served(slot) for slot in slots}
        self._loaded = {served.digest: served for served in found.values()}
        asides = {version: served.aside(plan.aside) for version, served in found.items()} if plan.aside else {}
        return Deployment(
            revision=plan.revision,
            champion=found[plan.champion.version],
            canary=None if plan.canary is None else found[plan.canary.version],
            percent=plan.percent,
            shadows=tuple(found[slot.version] for slot in plan.shadows),
            fallback=plan.fallback,
            asides={version: aside for version, aside in asides.items() if aside is not None},
        )

    def _served(self, slot: Slot) -> Served:
        known = self._loaded.get(slot.digest)
        if known is not None and known.version == slot.version:
            return known
        try:
            return Served.load(Path(slot.folder), name=self._settings.model, version=slot.version)
        except Unfit as unfit:
            raise _Unfit(slot.version, str(unfit)) from None

    def _deploy(self, plan: Plan, deployment: Deployment) -> None:
        """Swap: one assignment, on the loop, between two requests."""
        self._app.lane.settle()
        self._app.endpoint.deploy(deployment)
        if not self._first.done():
            self._first.set_result(None)
        self._say(wire.Done(plan.number))
        self._loop.run_in_executor(None, memory.give_back)

    def _say(self, message: Any) -> None:
        with self._said, contextlib.suppress(OSError):
            os.write(1, wire.line(message))


class _Unfit(Exception):
    def __init__(self, version: int, reason: str) -> None:
        super().__init__(reason)
        self.version = version


def _log_of(settings: Settings) -> LogWriter | None:
    if settings.spool is None:
        return None
    from mainspring.serve.log.writer import LogWriter

    source = f"{socket.gethostname()}-{os.getpid()}"
    return LogWriter(Path(settings.spool), model=settings.model, source=source, durable=settings.durable)


def _config(app: App) -> uvicorn.Config:
    return uvicorn.Config(
        app, http=Http, loop="asyncio", lifespan="off", ws="none", interface="asgi3", log_config=None, access_log=False,
        server_header=False, proxy_headers=False, timeout_keep_alive=int(app.limits.keep_alive),
        timeout_graceful_shutdown=DRAIN,
    )  # fmt: skip


def _load_libraries() -> None:
    """Load what nearly every version takes while the supervisor looks for the first one."""
    with contextlib.suppress(Exception):  # what is missing or broken is said of the version that needs it
        from mainspring.contract import parse  # noqa: F401
        from mainspring.package import onnx, serving  # noqa: F401

        onnx.runtime()


def _socket_of(hello: wire.Hello) -> socket.socket:
    if hello.socket is not None:
        return socket.socket(fileno=hello.socket)
    from socket import fromshare  # type: ignore[attr-defined]  # Windows only

    found: socket.socket = fromshare(hello.shared)
    return found


def _lines() -> Iterator[bytes]:
    """The lines of standard input, read without Python's buffer, whose lock a thread would hold when we end."""
    rest = b""
    while data := os.read(0, 65536):
        *whole, rest = (rest + data).split(b"\n")
        yield from whole


def main() -> None:
    """Take the first line of standard input for what this worker is, and answer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the supervisor hears it too, and says when to end
    gc.disable()  # importing makes hardly any garbage; `memory.settle` goes on
    lines = _lines()
    hello = wire.told(next(lines, b""))
    if not isinstance(hello, wire.Hello):
        raise SystemExit(2)
    journals.start(model=hello.settings.model, worker=os.getpid())
    sys.setswitchinterval(SWITCH)
    worker = Worker(hello.settings, _socket_of(hello), lines)
    if sys.platform == "win32":
        asyncio.run(worker.run())
    else:
        import uvloop

        uvloop.run(worker.run())


if __name__ == "__main__":
    main()
