"""The process around the workers: it holds the socket, follows the registry, and keeps the log's spools moving."""

from __future__ import annotations

import contextlib
import signal
import socket
import sys
import threading
import time
from queue import Empty
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.core.errors import InputError, MainspringError
from mainspring.serve import journal as journals
from mainspring.serve import memory, meter, shelf, wire
from mainspring.serve.crew import Crew, Member
from mainspring.serve.follower import Change, Follower
from mainspring.serve.journal import journal
from mainspring.serve.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Callable

    from mainspring.serve.notices import Notices
    from mainspring.serve.origin import Origin
    from mainspring.serve.settings import Settings
    from mainspring.serve.wire import Plan

POLL = 0.25
"""Seconds between two looks at the registry."""
BACKLOG = 2048
PATIENCE = 28.0
"""So many seconds the workers have to finish; platforms kill after thirty."""
READY = 60.0
SWAP = 20.0
SHORT = 10.0
"""When a worker has answered nobody for so many seconds, an incident says so."""


class Supervisor:
    """Runs one endpoint until it is told to end."""

    def __init__(self, settings: Settings, origin: Origin, *, notices: Notices | None = None) -> None:
        """Serve what *origin* says; *notices* tells the workspace what happens."""
        self._origin = origin
        self._notices = notices
        self._socket = _bound(settings.host, settings.port)
        self._shelf = Shelf()
        self.host, self.port = settings.host, int(self._socket.getsockname()[1])
        self._settings = msgspec.structs.replace(settings, port=self.port, shelf=str(self._shelf.folder))
        self._crew = Crew(self._settings, self._socket)
        self._follower = Follower(origin, name=settings.model, shelf=self._shelf.folder)
        self._plan: Plan | None = None  # all workers answer by it
        self._next: Plan | None = None  # they were told, and not all answer by it yet
        self._told = 0.0
        self._whole = 0.0  # when all workers were last seen to answer
        self._is_short: bool | None = None  # whether the workspace was told that some do not
        self._reason = ""  # why a worker could not load what is live
        self._settled: frozenset[int] | None = None  # the refused versions that the workspace knows of
        self._ending = threading.Event()
        self._tally = meter.Tally()
        self._guard = threading.Lock()

    @property
    def address(self) -> str:
        """Where it answers."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def run(self, ready: Callable[[Supervisor, Plan], None]) -> None:
        """Serve; *ready* is called when the first plan is live. Raises MainspringError where it never gets there."""
        journals.start(model=self._settings.model)
        _more_files()
        with _signals(self._ending):
            try:
                self._crew.start()  # they load their libraries while the bundle is looked for
                self._begin()
                if self._plan is not None:
                    ready(self, self._plan)
                self._start_helpers()
                while not self._ending.is_set():
                    self._turn()
            finally:
                self._end()

    def _begin(self) -> None:
        plan = self._follower.begin()
        self._crew.tell(plan)
        until = time.monotonic() + READY
        while any(member is None or member.plan != plan.number for member in self._crew.members):
            news = self._hear(0.1)
            if self._ending.is_set():
                return
            if news is not None and isinstance(news[1], wire.Failed):
                raise MainspringError(news[1].reason)
            if news is not None and news[1] is None:
                raise MainspringError(
                    f"{self._settings.model}/{plan.champion.version} cannot be served: the worker ended with exit code "
                    f"{news[0].process.returncode} while it loaded it. Its last lines above say why."
                )
            if time.monotonic() > until:
                raise MainspringError(f"{self._settings.model} was not ready after {READY:g} seconds.")
        self._plan, self._whole = plan, time.monotonic()
        journal().info("serving", address=self.address, version=plan.champion.version, workers=self._crew.pids)
        self._note()
        memory.give_back()

    def _start_helpers(self) -> None:
        threading.Thread(target=self._follow, name="registry", daemon=True).start()
        threading.Thread(target=shelf.sweep, name="sweep", daemon=True).start()
        if self._notices is not None and self._settings.spool is not None:
            self._notices.compact(self._settings.model, self._ending)

    # what workers say

    def _turn(self) -> None:
        news = self._hear(POLL)
        if news is None:
            self._overdue()
        else:
            self._handle(*news)
        with self._guard:
            self._crew.start(self._next or self._plan)
        self._look_after()
        if self._notices is not None:
            self._notices.catch_up()

    def _hear(self, patience: float) -> tuple[Member, wire.Said | None] | None:
        try:
            news = self._crew.news.get(timeout=patience)
        except Empty:
            return None
        if isinstance(news.said, wire.Done):
            news.member.plan = news.said.number
        return news.member, news.said

    def _handle(self, member: Member, said: wire.Said | None) -> None:
        if said is None:
            self._died(member)
        elif isinstance(said, wire.Done):
            self._arrived()
        elif isinstance(said, wire.Failed):
            self._failed(member, said)
        elif self._notices is not None:
            self._notices.log(member.pid, said)

    def _died(self, member: Member) -> None:
        if self._notices is not None:
            self._notices.log_ended(member.pid)
        if self._ending.is_set() or member not in self._crew.members:
            return
        rest = self._crew.buried(member)
        self._tally.count("worker_deaths")
        self._reason = f"a worker ended with exit code {member.process.returncode}"
        journal().error("worker died", worker=member.pid, exit=member.process.returncode, again_in=rest)
        fresh = self._fresh()
        if fresh and self._next is not None and member.plan != self._next.number:
            self._take_back(fresh[-1], f"a worker died when it loaded {self._settings.model}/{fresh[-1]}")
        self._note()

    def _failed(self, member: Member, said: wire.Failed) -> None:
        """A worker cannot load a version. One that is new is taken back; one that is live is unpacked once more."""
        plan = self._next or self._plan
        if plan is None or said.version in self._fresh():
            self._take_back(said.version, said.reason)
            return
        slot = next((slot for slot in plan.slots if slot.version == said.version), None)
        if slot is None:
            return  # no plan names it any more
        self._reason = said.reason
        journal().error("worker cannot load", worker=member.pid, version=said.version, reason=said.reason)
        try:
            self._follower.mend(slot)
        except Exception as error:  # the store or the ledger is gone, or anything else
            journal().error("version not unpacked again", version=said.version, error=str(error))
            if slot != plan.champion:
                self._take_back(said.version, said.reason)
                return
        self._replace(member)

    def _replace(self, member: Member) -> None:
        """Let another take the place of a worker that answers nobody: at once, or after a rest where that recurs."""
        member.process.kill()
        self._crew.buried(member)

    def _fresh(self) -> list[int]:
        """The versions on their way that are not live yet, the champion first."""
        live = set() if self._plan is None else {slot.version for slot in self._plan.slots}
        return [] if self._next is None else [slot.version for slot in self._next.slots if slot.version not in live]

    def _look_after(self) -> None:
        """Tell the workspace when workers are missing for long, and when all are there again."""
        now = time.monotonic()
        missing = sum(member is None or member.plan == 0 for member in self._crew.members)
        if not missing:
            self._whole = now
        is_short = now - self._whole > SHORT
        if self._notices is not None and is_short != self._is_short:
            self._is_short = is_short
            self._notices.workers(missing if is_short else 0, len(self._crew.members), self._reason)

    def _arrived(self) -> None:
        """A worker answers by a new plan; when all do, the one before is over."""
        plan = self._next
        if plan is None or any(member is None or member.plan != plan.number for member in self._crew.members):
            return
        before, self._plan, self._next = self._plan, plan, None
        self._follower.tidy(plan)
        self._tally.count("swaps")
        took = round(time.monotonic() - self._told, 3)
        journal().info(
            "swapped", **_facts(plan), before=None if before is None else before.champion.version, seconds=took
        )
        self._note()
        memory.give_back()

    def _overdue(self) -> None:
        """A plan takes too long: what is new in it is taken back, and where nothing is, who is late is replaced."""
        if self._next is None or time.monotonic() - self._told <= SWAP:
            return
        if fresh := self._fresh():
            self._take_back(fresh[0], f"the workers did not load it within {SWAP:g} seconds")
            return
        self._told = time.monotonic()
        for member in self._crew.members:
            if member is not None and member.plan != self._next.number:
                journal().error("worker is late", worker=member.pid, plan=self._next.number)
                self._replace(member)

    def _take_back(self, version: int, reason: str) -> None:
        if self._plan is None:
            return
        plan = self._follower.undo(self._plan, version, reason)
        self._refused({version: reason})
        self._tell(plan)

    def _tell(self, plan: Plan) -> None:
        with self._guard:
            self._next, self._told = plan, time.monotonic()
        self._crew.tell(plan)

    # the registry

    def _follow(self) -> None:
        troubled, pause = False, POLL
        while not self._ending.wait(pause):
            if self._next is not None:
                continue
            try:
                change = self._follower.look()
            except Exception as error:  # a ledger that is gone, or anything else: what is loaded goes on serving
                if not troubled:
                    journal().error("registry cannot be read", error=str(error))
                troubled = True
                continue
            if troubled:
                troubled = False
                journal().info("registry can be read again")
            pause = POLL if change.settled else POLL / 5  # a trial may end any moment
            self._change(change)

    def _change(self, change: Change) -> None:
        if change.missing:
            journal().warning("no champion", kept=None if self._plan is None else self._plan.champion.version)
        if change.refused:
            self._refused(change.refused)
        if change.plan is not None:
            self._tell(change.plan)
        elif change.settled and self._settled != frozenset(self._follower.refused):
            self._settled = frozenset(self._follower.refused)
            self._note()
            if self._notices is not None and self._plan is not None:
                self._notices.settled(self._settled, {slot.version for slot in self._plan.slots})

    def _refused(self, refused: dict[int, str]) -> None:
        kept = None if self._plan is None else self._plan.champion.version
        for version, reason in refused.items():
            self._tally.count("swaps_refused")
            journal().error("version refused", version=version, kept=kept, reason=reason)
            if self._notices is not None:
                self._notices.refused(version, reason, kept=kept)
        self._note()

    def _note(self) -> None:
        """Tell the workspace how things are, and the workers what this process has counted."""
        with contextlib.suppress(OSError):
            meter.leave(self._tally, self._shelf.folder / "supervisor.tally")
        if self._notices is not None:
            state: dict[str, Any] = {"workers": self._crew.pids, **({} if self._plan is None else _facts(self._plan))}
            self._notices.state(self.address, state, self._follower.refused)

    def _hear_last(self) -> None:
        """Workers that have ended: what they said last of their logs."""
        left = set(self._crew.pids)
        while left and (news := self._hear(1.0)) is not None:
            member, said = news
            if said is None:
                left.discard(member.pid)
            elif isinstance(said, wire.LogTrouble) and self._notices is not None:
                self._notices.log(member.pid, said)

    def _end(self) -> None:
        self._ending.set()
        self._socket.close()
        self._follower.close()
        self._crew.end(PATIENCE)
        self._hear_last()
        if self._plan is not None:
            journal().info("ended")
        if self._notices is not None and self._plan is not None:
            self._notices.ended(self.address, self._settings.model, is_logged=self._settings.spool is not None)
        self._shelf.remove()


def _facts(plan: Plan) -> dict[str, Any]:
    return {
        "version": plan.champion.version,
        "canary": None if plan.canary is None else plan.canary.version,
        "percent": plan.percent,
        "shadow": [slot.version for slot in plan.shadows],
        "fallback": plan.fallback,
        "revision": plan.revision,
    }


def _bound(host: str, port: int) -> socket.socket:
    """A listening socket. Raises InputError where there cannot be one."""
    bare = host.strip("[]")
    try:
        family = socket.getaddrinfo(bare, port, type=socket.SOCK_STREAM)[0][0]
        made = socket.socket(family, socket.SOCK_STREAM)
        if sys.platform != "win32":
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((bare, port))
        made.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise InputError(f"Cannot listen on {host} port {port}: {said}. Choose another with --port.") from None
    made.setblocking(False)
    return made


def _more_files() -> None:
    """As many open files as the system allows: each connection is one."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@contextlib.contextmanager
def _signals(ending: threading.Event) -> Any:
    """Let SIGTERM and SIGINT ask for the end, in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(*_: object) -> None:
        ending.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
