"""Models: versions, aliases, and who changed what is live, when and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from mainspring.core.estimate import Estimate
from mainspring.ledger.operation import Permission, operation

ANY = -1
"""For ``expected``: whatever the alias names now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """One version.

    ``digest`` is its bundle's; ``passed``: no must failed; ``evidence``: verdicts and other JSON values.
    """

    name: str
    version: int
    digest: str
    created: datetime
    actor: str
    passed: bool
    run: str | None = None
    metrics: Mapping[str, Estimate] = field(default_factory=dict)
    evidence: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """An alias came to name another version.

    ``before`` and ``after`` are None for none; ``override``: why a rule was lifted; ``back``: it came back to what it
    named before, by a rollback.
    """

    name: str
    alias: str
    before: int | None
    after: int | None
    actor: str
    time: datetime
    reason: str = ""
    override: str | None = None
    back: bool = False


class Models(Protocol):
    """The registry's facts. The rules about who may become champion are above, in `mainspring.registry`.

    Methods raise NotFound with the nearest name. Every change is in the audit trail, in the same transaction.
    """

    @operation(needs=Permission.WRITE)
    def create(
        self,
        name: str,
        *,
        digest: str,
        passed: bool,
        run: str | None = None,
        metrics: Mapping[str, Estimate] | None = None,
        evidence: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
        description: str = "",
        created: datetime | None = None,
    ) -> ModelVersion:
        """Add the next version; numbers rise from 1 and are never used again."""
        ...

    @operation(needs=Permission.READ)
    def names(self) -> tuple[str, ...]:
        """The models, sorted."""
        ...

    @operation(needs=Permission.READ)
    def versions(self, name: str) -> tuple[ModelVersion, ...]:
        """The versions, newest first."""
        ...

    @operation(needs=Permission.READ)
    def get(self, name: str, version: int) -> ModelVersion:
        """One version."""
        ...

    @operation(needs=Permission.WRITE)
    def annotate(
        self, name: str, version: int, *, tags: Mapping[str, str] | None = None, description: str | None = None
    ) -> ModelVersion:
        """Set tags (the last value wins) and the description; what is None stays."""
        ...

    @operation(needs=Permission.RELEASE)
    def set_alias(
        self,
        name: str,
        alias: str,
        version: int | None,
        *,
        reason: str = "",
        override: str | None = None,
        back: bool = False,
        expected: int | None = ANY,
        at: datetime | None = None,
    ) -> Transition:
        """Let *alias* name *version*, or nothing. *back*: this is a rollback to what it named before.

        Raises Refused where it does not name the *expected* version any more.
        """
        ...

    @operation(needs=Permission.READ)
    def aliases(self, name: str) -> Mapping[str, int]:
        """The aliases with their versions."""
        ...

    @operation(needs=Permission.READ)
    def transitions(self, name: str, *, alias: str | None = None) -> tuple[Transition, ...]:
        """What changed, oldest first."""
        ...

    @operation(needs=Permission.READ)
    def at(self, name: str, when: datetime, *, alias: str = "champion") -> Transition | None:
        """The transition that was in force at that time: its ``after`` was live. None where nothing ever was before."""
        ...
