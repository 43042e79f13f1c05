"""Datasets: a named series of tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from mainspring.ledger.operation import Permission, operation


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetVersion:
    """One table of the series.

    ``schema``: column to type; ``profile``: plain JSON values; ``source``: where it came from.
    """

    name: str
    version: int
    digest: str
    rows: int
    created: datetime
    actor: str
    schema: Mapping[str, str] = field(default_factory=dict)
    profile: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    run: str | None = None


class Datasets(Protocol):
    """The datasets of a workspace. Methods raise NotFound with the nearest name."""

    @operation(needs=Permission.WRITE)
    def create(
        self,
        name: str,
        *,
        digest: str,
        rows: int,
        schema: Mapping[str, str] | None = None,
        profile: Mapping[str, Any] | None = None,
        source: str = "",
        run: str | None = None,
    ) -> DatasetVersion:
        """Add a version. Where the newest has the same digest already, that one is returned."""
        ...

    @operation(needs=Permission.READ)
    def names(self) -> tuple[str, ...]:
        """The datasets, sorted."""
        ...

    @operation(needs=Permission.READ)
    def versions(self, name: str) -> tuple[DatasetVersion, ...]:
        """The versions, newest first."""
        ...

    @operation(needs=Permission.READ)
    def get(self, name: str, version: int | None = None) -> DatasetVersion:
        """One version; the newest where none is named."""
        ...
