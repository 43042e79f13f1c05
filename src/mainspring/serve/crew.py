"""The worker processes of an endpoint: started, told, listened to, started again when they die."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.serve import wire
from mainspring.serve.journal import journal

if TYPE_CHECKING:
    import socket

    from mainspring.serve.settings import Settings

YOUNG = 5.0
"""A worker that dies within so many seconds after it was started may do so again."""
LONGEST_REST = 30.0


@dataclass(slots=True)
class Member:
    """One worker process. ``plan`` is the number of the plan it answers by, 0 while by none."""

    process: subprocess.Popen[bytes]
    place: int
    began: float
    plan: int = 0
    guard: threading.Lock = field(default_factory=threading.Lock)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def tell(self, message: Any) -> None:
        """Send a line; a worker that is gone hears nothing."""
        stream = self.process.stdin
        if stream is None:
            return
        try:
            with self.guard:
                stream.write(wire.line(message))
                stream.flush()
        except (OSError, ValueError):
            return


@dataclass(frozen=True, slots=True)
class News:
    """A worker said something, or (None) has ended."""

    member: Member
    said: wire.Said | None


class Crew:
    """The workers. `news` gives what they say; the caller decides."""

    def __init__(self, settings: Settings, listening: socket.socket) -> None:
        """Nobody works yet; all will answer on the *listening* socket."""
        self.news: SimpleQueue[News] = SimpleQueue()
        self.members: list[Member | None] = [None] * settings.workers
        self._settings = settings
        self._socket = listening
        self._rests = [0.0] * settings.workers
        self._due = [0.0] * settings.workers

    def start(self, plan: wire.Plan | None = None) -> None:
        """Start whoever is missing and due, and tell it the *plan*."""
        now = time.monotonic()
        for place, member in enumerate(self.members):
            if member is None and self._due[place] <= now:
                started = self._start(place)
                if plan is not None:
                    started.tell(plan)

    def tell(self, message: Any) -> None:
        """Say something to all."""
        for member in self.members:
            if member is not None:
                member.tell(message)

    def buried(self, member: Member) -> float:
        """Take note that a worker has ended; after how many seconds another takes its place."""
        place = member.place
        if self.members[place] is not member:
            return 0.0
        self.members[place] = None
        lived = time.monotonic() - member.began
        self._rests[place] = min(LONGEST_REST, max(0.5, 2 * self._rests[place])) if lived < YOUNG else 0.0
        self._due[place] = time.monotonic() + self._rests[place]
        return self._rests[place]

    def end(self, patience: float) -> None:
        """Ask all to finish, and after *patience* seconds make them."""
        working = [member for member in self.members if member is not None]
        for member in working:
            self._dismiss(member)
        until = time.monotonic() + patience
        for member in working:
            try:
                member.process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                journal().warning("worker did not finish", worker=member.pid)
                member.process.kill()
                member.process.wait()

    @property
    def pids(self) -> list[int]:
        """Who works."""
        return [member.pid for member in self.members if member is not None]

    def _dismiss(self, member: Member) -> None:
        if sys.platform == "win32":
            if member.process.stdin is not None:
                member.process.stdin.close()  # the end of what it is told
        else:
            member.process.terminate()

    def _start(self, place: int) -> Member:
        windows = sys.platform == "win32"
        handle = self._socket.fileno()
        process = subprocess.Popen(
            [sys.executable, "-m", "mainspring.serve.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=() if windows else (handle,),
            env=_environment(),
        )
        member = Member(process, place, time.monotonic())
        self.members[place] = member
        if windows:
            shared: bytes = self._socket.share(process.pid)  # type: ignore[attr-defined]  # Windows only
            member.tell(wire.Hello(self._settings, shared=shared))
        else:
            member.tell(wire.Hello(self._settings, socket=handle))
        threading.Thread(target=self._hear, args=(member,), name=f"worker-{process.pid}", daemon=True).start()
        return member

    def _hear(self, member: Member) -> None:
        stream = member.process.stdout
        if stream is not None:
            for text in stream:
                try:
                    self.news.put(News(member, wire.said(text)))
                except msgspec.MsgspecError:  # a library has printed something
                    journal().debug("worker printed", worker=member.pid, text=text.decode("utf-8", "replace")[:200])
        member.process.wait()
        self.news.put(News(member, None))


def _environment() -> dict[str, str]:
    """One thread for each worker's libraries: they would otherwise fight over the processors."""
    usual = {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2", "PYTHONUNBUFFERED": "1", "ORT_DISABLE_TELEMETRY": "1"}
    return usual | dict(os.environ)
