"""Models, aliases and transitions over SQL."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from mainspring.core.errors import NotFound, Refused
from mainspring.core.estimate import Estimate
from mainspring.ledger.ports.models import ANY, ModelVersion, Transition
from mainspring.ledger.sql.audit import append_entry
from mainspring.ledger.sql.codec import from_json, from_micros, to_json, to_micros

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from mainspring.core.clock import Clock
    from mainspring.ledger.ports.models import Models
    from mainspring.ledger.sql.session import Session

_SELECT = (
    "SELECT name, version, digest, created, actor, passed, run, metrics, evidence, tags, description FROM models "
    "WHERE name = ?"
)
_TRANSITIONS = (
    'SELECT name, alias, "before", "after", actor, time, reason, override, back FROM transitions '
    "WHERE name = ? AND (? IS NULL OR alias = ?)"
)


class SqlModels:
    """See the port `mainspring.ledger.ports.models.Models`."""

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
        passed: bool,
        run: str | None = None,
        metrics: Mapping[str, Estimate] | None = None,
        evidence: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
        description: str = "",
        created: datetime | None = None,
    ) -> ModelVersion:
        """Add the next version."""
        now = created or self._clock.now()

        def insert(connection: Connection) -> ModelVersion:
            newest = connection.exec_driver_sql("SELECT max(version) FROM models WHERE name = ?", (name,)).scalar()
            version = (newest or 0) + 1
            row = (
                name, version, digest, to_micros(now), self._actor, int(passed), run, to_json(metrics or {}),
                to_json(evidence or {}), to_json(tags or {}), description,
            )  # fmt: skip
            connection.exec_driver_sql("INSERT INTO models VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
            self._audit(connection, "model.create", name, {"version": version, "digest": digest, "passed": passed}, now)
            return _version(row, {})

        return self._session.write(insert)

    def names(self) -> tuple[str, ...]:
        """The models."""
        return self._session.read(_names)

    def versions(self, name: str) -> tuple[ModelVersion, ...]:
        """The versions."""

        def fetch(connection: Connection) -> tuple[ModelVersion, ...]:
            rows = connection.exec_driver_sql(f"{_SELECT} ORDER BY version DESC", (name,)).fetchall()
            if not rows:
                raise NotFound.among("model", name, _names(connection))
            aliases = _aliases(connection, name)
            return tuple(_version(row, aliases) for row in rows)

        return self._session.read(fetch)

    def get(self, name: str, version: int) -> ModelVersion:
        """One version."""
        return self._session.read(lambda connection: _get(connection, name, version))

    def annotate(
        self, name: str, version: int, *, tags: Mapping[str, str] | None = None, description: str | None = None
    ) -> ModelVersion:
        """Set tags and the description."""

        def update(connection: Connection) -> ModelVersion:
            before = _get(connection, name, version)
            merged = {**before.tags, **(tags or {})}
            text = before.description if description is None else description
            connection.exec_driver_sql(
                "UPDATE models SET tags = ?, description = ? WHERE name = ? AND version = ?",
                (to_json(merged), text, name, version),
            )
            detail = {"version": version, "tags": dict(tags or {}), "description": description}
            self._audit(connection, "model.annotate", name, detail, self._clock.now())
            return _get(connection, name, version)

        return self._session.write(update)

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
        """Let *alias* name *version*, or nothing."""
        moment = at or self._clock.now()

        def update(connection: Connection) -> Transition:
            if version is not None:
                _get(connection, name, version)
            before = _aliases(connection, name).get(alias)
            if expected not in {ANY, before}:
                raise Refused(
                    f"{name}@{alias} names {_spoken(before)} by now, not {_spoken(expected)}: someone "
                    "was faster. Look again."
                )
            connection.exec_driver_sql("DELETE FROM aliases WHERE name = ? AND alias = ?", (name, alias))
            if version is not None:
                connection.exec_driver_sql("INSERT INTO aliases VALUES (?, ?, ?)", (name, alias, version))
            made = Transition(
                name=name, alias=alias, before=before, after=version, actor=self._actor, time=moment, reason=reason,
                override=override, back=back,
            )  # fmt: skip
            connection.exec_driver_sql(
                'INSERT INTO transitions (name, alias, "before", "after", actor, time, reason, override, back) '
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (name, alias, before, version, self._actor, to_micros(moment), reason, override, int(back)),
            )
            detail = {"alias": alias, "before": before, "after": version, "reason": reason}
            detail |= {"override": override, "back": back}
            self._audit(connection, "model.alias", name, detail, moment)
            return made

        return self._session.write(update)

    def aliases(self, name: str) -> Mapping[str, int]:
        """The aliases with their versions."""
        return self._session.read(lambda connection: _aliases(connection, name))

    def transitions(self, name: str, *, alias: str | None = None) -> tuple[Transition, ...]:
        """What changed."""
        return self._session.read(
            lambda connection: tuple(
                map(_transition, connection.exec_driver_sql(f"{_TRANSITIONS} ORDER BY id", (name, alias, alias)))
            )
        )

    def at(self, name: str, when: datetime, *, alias: str = "champion") -> Transition | None:
        """The transition that was in force at that time."""

        def fetch(connection: Connection) -> Transition | None:
            row = connection.exec_driver_sql(
                f"{_TRANSITIONS} AND time <= ? ORDER BY time DESC, id DESC LIMIT 1",
                (name, alias, alias, to_micros(when)),
            ).first()
            return None if row is None else _transition(row)

        return self._session.read(fetch)

    def _audit(self, connection: Connection, action: str, name: str, detail: Mapping[str, Any], at: datetime) -> None:
        append_entry(connection, actor=self._actor, action=action, subject=f"models/{name}", detail=detail, at=at)


def _names(connection: Connection) -> tuple[str, ...]:
    return tuple(str(row[0]) for row in connection.exec_driver_sql("SELECT DISTINCT name FROM models ORDER BY name"))


def _aliases(connection: Connection, name: str) -> dict[str, int]:
    rows = connection.exec_driver_sql("SELECT alias, version FROM aliases WHERE name = ? ORDER BY alias", (name,))
    return {str(alias): int(version) for alias, version in rows}


def _get(connection: Connection, name: str, version: int) -> ModelVersion:
    row = connection.exec_driver_sql(f"{_SELECT} AND version = ?", (name, version)).first()
    if row is not None:
        return _version(row, _aliases(connection, name))
    newest = connection.exec_driver_sql("SELECT max(version) FROM models WHERE name = ?", (name,)).scalar()
    if newest is None:
        raise NotFound.among("model", name, _names(connection))
    raise NotFound(f"The model {name!r} has no version {version}; it has 1 to {newest}.")


def require_versions(connection: Connection, name: str, versions: Sequence[int]) -> None:
    """Raise NotFound where there is no model *name* or it lacks one of these versions."""
    for version in versions:
        _get(connection, name, version)
    if not versions and name not in (known := _names(connection)):
        raise NotFound.among("model", name, known)


def _version(row: Sequence[Any], aliases: Mapping[str, int]) -> ModelVersion:
    return ModelVersion(
        name=row[0], version=row[1], digest=row[2], created=from_micros(row[3]), actor=row[4], passed=bool(row[5]),
        run=row[6], metrics={name: _estimate(form) for name, form in from_json(row[7]).items()},
        evidence=from_json(row[8]), tags=from_json(row[9]), description=row[10],
        aliases=tuple(alias for alias, version in aliases.items() if version == row[1]),
    )  # fmt: skip


def _estimate(form: Mapping[str, Any]) -> Estimate:
    # JSON has no NaN: a value that was not measured comes back as null
    value = math.nan if form["value"] is None else float(form["value"])
    return Estimate(value=value, low=form["low"], high=form["high"], rows=form["rows"])


def _transition(row: Sequence[Any]) -> Transition:
    return Transition(
        name=row[0], alias=row[1], before=row[2], after=row[3], actor=row[4], time=from_micros(row[5]), reason=row[6],
        override=row[7], back=bool(row[8]),
    )  # fmt: skip


def _spoken(version: int | None) -> str:
    return "no version" if version is None else f"version {version}"


if TYPE_CHECKING:

    def _fits(models: SqlModels) -> Models:
        return models
