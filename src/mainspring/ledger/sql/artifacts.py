"""Artifacts and lineage over SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from mainspring.core.errors import NotFound
from mainspring.ledger.ports.artifacts import Artifact, Edge, Lineage
from mainspring.ledger.sql.codec import from_json, from_micros, to_json, to_micros
from mainspring.ledger.sql.runs import run_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from mainspring.core.clock import Clock
    from mainspring.ledger.ports.artifacts import Artifacts
    from mainspring.ledger.sql.session import Session

_FAR = 1_000_000
"""No lineage is that deep; it stands for no limit."""
_SELECT = """
    SELECT a.digest, a.type, a.size, coalesce(m.name, ''), r.uid, a.created, a.meta FROM artifacts a
    LEFT JOIN productions m ON m.id = (SELECT max(id) FROM productions WHERE digest = a.digest)
    LEFT JOIN runs r ON r.id = m.run
"""


class SqlArtifacts:
    """See the port `mainspring.ledger.ports.artifacts.Artifacts`."""

    def __init__(self, session: Session, *, clock: Clock) -> None:
        """Write at the time of *clock*."""
        self._session = session
        self._clock = clock

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
        """Say that *run* made a value from *inputs*."""
        now = to_micros(self._clock.now())

        def insert(connection: Connection) -> None:
            key = None if run is None else run_key(connection, run)
            record_artifact(
                connection,
                digest,
                type=type,
                size=size,
                name=name,
                run=key,
                inputs=inputs or {},
                meta=meta or {},
                now=now,
            )

        self._session.write(insert)

    def get(self, digest: str) -> Artifact:
        """The artifact of this digest."""

        def fetch(connection: Connection) -> Artifact:
            row = connection.exec_driver_sql(f"{_SELECT} WHERE a.digest = ?", (digest,)).first()
            if row is None:
                raise NotFound(f"No artifact has the digest {digest!r}.")
            return _artifact(row)

        return self._session.read(fetch)

    def of_run(self, run: str) -> tuple[Artifact, ...]:
        """What the run made."""
        statement = (
            "SELECT a.digest, a.type, a.size, m.name, r.uid, a.created, a.meta FROM productions m "
            "JOIN artifacts a ON a.digest = m.digest JOIN runs r ON r.id = m.run WHERE m.run = ? ORDER BY m.id"
        )
        return self._session.read(
            lambda connection: tuple(map(_artifact, connection.exec_driver_sql(statement, (run_key(connection, run),))))
        )

    def lineage(self, digest: str, *, direction: Literal["up", "down"] = "up", depth: int | None = None) -> Lineage:
        """What it came from, or what came of it."""
        here, there = ("output", "input") if direction == "up" else ("input", "output")
        reach = (
            f"WITH RECURSIVE reach(digest, depth) AS (SELECT ?, 0 UNION SELECT e.{there}, reach.depth + 1 FROM edges e "
            f"JOIN reach ON e.{here} = reach.digest WHERE reach.depth < ?) "
        )
        bounds = (digest, _FAR if depth is None else depth)

        def fetch(connection: Connection) -> Lineage:
            near = connection.exec_driver_sql(
                f"{reach}SELECT digest, min(depth) FROM reach GROUP BY digest ORDER BY 2, 1", bounds
            ).fetchall()
            found = [_find(connection, each) for each, _ in near]
            edges = connection.exec_driver_sql(
                f"{reach}SELECT DISTINCT e.output, e.input, e.role, r.uid FROM edges e LEFT JOIN runs "
                "r ON r.id = e.run "
                f"WHERE e.{here} IN (SELECT digest FROM reach WHERE depth < ?) ORDER BY e.output, e.role, e.input",
                (*bounds, bounds[1]),
            )
            return Lineage(
                artifacts=tuple(each for each in found if each is not None),
                edges=tuple(Edge(output=row[0], input=row[1], role=row[2], run=row[3]) for row in edges),
            )

        return self._session.read(fetch)

    def live(self) -> frozenset[str]:
        """The digests that facts still refer to."""
        statement = (
            "SELECT p.digest FROM productions p LEFT JOIN runs r ON r.id = p.run WHERE r.deleted IS NULL "
            "UNION SELECT digest FROM datasets UNION SELECT digest FROM models"
        )
        return self._session.read(
            lambda connection: frozenset(str(row[0]) for row in connection.exec_driver_sql(statement))
        )


def record_artifact(
    connection: Connection,
    digest: str,
    *,
    type: str,  # noqa: A002
    size: int,
    name: str,
    run: int | None,
    inputs: Mapping[str, str],
    meta: Mapping[str, Any],
    now: int,
) -> None:
    """The statements of `record`, for use in a larger transaction."""
    connection.exec_driver_sql(
        "INSERT INTO artifacts (digest, type, size, meta, created) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (digest, type, size, to_json(meta), now),
    )
    connection.exec_driver_sql(
        "INSERT INTO productions (digest, run, name, created) SELECT ?, ?, ?, ? WHERE NOT EXISTS "
        "(SELECT 1 FROM productions WHERE digest = ? AND run IS ? AND name = ?)",
        (digest, run, name, now, digest, run, name),
    )
    if inputs:
        connection.exec_driver_sql(
            "INSERT INTO edges (output, input, role, run) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            [(digest, source, role, run) for role, source in inputs.items()],
        )


def _find(connection: Connection, digest: str) -> Artifact | None:
    row = connection.exec_driver_sql(f"{_SELECT} WHERE a.digest = ?", (digest,)).first()
    return None if row is None else _artifact(row)


def _artifact(row: Sequence[Any]) -> Artifact:
    return Artifact(
        digest=row[0],
        type=row[1],
        size=row[2],
        name=row[3],
        run=row[4],
        created=from_micros(row[5]),
        meta=from_json(row[6]),
    )


if TYPE_CHECKING:

    def _fits(artifacts: SqlArtifacts) -> Artifacts:
        return artifacts
