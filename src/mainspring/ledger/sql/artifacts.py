"""Artifacts and lineage over SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from mainspring.core.errors import NotFound
from mainspring.ledger.ports.artifacts import Artifact, Edge, Lineage
from mainspring.ledger.sql.codec import from_json, from_micros, to_json, to_micros
from mainspring.ledger.sql.runs import run_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from mainspring.core.clock import Clock
    from mainspring.ledger.ports.artifacts import Artifacts
    from mainspring.ledger.sql.session import Session

_PORTION = 500
"""So many digests go into one statement."""
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

        def fetch(connection: Connection) -> Lineage:
            # level by level: a recursive query would go round in a circle for ever
            reached, edges, level = [digest], list[Edge](), [digest]
            seen, left = {digest}, depth
            while level and left != 0:
                found = [edge for part in _portions(level) for edge in _edges(connection, here, part)]
                edges += found
                level = sorted({getattr(edge, there) for edge in found} - seen)
                seen.update(level)
                reached += level
                left = None if left is None else left - 1
            known = {each.digest: each for part in _portions(reached) for each in _several(connection, part)}
            return Lineage(artifacts=tuple(known[each] for each in reached if each in known), edges=tuple(edges))

        return self._session.read(fetch)

    def live(self) -> frozenset[str]:
        """The digests that facts still refer to."""
        statement = (
            "SELECT p.digest FROM productions p LEFT JOIN runs r ON r.id = p.run WHERE r.deleted IS NULL "
            "UNION SELECT digest FROM datasets UNION SELECT digest FROM models "
            "UNION SELECT digest FROM segments WHERE gone IS NULL"
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


def _portions(names: Sequence[str]) -> Iterator[Sequence[str]]:
    """The names in portions that one statement can take."""
    for start in range(0, len(names), _PORTION):
        yield names[start : start + _PORTION]


def _edges(connection: Connection, here: str, digests: Sequence[str]) -> list[Edge]:
    rows = connection.exec_driver_sql(
        "SELECT e.output, e.input, e.role, r.uid FROM edges e LEFT JOIN runs r ON r.id = e.run "
        f"WHERE e.{here} IN ({', '.join('?' * len(digests))}) ORDER BY e.output, e.role, e.input",
        tuple(digests),
    )
    return [Edge(output=row[0], input=row[1], role=row[2], run=row[3]) for row in rows]


def _several(connection: Connection, digests: Sequence[str]) -> list[Artifact]:
    marks = ", ".join("?" * len(digests))
    return list(map(_artifact, connection.exec_driver_sql(f"{_SELECT} WHERE a.digest IN ({marks})", tuple(digests))))


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
