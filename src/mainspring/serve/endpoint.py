"""What a worker does with rows, whatever protocol they came by: read, choose who answers, score, record."""

from __future__ import annotations

import struct
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.serve.field import Broken
from mainspring.serve.log.identity import new_id
from mainspring.serve.log.record import encode, encode_many
from mainspring.serve.meter import Tally
from mainspring.serve.problem import Problem, busy
from mainspring.serve.rows import judge
from mainspring.serve.served import Scored

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from mainspring.serve.log.record import Role
    from mainspring.serve.log.writer import LogWriter
    from mainspring.serve.served import Served
    from mainspring.serve.settings import Limits
    from mainspring.serve.shadow import Shadows
    from mainspring.serve.traffic import Deployment

    Array = np.ndarray[Any, Any]

UNREADABLE = (msgspec.MsgspecError, Broken, struct.error, OverflowError, RecursionError)
"""What the quick way raises over a row that the plain way has to look at."""
NOT_LOGGED = 0
ORDERED = ("aside", "fallback")
"""Flags that tell what was ordered, and not what a row has broken."""
MOST_FLAGS = 20
"""So many broken rules of a refused request are logged."""


@dataclass(slots=True)
class Asked:
    """Rows that may be scored, and what is to be known about them.

    ``rows`` is 0 for one bare row, else their number; then ``entity`` is a list. ``features`` are the rows as the
    prediction log takes them: the JSON they came in, or values in the order of the version's fields.
    """

    served: Served
    role: Role
    identity: str
    request: str
    rows: int
    matrix: Array
    entity: Any
    features: Any
    flags: list[str | None] | None = None
    fallback: str | float | None = None

    @property
    def count(self) -> int:
        """How many rows."""
        return self.rows or 1


