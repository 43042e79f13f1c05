"""A ledger over SQL: one session, one adapter per noun."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from mainspring.core.errors import LedgerError
from mainspring.ledger.sql.artifacts import SqlArtifacts
from mainspring.ledger.sql.audit import SqlAudit
from mainspring.ledger.sql.datasets import SqlDatasets
from mainspring.ledger.sql.endpoints import SqlEndpoints
from mainspring.ledger.sql.engine import file_engine, memory_engine
from mainspring.ledger.sql.incidents import SqlIncidents
from mainspring.ledger.sql.leases import SqlLeases
from mainspring.ledger.sql.migrate import prepare
from mainspring.ledger.sql.models import SqlModels
from mainspring.ledger.sql.runs import SqlRuns
from mainspring.ledger.sql.segments import SqlSegments
from mainspring.ledger.sql.session import Session
from mainspring.ledger.sql.states import SqlStates
from mainspring.ledger.sql.steps import SqlSteps

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from mainspring.core.clock import Clock
    from mainspring.ledger.ledger import Ledger


class SqlLedger:
    """See `mainspring.ledger.ledger.Ledger`."""

    def __init__(self, session: Session, *, url: str, clock: Clock, actor: str) -> None:
        """Over the *session* of a database that has its tables."""
        self.session = session
        self.url = url
        self.runs = SqlRuns(session, clock=clock, actor=actor)
        self.artifacts = SqlArtifacts(session, clock=clock)
        self.steps = SqlSteps(session, clock=clock)
        self.datasets = SqlDatasets(session, clock=clock, actor=actor)
        self.models = SqlModels(session, clock=clock, actor=actor)
        self.incidents = SqlIncidents(session, clock=clock, actor=actor)
        self.segments = SqlSegments(session, clock=clock, actor=actor)
        self.endpoints = SqlEndpoints(session, clock=clock, actor=actor)
        self.leases = SqlLeases(session, clock=clock, actor=actor)
        self.states = SqlStates(session, clock=clock)
        self.audit = SqlAudit(session, clock=clock, actor=actor)

    def together(self) -> AbstractContextManager[None]:
        """Make everything this thread does in the block one transaction."""
        return self.session.together()

    def close(self) -> None:
        """Let go of the database."""
        self.session.close()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def __repr__(self) -> str:
        """The class and where the facts lie."""
        return f"SqlLedger({self.url!r})"


def open_sqlite(path: Path | None, *, clock: Clock, actor: str, create: bool) -> SqlLedger:
    """The ledger in the file at *path*, or in memory for None; made where there is none and *create* is set."""
    if path is None:
        session = Session(memory_engine(), shared_connection=True, where="in memory")
        url = "sqlite://"
    else:
        if not create and not path.is_file():
            raise LedgerError(f"There is no ledger at {path}.")
        session = Session(file_engine(path), shared_connection=False, where=str(path))
        url = f"sqlite:///{path}"
    try:
        prepare(session, path=path)
    except BaseException:
        session.close()
        raise
    return SqlLedger(session, url=url, clock=clock, actor=actor)


if TYPE_CHECKING:

    def _fits(ledger: SqlLedger) -> Ledger:
        return ledger
