"""Runs over SQL."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

from mainspring.core.errors import InputError, NotFound, listed
from mainspring.ledger.identity import new_id
from mainspring.ledger.ports.runs import History, Point, Provenance, Run, RunPage, RunQuery, RunStatus
from mainspring.ledger.sql.codec import from_json, from_micros, maybe_from_micros, to_json, to_micros

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from mainspring.core.clock import Clock
    from mainspring.core.recording import Param
    from mainspring.ledger.ports.runs import Runs
    from mainspring.ledger.sql.session import Session

SHORTEST = 4
"""A beginning of an id needs so many digits."""
_COLUMNS = (
    "r.uid, r.name, r.kind, r.status, r.experiment, p.uid, r.started, r.finished, r.actor, "
    "r.code_commit, r.code_dirty, "
    "r.environment, r.id"
)
_FROM = "FROM runs r LEFT JOIN runs p ON p.id = r.parent"
_OPERATORS = {"<": "<", "<=": "<=", ">": ">", ">=": ">=", "==": "=", "!=": "<>"}
_STATUSES = frozenset({"running", "finished", "failed", "pruned", "killed"})


class SqlRuns:
    """See the port `mainspring.ledger.ports.runs.Runs`."""

    def __init__(self, session: Session, *, clock: Clock, actor: str) -> None:
        """Write as *actor* at the time of *clock*."""
        self._session = session
        self._clock = clock
        self._actor = actor

    def create(
        self,
        *,
        name: str,
        kind: str = "run",
        id: str | None = None,  # noqa: A002
        experiment: str = "default",
        parent: str | None = None,
        params: Mapping[str, Param] | None = None,
        tags: Mapping[str, str] | None = None,
        provenance: Provenance | None = None,
        started: datetime | None = None,
    ) -> Run:
        """Open a run."""
        uid = id or new_id()
        code = provenance or Provenance()
        now = started or self._clock.now()

        def insert(connection: Connection) -> bool:
            above = None if parent is None else run_key(connection, parent)
            made = connection.exec_driver_sql(
                "INSERT INTO runs (uid, name, kind, status, experiment, parent, started, actor, "
                "code_commit, code_dirty, "
                "environment) VALUES (?, ?, ?, 'running', ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (uid) DO NOTHING",
                (
                    uid,
                    name,
                    kind,
                    experiment,
                    above,
                    to_micros(now),
                    self._actor,
                    code.commit,
                    code.dirty,
                    code.environment,
                ),
            )
            if made.rowcount == 0:
                return False
            _log(connection, run_key(connection, uid), params, (), tags, now)
            return True

        if not self._session.write(insert):
            return self.get(uid)
        return Run(
            id=uid, name=name, kind=kind, status="running", experiment=experiment, parent=parent, started=now,
            finished=None, actor=self._actor, provenance=code, params=dict(params or {}), tags=dict(tags or {}),
        )  # fmt: skip

    def finish(self, run: str, *, status: RunStatus = "finished", finished: datetime | None = None) -> None:
        """Close the run."""
        if status not in _STATUSES:
            raise InputError(f"Expected a status out of {listed(sorted(_STATUSES))}, got {status!r}.")
        moment = to_micros(finished or self._clock.now())

        def update(connection: Connection) -> None:
            connection.exec_driver_sql(
                "UPDATE runs SET status = ?, finished = ? WHERE id = ? AND finished IS NULL",
                (status, moment, run_key(connection, run)),
            )

        self._session.write(update)

    def log(
        self,
        run: str,
        *,
        params: Mapping[str, Param] | None = None,
        metrics: Sequence[Point] = (),
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Add facts to a run."""
        now = self._clock.now()
        self._session.write(lambda connection: _log(connection, run_key(connection, run), params, metrics, tags, now))

    def get(self, run: str) -> Run:
        """The run of this id or beginning of an id."""

        def fetch(connection: Connection) -> Run:
            uid = _resolve(connection, run)
            rows = connection.exec_driver_sql(f"SELECT {_COLUMNS} {_FROM} WHERE r.uid = ?", (uid,)).fetchall()
            return _with_facts(connection, rows)[0]

        return self._session.read(fetch)

    def history(self, run: str, metric: str) -> History:
        """Every point of a metric."""

        def fetch(connection: Connection) -> list[Any]:
            key = run_key(connection, run)
            found = connection.exec_driver_sql(
                "SELECT id FROM series WHERE run = ? AND name = ?", (key, metric)
            ).scalar()
            if found is None:
                known = connection.exec_driver_sql("SELECT name FROM series WHERE run = ?", (key,)).scalars().all()
                raise NotFound.among("metric", metric, known)
            # the raw cursor: ten thousand row objects would cost more than reading them
            cursor: Any = connection.exec_driver_sql(
                "SELECT step, value, time / 1e6 FROM points WHERE series = ? ORDER BY position", (found,)
            ).cursor
            rows: list[Any] = cursor.fetchall()
            return rows

        rows = self._session.read(fetch)
        steps, values, times = zip(*rows, strict=True)
        if list(steps) != sorted(steps):
            steps, values, times = zip(*sorted(rows, key=lambda row: row[0]), strict=True)
        numbers = values if None not in values else tuple(math.nan if value is None else value for value in values)
        return History(name=metric, steps=steps, values=numbers, times=times)

    def search(self, query: RunQuery) -> RunPage:
        """The runs that match."""
        return self._session.read(lambda connection: _search(connection, query))

    def experiments(self) -> Mapping[str, int]:
        """The experiments with their number of runs."""
        statement = (
            "SELECT experiment, count(*) FROM runs WHERE deleted IS NULL GROUP BY experiment ORDER BY experiment"
        )
        return self._session.read(
            lambda connection: {str(name): int(count) for name, count in connection.exec_driver_sql(statement)}
        )

    def delete(self, run: str) -> None:
        """Hide the run and its children."""
        moment = to_micros(self._clock.now())

        def update(connection: Connection) -> None:
            connection.exec_driver_sql(
                "WITH RECURSIVE below(id) AS (SELECT ? UNION SELECT r.id FROM runs r JOIN below ON "
                "r.parent = below.id) "
                "UPDATE runs SET deleted = ? WHERE id IN (SELECT id FROM below)",
                (run_key(connection, run), moment),
            )

        self._session.write(update)


