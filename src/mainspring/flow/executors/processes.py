"""Worker processes: started when first needed, used again within a run, ended with it.

They are started as new interpreters rather than by ``multiprocessing``: nothing is forked, the caller's ``__main__`` is
not run again, and their standard output is theirs.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, cast

from mainspring.core.errors import PipelineError
from mainspring.flow.executors.wire import Answer, Ask, Hello, Moved, Ready, receive, send
from mainspring.flow.failure import Failure
from mainspring.flow.perform import Done

if TYPE_CHECKING:
    from collections.abc import Callable

    from mainspring.core.progress import Progress
    from mainspring.flow.perform import Task

_LAST_WORDS = 2000


class Processes:
    """Up to *limit* workers for one run. Safe to call from any thread."""

    def __init__(self, hello: Hello, *, limit: int, moved: Progress) -> None:
        """Workers introduce themselves to the project by *hello*; their progress goes to *moved*."""
        self._hello = hello
        self._limit = limit
        self._moved = moved
        self._guard = threading.Lock()
        self._workers: list[_Worker] = []

    @property
    def has_room(self) -> bool:
        """Whether a further task would begin at once."""
        with self._guard:
            return sum(worker.busy for worker in self._workers) < self._limit

    def submit(self, task: Task, tell: Callable[[Done], None], *, timeout: float | None = None) -> None:
        """Have *task* done; *tell* is called with the outcome from another thread.

        Raises PipelineError where the task's settings cannot be sent to another process.
        """
        try:
            data = pickle.dumps(task, protocol=5)
        except Exception as error:  # a __reduce__ of the user's may raise anything
            raise PipelineError(
                f"Step {task.label}: a parameter cannot be handed to another process ({error}). "
                "Use plain values, or @step(executor='inline')."
            ) from error
        with self._guard:
            worker = next((one for one in self._workers if not one.busy), None)
            if worker is None:
                worker = _Worker(self._hello, self._moved, self._gone)
                self._workers.append(worker)
            worker.begin(_Order(task, data, tell, timeout))

    def close(self) -> None:
        """End every worker, finished or not."""
        with self._guard:
            workers, self._workers = self._workers, []
        for worker in workers:
            worker.end()

    def _gone(self, worker: _Worker) -> None:
        with self._guard:
            if worker in self._workers:
                self._workers.remove(worker)


@dataclass(frozen=True)
class _Order:
    task: Task
    data: bytes
    tell: Callable[[Done], None]
    timeout: float | None


class _Worker:
    def __init__(self, hello: Hello, moved: Progress, gone: Callable[[_Worker], None]) -> None:
        self._moved = moved
        self._gone = gone
        self._order: _Order | None = None
        self._number = 0
        self._ready = False
        self._overtime: threading.Timer | None = None
        self._reason = ""
        self._guard = threading.RLock()
        self._words = tempfile.TemporaryFile()  # noqa: SIM115  # closed when the worker ends
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mainspring.flow.executors.worker"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._words,
            cwd=hello.root, start_new_session=True,
        )  # fmt: skip
        self._requests = cast("IO[bytes]", self._process.stdin)
        self._replies = cast("IO[bytes]", self._process.stdout)
        self._say(hello)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    @property
    def busy(self) -> bool:
        return self._order is not None

    def begin(self, order: _Order) -> None:
        with self._guard:
            self._order = order
            if self._ready:
                self._ask()

    def end(self) -> None:
        with self._guard:
            self._order = None
            self._stop_clock()
        self._hang_up()
        try:
            self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            self._kill()
        if threading.current_thread() is not self._listener:
            self._listener.join(timeout=1)

    def _ask(self) -> None:
        order = self._order
        if order is None:
            return
        self._number += 1
        if order.timeout is not None:  # the step's time, not that of starting the process
            self._overtime = threading.Timer(order.timeout, self._too_long, [self._number, order.timeout])
            self._overtime.daemon = True
            self._overtime.start()
        self._say(Ask(self._number, order.data))

    def _say(self, message: object) -> None:
        with suppress(OSError):  # a worker that is gone is noticed by whoever listens
            send(self._requests, message)

    def _listen(self) -> None:
        while (message := self._receive()) is not None:
            if isinstance(message, Moved):
                self._moved(message.task, message.done, message.total, message.text)
            elif isinstance(message, Ready):
                with self._guard:
                    self._reason = message.reason
                    self._ready = not message.reason
                    if self._ready:
                        self._ask()
            elif isinstance(message, Answer):
                self._finish(message.done)
        self._gone(self)
        failure = self._ending()
        self._hang_up()
        self._replies.close()
        self._words.close()
        self._finish(Done(failure=failure))

    def _hang_up(self) -> None:
        """Close the worker's pipe, upon which it leaves."""
        with suppress(OSError):
            self._requests.close()

    def _receive(self) -> Any:
        try:
            return receive(self._replies)
        except (OSError, ValueError):
            return None

    def _finish(self, done: Done) -> None:
        with self._guard:
            order, self._order = self._order, None
            self._stop_clock()
        if order is not None:
            order.tell(done)

    def _stop_clock(self) -> None:
        if self._overtime is not None:
            self._overtime.cancel()
            self._overtime = None

    def _too_long(self, number: int, seconds: float) -> None:
        with self._guard:
            if number != self._number or self._order is None:
                return
            self._reason = f"it took longer than its timeout of {seconds:g} s and was ended."
        self._kill()

    def _kill(self) -> None:
        with suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)  # with the processes it has started itself
            else:
                self._process.kill()
        self._process.wait()

    def _ending(self) -> Failure:
        """Why the worker is gone."""
        order = self._order
        label = order.task.label if order else ""
        code = self._process.wait()
        if self._reason:
            return Failure(label, self._reason)
        if code < 0:
            how = signal.Signals(-code).name if -code in signal.valid_signals() else f"signal {-code}"
            hint = " The system may have run out of memory." if -code == getattr(signal, "SIGKILL", 9) else ""
            return Failure(label, f"its process was ended by {how}.{hint}", self._said())
        return Failure(
            label, f"its process ended with exit code {code} before it returned.", self._said(), may_pass=False
        )

    def _said(self) -> tuple[str, ...]:
        with suppress(OSError, ValueError):
            self._words.seek(0, os.SEEK_END)
            self._words.seek(max(0, self._words.tell() - _LAST_WORDS))
            return tuple(f"  {line}" for line in self._words.read().decode(errors="replace").splitlines()[-8:])
        return ()
