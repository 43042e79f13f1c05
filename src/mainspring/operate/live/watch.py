"""Watching a served model: every window of its prediction log that is new, or has changed, is judged once.

What was found in a window, the incidents that it opened and how far the log was judged become known in one transaction.
So the watch may be called as often as one likes, by several processes, and killed at any time: whoever comes next goes
on behind the last window, and of two that judge the same window the slower one's work is thrown away.

A window is judged again when rows of its time reach the log late, and when labels of its rows come. What is found only
then is told only then; nothing is told twice. How the endpoint serves is judged on shorter windows of its own
(:mod:`mainspring.operate.live.service`). A window whose rows are damaged is passed over, and an incident says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from mainspring.core.errors import NotFound, Refused, StoreError
from mainspring.core.progress import progress
from mainspring.operate.live import document
from mainspring.operate.live.service import ServiceWatch
from mainspring.operate.live.windows import GRACE, LiveWindow, by_rows, by_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime, timedelta

    from mainspring.ledger.ports import Incident, Segment
    from mainspring.operate.live.document import Judged, Memory
    from mainspring.project import Project
    from mainspring.workspace import Workspace

ATTEMPTS = 5
"""So often a window is judged anew because somebody else wrote meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What one call of the watch did.

    ``judged``: windows that were new, ``again``: that were judged again; ``opened``: incidents that were opened by it,
    ``incidents``: those of the model that are open now. ``service``: alarms about the endpoint itself, in words.
    ``until``: up to when the log is judged, None where nothing was. ``windows``: so many with rows were ever judged.
    ``note`` says why nothing could be judged, empty where all went well.
    """

    model: str
    judged: tuple[Judged, ...] = ()
    again: tuple[Judged, ...] = ()
    opened: tuple[Incident, ...] = ()
    incidents: tuple[int, ...] = ()
    service: tuple[str, ...] = ()
    until: datetime | None = None
    windows: int = 0
    note: str = ""

    @property
    def new(self) -> int:
        """So many of the new windows had rows that were judged: those that ``windows`` counts."""
        return sum(1 for one in self.judged if one.rows)

    @property
    def unread(self) -> int:
        """So many of the new windows could not be read."""
        return sum(1 for one in self.judged if one.unread)

    @property
    def silent(self) -> int:
        """So many of the new windows had no row."""
        return len(self.judged) - self.new - self.unread

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "model": self.model,
            "new": self.new,
            "silent": self.silent,
            "unread": self.unread,
            "judged": [_as_dict(one) for one in self.judged],
            "again": [_as_dict(one) for one in self.again],
            "opened": [one.id for one in self.opened],
            "open": list(self.incidents),
            "service": list(self.service),
            "until": self.until,
            "windows": self.windows,
            "note": self.note,
        }


@dataclass(slots=True)
class Found:
    """What was found so far in one call."""

    judged: list[Judged] = field(default_factory=list)
    again: list[Judged] = field(default_factory=list)
    opened: list[Incident] = field(default_factory=list)
    service: list[str] = field(default_factory=list)


def watch(
    project: Project,
    workspace: Workspace | None = None,
    *,
    grace: timedelta = GRACE,
    told: Callable[[str], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Watched:
    """Judge the windows of the project's model that are new or have changed, and open or add to incidents.

    *workspace*: an open one; by default the project's. *grace*: how long after its end a window waits for late rows.
    *told* is called with a line for people after each window. *stop* is asked between windows whether to leave the rest
    for later. Raises NotFound where the model has no version, StoreError where a version or a segment is damaged.
    """
    if workspace is not None:
        return _Watcher(project, workspace, grace, told, stop).run()
    with project.workspace() as own:
        return _Watcher(project, own, grace, told, stop).run()


def with_opened(found: Watched, workspace: Workspace, numbers: Iterable[int]) -> Watched:
    """What was *found*, with the incidents of these *numbers* that something beside the watch opened, as it is now."""
    port = workspace.ledger.incidents
    more = tuple(port.get(number) for number in numbers)
    return replace(found, opened=(*found.opened, *more), incidents=_open(workspace, found.model))


def _open(workspace: Workspace, model: str) -> tuple[int, ...]:
    return tuple(sorted(one.id for one in workspace.ledger.incidents.search(model=model, status="open", limit=10_000)))


class _Watcher:
    """One call."""

    def __init__(
        self,
        project: Project,
        workspace: Workspace,
        grace: timedelta,
        told: Callable[[str], None] | None,
        stop: Callable[[], bool] | None,
    ) -> None:
        self._project, self._workspace, self._grace = project, workspace, grace
        self._told = told or (lambda line: None)
        self._stop = stop or (lambda: False)
        self._model = project.contract.project.name
        self._states = workspace.ledger.states
        self._ports = workspace.ledger.segments
        self._service = ServiceWatch(project.contract, workspace)
        self._judge: Any = None

    def run(self) -> Watched:
        found = Found()
        self._kept(self._in_time(found), document.remembered(self._states, self._model))
        now = self._workspace.clock.now() - self._grace
        self._serve(now, found)
        memory = document.remembered(self._states, self._model)
        begun = memory.index
        news = self._ports.search(model=self._model, after=memory.seen)
        due = self._due(memory, now)
        first = next(due, None)
        if first is None and not news:
            return self._watched(memory, found)
        memory = self._again(memory, news, found)
        while first is not None and not self._stop():
            before, following, failed = len(found.judged), None, None
            try:
                following = next(due, None)
            except Exception as error:  # of a later window: this one is judged all the same
                failed = error
            if memory.ahead is not None and document.judged(self._states, self._model, first) is not None:
                memory = self._kept(partial(self._met, window=first, found=found), memory)
            else:
                memory = self._new(memory, first, following, found)
                if len(found.judged) == before:
                    break  # somebody else judges this log, too
                self._tell(found.judged[-1], memory)
            if failed is not None:
                raise failed
            first = following
        if not self._stop():
            memory = self._kept(partial(self._judging().settle, news=news), memory)
        if found.judged:
            memory = self._kept(self._judging().tidied, memory)
        if begun != memory.index:
            progress("watch", 1, 1, f"{len(found.judged):,} windows judged")
        return self._watched(memory, found)

    def _in_time(self, found: Found) -> Callable[[Memory], Memory]:
        """What takes a position back that a clock which was ahead has left in the future."""
        from mainspring.operate.live import ahead

        def work(memory: Memory) -> Memory:
            memory, opened, said = ahead.mended(self._project.contract, self._workspace, self._service, memory)
            found.opened += opened
            if said:
                found.service.append(said)
                self._told(said)
            return memory

        return work

    def _met(self, memory: Memory, window: LiveWindow, found: Found) -> Memory:
        """Go on behind a window that was judged ahead of its time, once what came to it since is judged as well."""
        from mainspring.operate.live import ahead

        if memory.next is not None and memory.next > window.start:
            return memory  # somebody else has been here meanwhile
        touched = ahead.come(self._workspace, self._model, memory, window)
        if touched is not None:
            try:
                memory = self._judging().again(memory, touched=touched, found=found)
            except (StoreError, NotFound) as error:
                self._unread(window.words, str(error), found)
        return document.remember(self._states, self._model, replace(memory, next=window.end, silent=0))

    def _serve(self, now: datetime, found: Found) -> None:
        """Look at how the endpoint served since the last time."""
        for attempt in range(ATTEMPTS):
            service = document.served(self._states, self._model)
            windows = self._service.due(service, now)
            if not windows:
                return
            try:
                _, opened, said = self._service.look(service, windows)
            except Refused:
                if attempt + 1 == ATTEMPTS:
                    raise
            else:
                found.opened += opened
                found.service += said
                for line in said:
                    self._told(line)
                return

    def _new(self, memory: Memory, window: LiveWindow, following: LiveWindow | None, found: Found) -> Memory:
        """Judge a window that has just ended; where its rows are damaged, say so and go on after it."""
        from mainspring.operate.live import damage

        judging = self._judging()
        try:
            memory = self._kept(partial(judging.new, window=window, found=found, following=following), memory)
        except (StoreError, NotFound) as error:
            if not damage.is_damaged(self._workspace, self._model, window):
                self._unread(window.words, str(error), found)
                raise
            passed = partial(damage.passed_over, self._workspace, self._model)
            return self._kept(partial(passed, window=window, why=str(error), found=found), memory)
        if judging.blind:
            self._unread(window.words, judging.blind, found)
            judging.blind = ""
        else:
            damage.readable(self._workspace, self._model)
        return memory

    def _unread(self, where: str, why: str, found: Found) -> None:
        """Say that something of the log cannot be judged."""
        from mainspring.operate.live import damage

        with self._workspace.ledger.together():
            found.opened += damage.unread(self._workspace, self._model, where, why)

    def _judging(self) -> Any:
        """What does the judging; made only where there is something to judge, for it loads half the library."""
        if self._judge is None:
            from mainspring.operate.live.judge import Judge

            self._judge = Judge(self._project.contract, self._workspace)
        return self._judge

    def _kept(self, work: Callable[[Memory], Memory], memory: Memory) -> Memory:
        """Do *work*, and again from what is known by then where somebody else was faster."""
        for attempt in range(ATTEMPTS):
            try:
                return work(memory)
            except Refused:
                if attempt + 1 == ATTEMPTS:
                    raise
                memory = document.remembered(self._states, self._model)
        raise AssertionError("unreachable")

    def _due(self, memory: Memory, now: datetime) -> Iterator[LiveWindow]:
        size = self._project.contract.monitor.window
        segments = self._ports.search(model=self._model, kind="predictions", since=memory.next)
        if isinstance(size, int):
            if sum(one.rows for one in segments) < size:
                return
            yield from by_rows(segments, size, now=now, begin=memory.next, times=lambda one: self._ticks(one))
        else:
            yield from by_time(segments, size, now=now, begin=memory.next, silent=memory.silent)

    def _ticks(self, segment: Segment) -> Any:
        return self._judging().rows.ticks(segment)

    def _again(self, memory: Memory, news: tuple[Segment, ...], found: Found) -> Memory:
        """Judge again the windows that *news* may have changed."""
        if memory.next is None or not news:
            return memory
        from mainspring.operate.live.news import fresh, touched

        for one in touched(self._workspace, memory, fresh(news, memory), self._model):
            if self._stop():
                return memory
            try:
                memory = self._kept(partial(self._judging().again, touched=one, found=found), memory)
            except (StoreError, NotFound) as error:
                self._unread(one.judged.window.words, str(error), found)
        return memory

    def _tell(self, judged: Judged, memory: Memory) -> None:
        alerts = f": {'; '.join(judged.alerts)}" if judged.alerts else ""
        rows = f"{judged.rows:,} rows" if judged.rows else "no row"
        self._told(f"{judged.window.words}  {rows}{alerts}")
        progress("watch", memory.index + 1, None, judged.window.words)

    def _watched(self, memory: Memory, found: Found) -> Watched:
        return Watched(
            model=self._model,
            judged=tuple(found.judged),
            again=tuple(found.again),
            opened=tuple(found.opened),
            incidents=_open(self._workspace, self._model),
            service=tuple(found.service),
            until=memory.next,
            windows=memory.index + 1,
        )


def _as_dict(found: Judged) -> dict[str, Any]:
    return {
        "start": found.start,
        "end": found.end,
        "rows": found.rows,
        "labelled": found.labelled,
        "version": found.version or None,
        "values": found.values,
        "estimated": found.estimated,
        "service": found.service,
        "alerts": list(found.alerts),
    }