def run_key(connection: Connection, uid: str) -> int:
    """The number of the run inside the database. Raises NotFound."""
    key = connection.exec_driver_sql("SELECT id FROM runs WHERE uid = ? AND deleted IS NULL", (uid,)).scalar()
    if key is None:
        raise _unknown(connection, uid)
    return int(key)


def _resolve(connection: Connection, beginning: str) -> str:
    # two bounds instead of LIKE, so that the index is used and a percent sign means itself
    found = connection.exec_driver_sql(
        "SELECT uid FROM runs WHERE uid >= ? AND uid < ? AND deleted IS NULL LIMIT 5", (beginning, beginning + "\x7f")
    ).scalars().all()  # fmt: skip
    if beginning in found:
        return beginning
    if len(found) == 1 and len(beginning) >= SHORTEST:
        return str(found[0])
    if len(found) > 1:
        raise NotFound(f"Several runs begin with {beginning!r}: {listed(uid[:12] for uid in found)}. Give more digits.")
    raise _unknown(connection, beginning)


def _unknown(connection: Connection, uid: str) -> NotFound:
    recent = connection.exec_driver_sql(
        "SELECT uid FROM runs WHERE deleted IS NULL AND parent IS NULL ORDER BY started DESC LIMIT 5"
    ).scalars().all()  # fmt: skip
    hint = f"The latest runs are {listed(str(each)[:12] for each in recent)}." if recent else "There is no run yet."
    return NotFound(f"No run {uid!r}. {hint}")


def _log(
    connection: Connection,
    run: int,
    params: Mapping[str, Param] | None,
    metrics: Sequence[Point],
    tags: Mapping[str, str] | None,
    now: datetime,
) -> None:
    if params:
        connection.exec_driver_sql(
            "INSERT INTO params (run, name, value) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            [(run, name, to_json(value)) for name, value in params.items()],
        )
    if tags:
        connection.exec_driver_sql(
            "INSERT INTO tags (run, name, value) VALUES (?, ?, ?) ON CONFLICT (run, name) DO UPDATE "
            "SET value = excluded.value",
            [(run, name, str(value)) for name, value in tags.items()],
        )
    if metrics:
        _log_points(connection, run, metrics, to_micros(now))


def _log_points(connection: Connection, run: int, metrics: Sequence[Point], now: int) -> None:
    by_name: dict[str, list[Point]] = {}
    for point in metrics:
        by_name.setdefault(point.name, []).append(point)
    rows: list[tuple[int, int, int, int, float | None]] = []
    for name, grown in by_name.items():
        last = max(grown, key=lambda point: point.step) if len(grown) > 1 else grown[0]
        # the summary shows the value of the highest step; of equal steps the later
        last = next(point for point in reversed(grown) if point.step == last.step)
        key, length = connection.exec_driver_sql(
            "INSERT INTO series (run, name, value, step, length) VALUES (?, ?, ?, ?, ?) ON CONFLICT "
            "(run, name) DO UPDATE SET "
            "value = CASE WHEN excluded.step >= step THEN excluded.value ELSE value END, step = "
            "max(step, excluded.step), "
            "length = length + excluded.length RETURNING id, length",
            (run, name, _number(last.value), last.step, len(grown)),
        ).one()
        start = length - len(grown)
        rows += [
            (
                key,
                start + position,
                point.step,
                now if point.time is None else to_micros(point.time),
                _number(point.value),
            )
            for position, point in enumerate(grown)
        ]
    connection.exec_driver_sql("INSERT INTO points (series, position, step, time, value) VALUES (?, ?, ?, ?, ?)", rows)


def _number(value: float) -> float | None:
    number = float(value)
    return None if math.isnan(number) else number


