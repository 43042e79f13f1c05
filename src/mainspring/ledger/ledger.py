"""A ledger: the ports in one hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self
from urllib.parse import unquote

from mainspring.core.clock import SystemClock
from mainspring.core.errors import InputError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from mainspring.core.clock import Clock
    from mainspring.ledger.ports import (
        Artifacts,
        Audit,
        Datasets,
        Endpoints,
        Incidents,
        Leases,
        Models,
        Runs,
        Segments,
        States,
        Steps,
    )


class Ledger(Protocol):
    """The facts of a workspace.

    Safe for several threads and processes; what a call wrote is durable when it returns.
    """

    @property
    def url(self) -> str:
        """Where the facts lie."""

    @property
    def runs(self) -> Runs:
        """What was tried."""

    @property
    def artifacts(self) -> Artifacts:
        """Values and lineage."""

    @property
    def steps(self) -> Steps:
        """The cache's memory."""

    @property
    def datasets(self) -> Datasets:
        """Named series of tables."""

    @property
    def models(self) -> Models:
        """Versions and aliases."""

    @property
    def incidents(self) -> Incidents:
        """Alerts of one cause."""

    @property
    def segments(self) -> Segments:
        """The prediction log."""

    @property
    def endpoints(self) -> Endpoints:
        """Who answers."""

    @property
    def leases(self) -> Leases:
        """Which process works."""

    @property
    def states(self) -> States:
        """What long work remembers."""

    @property
    def audit(self) -> Audit:
        """Who changed what."""

    def together(self) -> AbstractContextManager[None]:
        """Make everything this thread reads and writes in the block one transaction, which an error undoes as a whole.

        Keep the block short: nobody else can write meanwhile.
        """

    def close(self) -> None:
        """Let go of the database. What was acknowledged stays."""

    def __enter__(self) -> Self:
        """Itself."""

    def __exit__(self, *_: object) -> None:
        """Close."""


def open_ledger(url: str | Path, *, clock: Clock | None = None, actor: str = "unknown", create: bool = True) -> Ledger:
    """Open the ledger at *url*.

    A file, ``sqlite:///path``, or ``sqlite://`` for one in memory that goes with the object.

    Raises LedgerError where it cannot be opened, is damaged, or was written by a newer Mainspring; InputError for
    another kind of URL.
    """
    from mainspring.ledger.sql.ledger import open_sqlite

    text = str(url)
    if isinstance(url, Path) or "://" not in text:
        path: Path | None = Path(text)
    elif text.startswith("sqlite://"):
        rest = unquote(text.removeprefix("sqlite://"))
        path = Path(rest[1:]) if len(rest) > 1 else None
    else:
        raise InputError(f"Expected a ledger in a file, at sqlite:///path or sqlite:// (in memory), got {text!r}.")
    return open_sqlite(path, clock=clock or SystemClock(), actor=actor, create=create)
