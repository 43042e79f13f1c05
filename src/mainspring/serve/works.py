"""Work for the scoring thread: only so much of it may wait, and each piece has only so much time."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, TypeVar

from mainspring.serve.problem import Problem, busy

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from mainspring.serve.endpoint import Asked, Endpoint
    from mainspring.serve.served import Scored

T = TypeVar("T")

SMALL = 64
"""So many rows of a quick model are read and scored on the loop; more go to the thread."""


def is_small(body: bytes) -> bool:
    """Whether there are so few rows in a *body*, if each is an object, that the loop may read them."""
    return body.count(b"{") <= SMALL + 2


class Works:
    """Pieces of work that wait for a pool together, each until its time is over.

    ``waiting`` are those that are not done. One that is given up before it began is never begun, and lets go of what
    it holds; one that is being done counts until it ends, for as long as that takes.
    """

    def __init__(self, pool: Executor, *, most: int, timeout: float) -> None:
        """At most *most* pieces, each for *timeout* seconds."""
        self.waiting = 0
        self._pool = pool
        self._most = most
        self._timeout = timeout

    async def do(self, work: Callable[[], T]) -> T:
        """What *work* gives. Raises Problem 503 where too much waits already, 504 when its time is over."""
        if self.waiting >= self._most:
            raise busy()
        loop = asyncio.get_running_loop()
        held = [work]
        future = self._pool.submit(lambda: held[0]())
        self.waiting += 1
        future.add_done_callback(lambda _: self._later(loop))
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), self._timeout)
        except TimeoutError:
            raise late(self._timeout) from None
        except Exception as error:
            # The frames of what went wrong hold what was read, which may be large, and by the futures they hold the
            # error that holds them: they would stay until a full collection, which is rare here.
            error.__traceback__ = None
            raise
        finally:
            if future.cancel():
                held.clear()  # the pool keeps it in its queue
            del future

    async def answer(
        self, endpoint: Endpoint, read: Callable[[], Asked], render: Callable[[Asked, Scored], Any], *, whole: bool
    ) -> tuple[Asked, Scored, Any]:
        """What was read, what is said to it, and its form: on the loop what is quick, else in its turn.

        *whole*: reading is not quick either. Raises as `do`.
        """
        held: list[Asked] = []

        def work() -> tuple[Asked, Scored, Any]:
            if not held:
                held.append(read())
            return held[0], *endpoint.say(held[0], render)

        if not whole:
            held.append(read())
            if held[0].count <= SMALL and not held[0].served.pace.is_slow:
                return work()
        try:
            return await self.do(work)
        except Problem as problem:
            if held and problem.chosen is None:
                problem.chosen = held[0].chosen
            raise

    def _later(self, loop: asyncio.AbstractEventLoop) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(self._done)

    def _done(self) -> None:
        self.waiting -= 1


def late(timeout: float) -> Problem:
    """The problem of a request whose time is over."""
    return Problem(504, f"The request took longer than {timeout:g} seconds: send fewer rows.", retry_after=1)