def _search(connection: Connection, query: RunQuery) -> RunPage:
    wheres, values = _conditions(connection, query)
    where = " AND ".join(wheres)
    total = connection.exec_driver_sql(f"SELECT count(*) FROM runs r WHERE {where}", tuple(values)).scalar_one()
    rows = (
        _by_start(connection, query, where, values)
        if query.order == "started"
        else _by_metric(connection, query, where, values)
    )
    return RunPage(runs=tuple(_with_facts(connection, rows)), total=int(total))


def _by_start(connection: Connection, query: RunQuery, where: str, values: Sequence[Any]) -> list[Any]:
    way = "DESC" if query.descending else "ASC"
    statement = f"SELECT {_COLUMNS} {_FROM} WHERE {where} ORDER BY r.started {way}, r.id {way} LIMIT ? OFFSET ?"
    return list(connection.exec_driver_sql(statement, (*values, query.limit, query.offset)))


def _by_metric(connection: Connection, query: RunQuery, where: str, values: Sequence[Any]) -> list[Any]:
    """Runs that have the metric, along its index, and then those that have not: one query for both would sort all."""
    kind, _, name = query.order.partition(":")
    if kind != "metric" or not name:
        raise InputError(f"Expected the order 'started' or 'metric:NAME', got {query.order!r}.")
    way = "DESC" if query.descending else "ASC"
    joined = (
        "FROM series o CROSS JOIN runs r ON r.id = o.run LEFT JOIN runs p ON p.id = r.parent"  # CROSS: in this order
    )
    having = f"{joined} WHERE o.name = ? AND {where}"
    statement = (
        f"SELECT {_COLUMNS} {having} AND o.value IS NOT NULL ORDER BY o.value {way}, o.run DESC LIMIT ? OFFSET ?"
    )
    rows = list(connection.exec_driver_sql(statement, (name, *values, query.limit, query.offset)))
    if len(rows) == query.limit:
        return rows
    counted = f"SELECT count(*) {having} AND o.value IS NOT NULL"
    measured = int(connection.exec_driver_sql(counted, (name, *values)).scalar_one())
    without = (
        f"SELECT {_COLUMNS} {_FROM} WHERE {where} AND NOT EXISTS (SELECT 1 FROM series o WHERE o.run "
        "= r.id AND o.name = ? "
        "AND o.value IS NOT NULL) ORDER BY r.started DESC, r.id DESC LIMIT ? OFFSET ?"
    )
    page = (query.limit - len(rows), max(0, query.offset - measured))
    return rows + list(connection.exec_driver_sql(without, (*values, name, *page)))


def _conditions(connection: Connection, query: RunQuery) -> tuple[list[str], list[Any]]:
    wheres, values = ["r.deleted IS NULL"], list[Any]()
    for column in ("experiment", "kind", "status"):
        wanted = getattr(query, column)
        if wanted is not None:
            wheres.append(f"r.{column} = ?")
            values.append(wanted)
    if query.parent is not None:
        wheres.append("r.parent = ?")
        values.append(run_key(connection, query.parent))
    if query.roots:
        wheres.append("r.parent IS NULL")
    for each in query.metrics:
        if each.op not in _OPERATORS:
            raise InputError(f"Expected one of {listed(_OPERATORS)} in a metric filter, got {each.op!r}.")
        wheres.append(f"r.id IN (SELECT run FROM series WHERE name = ? AND value {_OPERATORS[each.op]} ?)")
        values += [each.name, each.value]
    for table, wanted_values in (("params", query.params), ("tags", query.tags)):
        for name, value in wanted_values.items():
            wheres.append(f"r.id IN (SELECT run FROM {table} WHERE name = ? AND value = ?)")  # a constant
            values += [name, to_json(value) if table == "params" else value]
    return wheres, values


def _with_facts(connection: Connection, rows: Sequence[Any]) -> list[Run]:
    """Runs with their parameters, metrics and tags, by three queries however many they are."""
    if not rows:
        return []
    keys = tuple(row[12] for row in rows)
    marks = ", ".join("?" * len(keys))

    def facts(table: Literal["params", "tags", "series"]) -> dict[int, dict[str, Any]]:
        found: dict[int, dict[str, Any]] = {}
        statement = f"SELECT run, name, value FROM {table} WHERE run IN ({marks}) ORDER BY run, name"  # constants
        for run, name, value in connection.exec_driver_sql(statement, keys):
            found.setdefault(run, {})[name] = value
        return found

    params, tags, metrics = facts("params"), facts("tags"), facts("series")
    return [
        Run(
            id=row[0], name=row[1], kind=row[2], status=row[3], experiment=row[4], parent=row[5],
            started=from_micros(row[6]), finished=maybe_from_micros(row[7]), actor=row[8],
            provenance=Provenance(commit=row[9], dirty=None if row[10] is None else bool(row[10]), environment=row[11]),
            params={name: from_json(value) for name, value in params.get(row[12], {}).items()},
            metrics={name: math.nan if value is None else value for name, value in metrics.get(row[12], {}).items()},
            tags=tags.get(row[12], {}),
        )
        for row in rows
    ]  # fmt: skip


if TYPE_CHECKING:

    def _fits(runs: SqlRuns) -> Runs:
        return runs
