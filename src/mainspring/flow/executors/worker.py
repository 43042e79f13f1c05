"""The worker process: ``python -m mainspring.flow.executors.worker``, spoken to over its standard input and output."""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

from mainspring.core.errors import MainspringError
from mainspring.core.progress import shown_by
from mainspring.flow.capture import Capture
from mainspring.flow.executors.wire import Answer, Ask, Hello, Moved, Ready, receive, send
from mainspring.flow.filestate import FileStates
from mainspring.flow.perform import Done, Surroundings, perform

if TYPE_CHECKING:
    from mainspring.flow.step import Step
    from mainspring.workspace import Workspace

PROGRESS_INTERVAL = 0.1
"""Progress is passed on at most so often, in seconds."""


class Replies:
    """The way back to the engine; a step's threads may report progress at any time."""

    def __init__(self, pipe: IO[bytes]) -> None:
        """Write to *pipe*."""
        self._pipe = pipe
        self._guard = threading.Lock()
        self._moved = 0.0

    def send(self, message: object) -> None:
        """Send *message* whole."""
        with self._guard, suppress(BrokenPipeError):
            send(self._pipe, message)

    def moved(self, task: str, done: float, total: float | None, text: str = "") -> None:
        """Pass progress on, but not every bit of it."""
        now = time.monotonic()
        if now - self._moved >= PROGRESS_INTERVAL or done == total:
            self._moved = now
            self.send(Moved(task, done, total, text))


def main() -> None:
    """Answer requests until the engine closes the pipe, or ends."""
    requests, replies = _pipes()
    hello = receive(requests)
    if not isinstance(hello, Hello):
        return
    asked: queue.SimpleQueue[Ask] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests, asked), daemon=True).start()
    sys.path[:] = [*hello.path, *(entry for entry in sys.path if entry not in hello.path)]
    try:
        _serve(hello, asked, replies)
    except MainspringError as error:
        replies.send(Ready(str(error)))


def _serve(hello: Hello, asked: queue.SimpleQueue[Ask], replies: Replies) -> None:
    import pickle

    from mainspring.flow.pipeline import load_steps
    from mainspring.project import Project
    from mainspring.workspace import Workspace

    project = Project(hello.root)
    project.finder.expected = dict(hello.digests)
    with project.active(), Workspace.open(hello.workspace, create=False) as workspace:
        steps = {step.name: step for step in load_steps(project)}
        around = Surroundings(
            project=project, store=workspace.store, states=FileStates(hello.states), capture=Capture()
        )
        replies.send(Ready())
        while True:
            ask = asked.get()
            task = pickle.loads(ask.task)  # noqa: S301  # from the engine; needs the project's modules, hence only now
            done = _do(task, steps[task.step], around, workspace, replies)
            replies.send(Answer(ask.number, done))


def _do(task: Any, step: Step, around: Surroundings, workspace: Workspace, replies: Replies) -> Done:
    from mainspring.flow.facts import StepRecorder

    experiment = around.project.contract.project.name
    facts = StepRecorder(workspace.ledger, run=task.run, name=task.label, experiment=experiment)
    with shown_by(replies.moved):
        done = perform(task, step, around, facts)
    facts.close(failed=done.failure is not None)
    return done


def _listen(requests: IO[bytes], asked: queue.SimpleQueue[Ask]) -> None:
    """Queue what is asked. When the engine is gone, so is the reason to work: leave at once, with every child."""
    while True:
        message = receive(requests)
        if message is None:
            if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
                os.killpg(os.getpid(), signal.SIGKILL)
            os._exit(0)
        asked.put(message)


def _pipes() -> tuple[IO[bytes], Replies]:
    """The two pipes on numbers of their own; what anybody prints later cannot get between the messages."""
    requests, replies = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(2, 1)
    os.close(null)
    return os.fdopen(requests, "rb"), Replies(os.fdopen(replies, "wb"))


if __name__ == "__main__":
    main()
