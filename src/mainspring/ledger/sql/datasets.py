"""Datasets over SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mainspring.core.errors import NotFound
from mainspring.ledger.ports.datasets import DatasetVersion
from mainspring.ledger.sql.codec import from_json, from_micros, to_json, to_micros

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from mainspring.core.clock import Clock
    from mainspring.ledger.ports.datasets import Datasets
    from mainspring.ledger.sql.session import Session

_SELECT = (
    "SELECT name, version, digest, rows, created, actor, columns, profile, source, run FROM datasets WHERE name = ?"
)


class SqlDatasets:
    """See the port `mainspring.ledger.ports.datasets.Datasets`."""

    def __init__(self, session: Session, *, clock: Clock, actor: str) -> None:
        """Write as *actor* at the time of *clock*."""
        self._session = session
        self._clock = clock
        self._actor = actor

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
        """Add a version."""
        now = to_micros(self._clock.now())

        def insert(connection: Connection) -> DatasetVersion:
            newest = connection.exec_driver_sql(f"{_SELECT} ORDER BY version DESC LIMIT 1", (name,)).first()
            if newest is not None and newest[2] == digest:
                return _version(newest)
            row = (
                name, 1 if newest is None else newest[1] + 1, digest, rows, now, self._actor, to_json(schema or {}),
                to_json(profile or {}), source, run,
            )  # fmt: skip
            connection.exec_driver_sql("INSERT INTO datasets VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
            return _version(row)

        return self._session.write(insert)

    def names(self) -> tuple[str, ...]:
        """The datasets."""
        return self._session.read(_names)

    def versions(self, name: str) -> tuple[DatasetVersion, ...]:
        """The versions."""

        def fetch(connection: Connection) -> tuple[DatasetVersion, ...]:
            found = tuple(map(_version, connection.exec_driver_sql(f"{_SELECT} ORDER BY version DESC", (name,))))
            if not found:
                raise NotFound.among("dataset", name, _names(connection))
            return found

        return self._session.read(fetch)

    def get(self, name: str, version: int | None = None) -> DatasetVersion:
        """One version."""
        found = self.versions(name)
        if version is None:
            return found[0]
        for each in found:
            if each.version == version:
                return each
        raise NotFound(f"The dataset {name!r} has no version {version}; it has 1 to {found[0].version}.")


def _names(connection: Connection) -> tuple[str, ...]:
    return tuple(str(row[0]) for row in connection.exec_driver_sql("SELECT DISTINCT name FROM datasets ORDER BY name"))


def _version(row: Sequence[Any]) -> DatasetVersion:
    return DatasetVersion(
        name=row[0], version=row[1], digest=row[2], rows=row[3], created=from_micros(row[4]), actor=row[5],
        schema=from_json(row[6]), profile=from_json(row[7]), source=row[8], run=row[9],
    )  # fmt: skip


if TYPE_CHECKING:

    def _fits(datasets: SqlDatasets) -> Datasets:
        return datasets
