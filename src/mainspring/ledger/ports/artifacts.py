"""Artifacts: immutable values with a digest, and which was made from which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from mainspring.ledger.operation import Permission, operation


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A value in the store. ``run`` and ``name`` are those under which it was made last; ``size`` in bytes."""

    digest: str
    type: str
    size: int
    name: str
    run: str | None
    created: datetime
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """``output`` was made from ``input``, which was called ``role`` there, in ``run``."""

    output: str
    input: str
    role: str
    run: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """What an artifact came from, or what came of it: the artifacts, nearest first, and the edges between them."""

    artifacts: tuple[Artifact, ...]
    edges: tuple[Edge, ...]


class Artifacts(Protocol):
    """Values and their lineage. Recording is idempotent: the same facts twice are the same facts."""

    @operation(needs=Permission.WRITE)
    def record(
        self,
        digest: str,
        *,
        type: str,  # noqa: A002
        size: int,
        name: str = "",
        run: str | None = None,
        inputs: Mapping[str, str] | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        """Say that *run* made a value called *name* from *inputs* (role to digest)."""

    @operation(needs=Permission.READ)
    def get(self, digest: str) -> Artifact:
        """The artifact of this digest. Raises NotFound."""
        ...

    @operation(needs=Permission.READ)
    def of_run(self, run: str) -> tuple[Artifact, ...]:
        """What the run made, in the order it was made."""
        ...

    @operation(needs=Permission.READ)
    def lineage(self, digest: str, *, direction: Literal["up", "down"] = "up", depth: int | None = None) -> Lineage:
        """What the artifact was made from (up) or what was made from it (down), at most *depth* edges away."""
        ...

    @operation(needs=Permission.READ)
    def live(self) -> frozenset[str]:
        """The digests that facts still refer to.

        Made by a run that was not deleted, or held by a dataset, a model or a segment of the prediction log.
        """
        ...
