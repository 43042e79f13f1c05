"""Runs: what was tried, with which parameters, and what came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol, TypeAlias

from mainspring.core.recording import Param
from mainspring.ledger.operation import Permission, operation

RunStatus: TypeAlias = Literal["running", "finished", "failed", "pruned", "killed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Which code ran in which environment. Nothing in it names a machine.

    ``commit``: the Git commit, None outside a repository; ``dirty``: whether files differed from it;
    ``environment``: digest over the Python version and the installed distributions.
    """

    commit: str | None = None
    dirty: bool | None = None
    environment: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run.

    ``metrics`` holds the last value of each; ``parent`` is the run it belongs to (a trial to its search).
    """

    id: str
    name: str
    kind: str
    status: RunStatus
    experiment: str
    parent: str | None
    started: datetime
    finished: datetime | None
    actor: str
    provenance: Provenance
    params: Mapping[str, Param] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it runs."""
        return None if self.finished is None else (self.finished - self.started).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One value of a metric. ``time`` is when it was measured; None means now."""

    name: str
    value: float
    step: int = 0
    time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """All values of one metric of one run, by column, ordered by step and then as they came.

    Times in seconds since 1970.
    """

    name: str
    steps: tuple[int, ...]
    values: tuple[float, ...]
    times: tuple[float, ...]

    def __len__(self) -> int:
        """The number of points."""
        return len(self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricFilter:
    """Keep runs whose last value of the metric stands so to the bound."""

    name: str
    op: Literal["<", "<=", ">", ">=", "==", "!="]
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunQuery:
    """Which runs, in which order. None means any; ``roots`` leaves out the runs that have a parent.

    ``order`` is ``started`` or ``metric:NAME``; runs without the metric come last in both directions. ``offset`` and
    ``limit`` cut a page.
    """

    experiment: str | None = None
    kind: str | None = None
    status: RunStatus | None = None
    parent: str | None = None
    roots: bool = False
    metrics: tuple[MetricFilter, ...] = ()
    params: Mapping[str, Param] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    order: str = "started"
    descending: bool = True
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPage:
    """A page of runs, and how many match in all."""

    runs: tuple[Run, ...]
    total: int


class Runs(Protocol):
    """The runs of a workspace. Safe for several threads and processes; what a call wrote is durable when it returns.

    A run is named by its id or by an unambiguous beginning of it (four digits or more) in `get` only. Methods raise
    NotFound for a run that is not there, LedgerError where facts cannot be written or read.
    """

    @operation(needs=Permission.WRITE)
    def create(
        self,
        *,
        name: str,
        kind: str = "run",
        id: str | None = None,  # noqa: A002
        experiment: str = "default",
        parent: str | None = None,
        params: Mapping[str, Param] | None = None,
        tags: Mapping[str, str] | None = None,
        provenance: Provenance | None = None,
        started: datetime | None = None,
    ) -> Run:
        """Open a run.

        With an *id* that exists already the call does nothing and returns that run, so it can be repeated.
        """
        ...

    @operation(needs=Permission.WRITE)
    def finish(self, run: str, *, status: RunStatus = "finished", finished: datetime | None = None) -> None:
        """Close the run. A closed run keeps its first status and time."""

    @operation(needs=Permission.WRITE)
    def log(
        self,
        run: str,
        *,
        params: Mapping[str, Param] | None = None,
        metrics: Sequence[Point] = (),
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Add facts to a run.

        A parameter keeps its first value, a metric grows by a point, a tag takes the last value.
        """

    @operation(needs=Permission.READ)
    def get(self, run: str) -> Run:
        """The run of this id, or of this beginning of an id.

        Raises NotFound, naming the candidates where several fit.
        """
        ...

    @operation(needs=Permission.READ)
    def history(self, run: str, metric: str) -> History:
        """Every point of a metric; NotFound where the run never logged it."""
        ...

    @operation(needs=Permission.READ)
    def search(self, query: RunQuery) -> RunPage:
        """The runs that match, newest first unless asked otherwise."""
        ...

    @operation(needs=Permission.READ)
    def experiments(self) -> Mapping[str, int]:
        """The experiments with their number of runs."""
        ...

    @operation(needs=Permission.WRITE)
    def delete(self, run: str) -> None:
        """Hide the run and its children, and let `gc` take the bytes that only they made.

        A second time is a NotFound.
        """
