"""Step records over SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.ledger.ports.steps import Output, StepRecord
from mainspring.ledger.sql.artifacts import record_artifact
from mainspring.ledger.sql.codec import from_json, from_micros, to_json, to_micros
from mainspring.ledger.sql.runs import run_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from mainspring.core.clock import Clock
    from mainspring.ledger.ports.steps import Steps
    from mainspring.ledger.sql.session import Session

_SELECT = """
    SELECT s.key, s.step, r.uid, s.outputs, s.inputs, s.parts, s.seconds, s.status, s.finished, s.error
    FROM steps s JOIN runs r ON r.id = s.run
"""


class SqlSteps:
    """See the port `mainspring.ledger.ports.steps.Steps`."""

    def __init__(self, session: Session, *, clock: Clock) -> None:
        """Write at the time of *clock* where a record has none."""
        self._session = session
        self._clock = clock

    def find(self, key: str) -> StepRecord | None:
        """The last record of a step that ran under this key."""
        return self._one("WHERE s.key = ? AND s.status = 'ran' AND r.deleted IS NULL ORDER BY s.id DESC LIMIT 1", key)

    def record(self, record: StepRecord) -> None:
        """Keep the record, its outputs and their lineage."""
        moment = to_micros(record.finished or self._clock.now())

        def insert(connection: Connection) -> None:
            run = run_key(connection, record.run)
            connection.exec_driver_sql(
                "INSERT INTO steps (run, step, key, status, seconds, finished, outputs, inputs, parts, error) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (run, step, key) DO UPDATE SET "
                "status = excluded.status, "
                "seconds = excluded.seconds, finished = excluded.finished, outputs = excluded.outputs, "
                "inputs = excluded.inputs, parts = excluded.parts, error = excluded.error",
                (
                    run, record.step, record.key, record.status, record.seconds, moment, to_json(record.outputs),
                    to_json(record.inputs), to_json(record.parts), record.error,
                ),
            )  # fmt: skip
            for output in record.outputs:
                record_artifact(
                    connection, output.digest, type=output.type, size=output.size, name=output.name or record.step,
                    run=run, inputs=record.inputs, meta=output.meta, now=moment,
                )  # fmt: skip

        self._session.write(insert)

    def latest(self, step: str, *, before: str | None = None) -> StepRecord | None:
        """The last record of the step that did not fail."""
        return self._one(
            "WHERE s.step = ? AND s.status <> 'failed' AND r.deleted IS NULL AND r.uid IS NOT ? "
            "ORDER BY s.id DESC LIMIT 1",
            step,
            before,
        )

    def history(self, step: str, *, limit: int = 20) -> tuple[StepRecord, ...]:
        """The last records of the step."""
        return self._many("WHERE s.step = ? AND r.deleted IS NULL ORDER BY s.id DESC LIMIT ?", step, limit)

    def of_run(self, run: str) -> tuple[StepRecord, ...]:
        """What each step did in the run."""

        def fetch(connection: Connection) -> tuple[StepRecord, ...]:
            rows = connection.exec_driver_sql(
                f"{_SELECT} WHERE s.run = ? ORDER BY s.finished, s.id", (run_key(connection, run),)
            )
            return tuple(map(_record, rows))

        return self._session.read(fetch)

    def _one(self, condition: str, *values: Any) -> StepRecord | None:
        found = self._many(condition, *values)
        return found[0] if found else None

    def _many(self, condition: str, *values: Any) -> tuple[StepRecord, ...]:
        return self._session.read(
            lambda connection: tuple(map(_record, connection.exec_driver_sql(f"{_SELECT} {condition}", values)))
        )


def _record(row: Sequence[Any]) -> StepRecord:
    return StepRecord(
        key=row[0], step=row[1], run=row[2], outputs=msgspec.json.decode(row[3], type=tuple[Output, ...]),
        inputs=from_json(row[4]), parts=from_json(row[5]), seconds=row[6], status=row[7], finished=from_micros(row[8]),
        error=row[9],
    )  # fmt: skip


if TYPE_CHECKING:

    def _fits(steps: SqlSteps) -> Steps:
        return steps
