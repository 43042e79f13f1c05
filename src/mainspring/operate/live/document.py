"""What the watch remembers, as documents of the ledger's states.

===========  =================================  ================================================================
kind         key                                value
===========  =================================  ================================================================
``watch``    ``<model>``                        `Memory`: how far the log was judged, open incidents, what is usual
``window``   ``<model>/<start of the window>``  `Judged`: what was found in one window, and where its counts lie
``service``  ``<model>``                        `Service`: the same as `Memory`, of how the endpoint serves
===========  =================================  ================================================================

A window's document, the memory after it and the incidents it opened or added to are written in one transaction: a
window is judged wholly or not at all, wherever the process is killed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime  # documents are read by their types
from statistics import median
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import msgspec

from mainspring.contract.policy import Trigger  # noqa: TC001  # documents are read by their types
from mainspring.monitor.service_point import ServicePoint  # noqa: TC001
from mainspring.operate.fold import Case  # noqa: TC001
from mainspring.operate.live.windows import LiveWindow, stamp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mainspring.ledger.ports.states import State, States

Span: TypeAlias = tuple[datetime, datetime]

WATCH = "watch"
WINDOW = "window"
SERVICE = "service"
FORMAT = 1
RECENT = 64
"""So many windows are remembered by their place in time."""
LATELY = 16
"""How many rows are usual say so many of the last windows."""
ASKING = 50
"""At most so many windows that ask for something and were not answered are remembered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a window lies, how many rows it had, and which version answered most of them."""

    index: int
    start: datetime
    end: datetime
    rows: int
    version: int

    @property
    def window(self) -> LiveWindow:
        """Its stretch of time."""
        return LiveWindow(self.start, self.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What a judgement asked for. ``number`` rises by one with each; ``index``: the window after which it was made."""

    number: int
    index: int
    version: int
    triggers: dict[Trigger, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One judged window.

    ``index`` counts windows with rows; an empty one has that of the window before. ``version`` answered most of its
    rows, 0 where there were none. ``labelled``: of its rows, as far as a sample tells; ``waiting``: so many labels came
    since, too few to judge it again. ``unread``: why it cannot be judged, empty where it was. ``alerts``: in words.
    ``told``: the names of the performance signals that were folded already. ``streamed``: its losses are in the loss
    stream. ``counts``: the digest of its counts in the store, empty where nothing was counted or no label can come any
    more. ``revision`` is that of the document.
    """

    start: datetime
    end: datetime
    index: int
    version: int
    rows: int
    judged: datetime
    labelled: int = 0
    waiting: int = 0
    unread: str = ""
    values: dict[str, float | None] = field(default_factory=dict)
    estimated: dict[str, float | None] = field(default_factory=dict)
    service: ServicePoint | None = None
    alerts: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    streamed: bool = False
    counts: str = ""
    revision: int = 0

    @property
    def window(self) -> LiveWindow:
        """Its stretch of time."""
        return LiveWindow(self.start, self.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """The watch was taken back from a time to come: up to ``until`` windows may have been judged ahead of their time.

    ``seen``: rows of segments with higher ids came after that.
    """

    until: datetime
    seen: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What the watch over one model knows after the last window.

    ``seen``: the highest id of a segment that has been looked at. ``next``: where the next window begins, None before
    the first. ``index``: the number of the last window with rows; ``silent``: so many empty ones came after it.
    ``longest``: the longest window, in seconds. ``faults``: the state of the tracker of broken columns. ``stream``: of
    the loss stream of version ``streaming``. ``asked``: how often something was asked for; ``asking``: the last ones.
    ``answers``: how version ``answering`` answers (a reference of its first window), for a version whose bundle tells
    that of its like only. ``broken``: when each column was broken, however long ago. ``tidied``: the counts of windows
    that began before then are not kept any more. ``ahead``: None where no clock was ahead, or that is over.
    ``revision`` is that of the document, 0 where there is none yet.
    """

    seen: int = 0
    next: datetime | None = None
    index: int = -1
    silent: int = 0
    longest: float = 0.0
    labelled: int = 0
    cases: tuple[Case, ...] = ()
    faults: dict[str, Any] | None = None
    stream: dict[str, Any] | None = None
    streaming: int = 0
    answers: dict[str, Any] | None = None
    answering: int = 0
    points: tuple[ServicePoint, ...] = ()
    recent: tuple[Place, ...] = ()
    asked: int = 0
    asking: tuple[Asking, ...] = ()
    broken: dict[str, tuple[Span, ...]] = field(default_factory=dict)
    tidied: datetime | None = None
    ahead: Ahead | None = None
    format: int = FORMAT
    revision: int = 0

    @property
    def usual(self) -> int:
        """The rows of a usual window, as the last ones had them; 0 before the first."""
        rows = [place.rows for place in self.recent[-LATELY:]]
        return round(median(rows)) if rows else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What the watch knows of how the endpoint serves, after the last of the short windows that this is judged by.

    ``next``: where the next one begins, None before the first. ``index`` counts them; ``silent`` of the last were
    without a request, and those that were passed over after these. ``points``: the last ones, none left out.
    ``told``: the end of the last one that raised an alarm, by the alarm's name.
    """

    next: datetime | None = None
    index: int = -1
    silent: int = 0
    points: tuple[ServicePoint, ...] = ()
    cases: tuple[Case, ...] = ()
    told: dict[str, datetime] = field(default_factory=dict)
    revision: int = 0


def remembered(states: States, model: str) -> Memory:
    """The memory of *model*; a fresh one where nothing was judged yet."""
    state = states.get(WATCH, model)
    return Memory() if state is None else _read(state, Memory)


def remember(states: States, model: str, memory: Memory) -> Memory:
    """Write the *memory* down. Raises Refused where somebody else did since it was read."""
    state = states.put(WATCH, model, _value(memory), expected=memory.revision)
    return replace(memory, revision=state.revision)


def served(states: States, model: str) -> Service:
    """What is known of how the endpoint of *model* serves."""
    state = states.get(SERVICE, model)
    return Service() if state is None else _read(state, Service)


def serve(states: States, model: str, service: Service) -> Service:
    """Write it down. Raises Refused where somebody else did since it was read."""
    state = states.put(SERVICE, model, _value(service), expected=service.revision)
    return replace(service, revision=state.revision)


def judged(states: States, model: str, window: LiveWindow) -> Judged | None:
    """What was found in *window*."""
    state = states.get(WINDOW, f"{model}/{window.key}")
    return None if state is None else _read(state, Judged)


def keep(states: States, model: str, found: Judged) -> None:
    """Write down what was found in a window. Raises Refused where somebody else did since it was read."""
    states.put(WINDOW, f"{model}/{found.window.key}", _value(found), expected=found.revision)


def forget(states: States, model: str, found: Judged) -> None:
    """Forget what was found in a window. Raises Refused where somebody else judged it since it was read."""
    states.delete(WINDOW, f"{model}/{found.window.key}", expected=found.revision)


def between(states: States, model: str, first: datetime, last: datetime) -> Iterator[Judged]:
    """The judged windows that begin between two times, both included, in order."""
    head = f"{model}/"
    # no stamp begins with another one: whatever comes after the last begins later
    for state in states.search(WINDOW, head, since=f"{head}{stamp(first)}", until=f"{head}{stamp(last)}~"):
        yield _read(state, Judged)


def counts(states: States) -> frozenset[str]:
    """The digests of all windows' counts: what a sweep of the store is to leave."""
    found = (str(state.value.get("counts", "")) for state in states.search(WINDOW))
    return frozenset(digest for digest in found if digest)


_Document = TypeVar("_Document", Memory, Service, Judged)


def _read(state: State, kind: type[_Document]) -> _Document:
    return msgspec.convert({**state.value, "revision": state.revision}, kind)


def _value(document: Memory | Service | Judged) -> dict[str, Any]:
    value: dict[str, Any] = msgspec.to_builtins(document)
    del value["revision"]
    return value
