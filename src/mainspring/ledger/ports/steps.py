"""Steps: what each step of a pipeline did, under which key, so that it can be reused and explained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol, TypeAlias

from mainspring.ledger.operation import Permission, operation

StepStatus: TypeAlias = Literal["ran", "reused", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """A value that a step returned. ``size`` in bytes; ``meta`` plain facts (rows, columns)."""

    digest: str
    type: str
    size: int = 0
    name: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """What one step did in one run.

    ``key`` is the fingerprint over everything the result depends on, ``parts`` its named parts (source, libraries,
    parameters …) with a digest or short value each, ``inputs`` role to digest. ``error`` is set where it failed.
    """

    key: str
    step: str
    run: str
    outputs: tuple[Output, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    status: StepStatus = "ran"
    finished: datetime | None = None
    error: str | None = None


class Steps(Protocol):
    """The cache's memory."""

    @operation(needs=Permission.READ)
    def find(self, key: str) -> StepRecord | None:
        """The last record of a step that ran under this key and gave its result, or None."""
        ...

    @operation(needs=Permission.WRITE)
    def record(self, record: StepRecord) -> None:
        """Keep the record, its outputs as artifacts and their lineage, in one transaction.

        A second time replaces it.
        """

    @operation(needs=Permission.READ)
    def latest(self, step: str, *, before: str | None = None) -> StepRecord | None:
        """The last record of the step that did not fail; with *before*, in another run than this one."""
        ...

    @operation(needs=Permission.READ)
    def history(self, step: str, *, limit: int = 20) -> tuple[StepRecord, ...]:
        """The last records of the step, newest first."""
        ...

    @operation(needs=Permission.READ)
    def of_run(self, run: str) -> tuple[StepRecord, ...]:
        """What each step did in the run, in the order they finished."""
        ...