class Endpoint:
    """The live versions of one model in one process. ``deployment`` is replaced in one assignment.

    Methods that only read and score may run in any thread; `record` belongs to the loop's.
    """

    def __init__(self, limits: Limits, *, log: LogWriter | None = None, tally: Tally | None = None) -> None:
        """Nothing is live yet."""
        self.limits = limits
        self.log = log
        self.tally = Tally() if tally is None else tally
        self.deployment: Deployment | None = None
        self.shadows: Shadows | None = None

    def deploy(self, deployment: Deployment) -> None:
        """Let *deployment* answer from now on; who was asked before is still answered by the one before."""
        if self.log is not None:
            for served in deployment.versions.values():
                self.log.declare(served.schema)
        if deployment.shadows and self.shadows is None:
            from mainspring.serve.shadow import Shadows

            self.shadows = Shadows(self.log)
        if self.shadows is not None:
            self.shadows.live = deployment
        self.deployment = deployment

    def live(self) -> Deployment:
        """What is live. Raises Problem 503 while nothing is."""
        if self.deployment is None:
            raise busy("The model is being loaded: try again.")
        return self.deployment

    def ask(self, body: bytes, request: str = "") -> Asked:
        """The rows in the JSON of a ``/predict`` request: an object, a list of objects, or ``{"rows": [...]}``.

        Raises Problem 400 for what is no such JSON, 413 for too many rows, 422 for values that break the contract.
        """
        live = self.live()
        compiled = live.champion.compiled
        try:
            if body[:1] == b"[":
                return self._typed_many(live, compiled.rows(body), body, request)
            if body[:7] == b'{"rows"' and not self._has_rows(live):
                typed = compiled.wrapped(body).rows
                return self._typed_many(live, typed, bytes(_rows_of(body).rows), request)
            return self.typed_one(live, compiled.row(body), body, request)
        except UNREADABLE:
            return self._plain(live, body, request)

    def ask_rows(self, rows: list[Any], request: str = "", *, version: int | None = None) -> Asked:
        """Rows that another protocol has brought, each a dict of JSON values; *version* asks for one that is loaded."""
        live = self.live()
        served, role = self._chosen(live, rows, version)
        self._count(len(rows))
        try:
            typed = served.compiled.convert(rows)
            matrix = served.matrix(typed)
        except UNREADABLE:
            return self._judged(live, served, role, rows, bare=False, request=request)
        features = [served.compiled.values(row) for row in typed]
        entities = self._entities(served, rows)
        return self._asked(live, served, role, len(rows), matrix, entities, features, request)

    def typed_one(self, live: Deployment, typed: Any, body: bytes, request: str) -> Asked:
        """One bare row that the champion's decoder took. Raises one of UNREADABLE where it cannot be encoded."""
        served: Served = live.champion
        role: Role = "champion"
        entity = served.compiled.entity(typed)
        identity = new_id()
        if live.is_split:
            served, role = live.choose(identity if entity is None else str(entity))
            if served is not live.champion:
                typed = served.compiled.row(body)
        return made(live, served, role, identity, request, 0, served.matrix([typed]), entity, body)

    def score(self, asked: Asked) -> Scored:
        """What the version says to the rows, or the fallback that is in force."""
        if asked.fallback is not None:
            said = asked.served.fallback(asked.fallback)
            flagged = asked.flags or [None] * asked.count
            asked.flags = [f"{flag},fallback" if flag else "fallback" for flag in flagged]
            return Scored([said] * asked.count, None)
        return asked.served.score_each(asked.matrix) if asked.count <= 64 else asked.served.score(asked.matrix)

    def render(self, asked: Asked, scored: Scored) -> bytes:
        """The answer of ``/predict``."""
        if asked.rows:
            return asked.served.answer_many(asked.identity, scored, asked.flags)
        scores = None if scored.scores is None else scored.scores[0]
        flags = None if asked.flags is None else asked.flags[0]
        return asked.served.answer(asked.identity, scored.values[0], scores, flags).encode()

    def record(self, asked: Asked, scored: Scored, latency: float) -> int:
        """Count what was answered, log it, and let the shadows be asked; the log's ticket, or NOT_LOGGED."""
        self.tally.scored(asked.served.version, asked.role, asked.count, latency)
        if asked.flags is not None:
            self._count_flags(asked.flags)
        if self.shadows is not None and asked.role == "champion":
            self.shadows.offer(asked)
        if self.log is None:
            return NOT_LOGGED
        return self.log.append(record_of(asked, scored, latency))

    def refused(self, problem: Problem, latency: float, request: str) -> None:
        """Count the violations of a request that was refused, and log that it was; its rows are not kept."""
        for violation in problem.violations:
            self.tally.violation(violation.field, violation.rule)
        live = self.deployment
        if self.log is None or live is None:
            return
        broken = dict.fromkeys(f"{each.rule.replace(' ', '_')}:{each.field}" for each in problem.violations)
        flags = ",".join(list(broken)[:MOST_FLAGS]) or None
        identity, now = new_id(), time.time_ns() // 1000
        version, micro = live.champion.version, int(latency * 1e6)
        self.log.append(
            encode(
                identity, now, version, "champion", None, None, None, None, micro, problem.status, flags,
                request or identity,
            )
        )  # fmt: skip

    def _typed_many(self, live: Deployment, typed: list[Any], body: bytes, request: str) -> Asked:
        served: Served = live.champion
        role: Role = "champion"
        self._count(len(typed))
        entity = served.compiled.entity
        entities = [entity(row) for row in typed] if served.compiled.entity_name is not None else None
        if live.is_split:
            key = None if entities is None else entities[0]
            served, role = live.choose(request or new_id() if key is None else str(key))
            if served is not live.champion:
                typed = served.compiled.rows(body)
        matrix = served.matrix(typed)
        return self._asked(live, served, role, len(typed), matrix, entities, body, request)

    def _plain(self, live: Deployment, body: bytes, request: str) -> Asked:
        rows, bare = self._decoded(live, body)
        self._count(len(rows))
        served, role = self._chosen(live, rows, None)
        return self._judged(live, served, role, rows, bare=bare, request=request)

    def _decoded(self, live: Deployment, body: bytes) -> tuple[list[Any], bool]:
        """The rows in the body, and whether it is one bare row."""
        try:
            value = msgspec.json.decode(body)
        except RecursionError:
            raise Problem(400, "The body is nested too deeply. A row is an object of plain values.") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Problem(400, f"The body is not JSON: {str(error) or 'it is empty'}.") from None
        if isinstance(value, list):
            return value, False
        if not isinstance(value, dict):
            raise Problem(400, 'Expected a row as an object, a list of rows, or {"rows": [...]}.')
        if "rows" in value and not self._has_rows(live):
            if not isinstance(value["rows"], list):
                raise Problem(400, '"rows" must be a list of rows.')
            return value["rows"], False
        return [value], True

    @staticmethod
    def _has_rows(live: Deployment) -> bool:
        """Whether ``rows`` is a column."""
        return any(field.name == "rows" for field in live.champion.fields)

    def _judged(
        self, live: Deployment, served: Served, role: Role, rows: list[Any], *, bare: bool, request: str
    ) -> Asked:
        import numpy as np

        judged = judge(served.fields, rows)
        matrix = np.array(judged.numbers, np.float32).reshape(len(rows), served.width)
        entities = self._entities(served, rows)
        if not bare:
            return self._asked(live, served, role, len(rows), matrix, entities, judged.sent, request, judged.flags)
        entity = None if entities is None else entities[0]
        asked = self._asked(live, served, role, 0, matrix, None, judged.sent[0], request, judged.flags)
        asked.entity = entity
        return asked

    def _asked(
        self,
        live: Deployment,
        served: Served,
        role: Role,
        rows: int,
        matrix: Array,
        entities: list[Any] | None,
        features: Any,
        request: str,
        flags: list[str | None] | None = None,
    ) -> Asked:
        return made(live, served, role, new_id(), request, rows, matrix, entities, features, flags)

    def _chosen(self, live: Deployment, rows: list[Any], version: int | None) -> tuple[Served, Role]:
        """Who answers these rows: all of them together, by whom the first is about."""
        if version is not None:
            served = live.versions.get(version)
            if served is None:
                known = ", ".join(str(each) for each in sorted(live.versions))
                raise Problem(404, f"Version {version} of {live.champion.name} is not loaded here; loaded: {known}.")
            if served is live.champion:
                return served, "champion"
            return served, "canary" if served is live.canary else "shadow"
        if not live.is_split:
            return live.champion, "champion"
        entities = self._entities(live.champion, rows[:1])
        key = entities[0] if entities else None
        return live.choose(new_id() if key is None else str(key))

    def _entities(self, served: Served, rows: Sequence[Any]) -> list[Any] | None:
        name = served.compiled.entity_name
        if name is None:
            return None
        found = [row.get(name) if isinstance(row, dict) else None for row in rows]
        return [each if isinstance(each, str | int | float | None) else None for each in found]

    def _count(self, rows: int) -> None:
        if rows == 0:
            raise Problem(400, "There are no rows in the request.")
        if rows > self.limits.rows:
            raise Problem(
                413,
                f"The request has {rows:,} rows; at most {self.limits.rows:,} are taken at once. Send them in parts, "
                "or raise --max-rows.",
            )

    def _count_flags(self, flags: list[str | None]) -> None:
        for flag in flags:
            for each in (flag or "").split(",") if flag else ():
                rule, _, name = each.partition(":")
                if rule not in ORDERED:
                    self.tally.violation(name, rule)


class _Rows(msgspec.Struct):
    rows: msgspec.Raw


_rows_of = msgspec.json.Decoder(_Rows).decode


def made(
    live: Deployment,
    served: Served,
    role: Role,
    identity: str,
    request: str,
    rows: int,
    matrix: Array,
    entity: Any,
    features: Any,
    flags: list[str | None] | None = None,
) -> Asked:
    """What *served* is asked while *live* is in force: without the columns that are set aside, unless it falls back."""
    aside = live.asides.get(served.version)
    if aside is not None and (live.fallback is None or role == "shadow"):
        aside.blank(matrix)
        flags = aside.flags(flags, len(matrix))
    return Asked(served, role, identity, request, rows, matrix, entity, features, flags, live.fallback)


def record_of(asked: Asked, scored: Scored, latency: float) -> bytes:
    """What the prediction log keeps of an answer; *latency* is in seconds."""
    now = time.time_ns() // 1000
    request = asked.request or asked.identity
    micro = int(latency * 1e6)
    if asked.rows == 0:
        entity = None if asked.entity is None else str(asked.entity)
        scores = None if scored.scores is None else scored.scores[0]
        flags = None if asked.flags is None else asked.flags[0]
        return encode(
            asked.identity, now, asked.served.version, asked.role, entity, asked.features, scored.values[0], scores,
            micro, 200, flags, request,
        )  # fmt: skip
    entities = None if asked.entity is None else [None if each is None else str(each) for each in asked.entity]
    return encode_many(
        asked.identity, now, asked.served.version, asked.role, asked.rows, entities, asked.features, scored.values,
        scored.scores, micro, 200, asked.flags, request,
    )  # fmt: skip
