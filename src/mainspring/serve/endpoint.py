"""What a worker does with rows, whatever protocol they came by: read, choose who answers, score, record."""

from __future__ import annotations

import struct
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.serve.field import Broken
from mainspring.serve.log.identity import entity_text, key_of, new_id
from mainspring.serve.log.record import TIMES, UNREAD, encode, encode_many
from mainspring.serve.meter import Tally
from mainspring.serve.problem import Problem, busy, check_count
from mainspring.serve.rows import judge
from mainspring.serve.served import Scored
from mainspring.serve.traffic import Chosen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

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

    @property
    def chosen(self) -> Chosen:
        """Who answers."""
        return Chosen(self.served, self.role, self.identity)


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

    def ask(self, body: bytes, request: str = "", *, identity: str = "") -> Asked:
        """The rows in the JSON of a ``/predict`` request: an object, a list of objects, or ``{"rows": [...]}``.

        *identity* is the id of its answer where that was drawn already. Raises Problem 400 for what is no such JSON,
        413 for too many rows, 422 for values that break the contract.
        """
        live = self.live()
        compiled = live.champion.compiled
        identity = identity or new_id()
        try:
            if body[:1] == b"[":
                return self._typed_many(live, compiled.rows(body), body, request, identity)
            if body[:7] == b'{"rows"' and not self._has_rows(live):
                typed = compiled.wrapped(body).rows
                return self._typed_many(live, typed, bytes(_rows_of(body).rows), request, identity)
            return self._typed_one(live, compiled.row(body), body, request, identity)
        except UNREADABLE:
            return self._plain(live, body, request, identity)

    def ask_rows(
        self, live: Deployment, rows: list[Any], request: str = "", *, version: int | None = None
    ) -> Asked:  # fmt: skip
        """Rows that another protocol has brought, each a dict of JSON values; *version* asks for one that is loaded."""
        check_count(len(rows), self.limits.rows)
        chosen = self._chosen(live, rows, version, new_id())
        served = chosen.served
        try:
            typed = served.compiled.convert(rows)
            matrix = served.matrix(typed)
        except UNREADABLE:
            return self._judged(live, chosen, rows, bare=False, request=request)
        features = [served.compiled.values(row) for row in typed]
        return made(live, chosen, request, len(rows), matrix, self._entities(served, rows), features)

    def say(self, asked: Asked, render: Callable[[Asked, Scored], Any]) -> tuple[Scored, Any]:
        """What is said to the rows, and its form. Raises Problem 500 for whatever a model's library raises."""
        try:
            scored = self.score(asked)
            return scored, render(asked, scored)
        except Exception as error:
            raise failed(error, asked.chosen) from error

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
        return self.log.append(record_of(asked, scored, latency), rows=asked.count)

    def refused(self, problem: Problem, latency: float, request: str, chosen: Chosen | None = None) -> int:
        """Count the violations of a request that was refused, and log that it was; its rows are not kept.

        It is held against the version that was *chosen*, here or by what is known of the problem, else against the
        champion. The log's ticket, or NOT_LOGGED.
        """
        for violation in problem.violations:
            self.tally.violation(violation.field, violation.rule)
        live = self.deployment
        if self.log is None or live is None:
            return NOT_LOGGED
        broken = dict.fromkeys(f"{each.rule.replace(' ', '_')}:{each.field}" for each in problem.violations)
        flags = ",".join(list(broken)[:MOST_FLAGS]) or None
        served, role, identity = chosen or problem.chosen or Chosen(live.champion, "champion", new_id())
        now, micro = time.time_ns() // 1000, int(latency * 1e6)
        return self.log.append(
            encode(
                identity, now, served.version, role, None, None, None, None, micro, problem.status, flags,
                request or identity,
            )
        )  # fmt: skip

    def turned_away(self, unread: Mapping[int, int]) -> None:
        """Log that so many requests of each status were turned away unread; a row for each status."""
        live = self.deployment
        if self.log is None or live is None:
            return
        for place, (status, times) in enumerate(unread.items()):
            # no two at the same moment: they would be taken for rows of one request
            identity, now = new_id(), time.time_ns() // 1000 + place
            version, flags = live.champion.version, f"{TIMES}{times}"
            self.log.append(
                encode(identity, now, version, UNREAD, None, None, None, None, 0, status, flags, identity)
            )  # fmt: skip

    def _typed_one(self, live: Deployment, typed: Any, body: bytes, request: str, identity: str) -> Asked:
        """One bare row that the champion's decoder took. Raises one of UNREADABLE where it cannot be encoded."""
        served: Served = live.champion
        role: Role = "champion"
        entity = served.compiled.entity(typed)
        if live.is_split:
            served, role = live.choose(key_of(entity, identity))
            if served is not live.champion:
                typed = served.compiled.row(body)
        return made(live, Chosen(served, role, identity), request, 0, served.matrix([typed]), entity, body)

    def _typed_many(self, live: Deployment, typed: list[Any], body: bytes, request: str, identity: str) -> Asked:
        served: Served = live.champion
        role: Role = "champion"
        check_count(len(typed), self.limits.rows)
        entity = served.compiled.entity
        entities = [entity(row) for row in typed] if served.compiled.entity_name is not None else None
        if live.is_split:
            key = None if entities is None else entities[0]
            served, role = live.choose(key_of(key, identity))
            if served is not live.champion:
                typed = served.compiled.rows(body)
        matrix = served.matrix(typed)
        return made(live, Chosen(served, role, identity), request, len(typed), matrix, entities, body)

    def _plain(self, live: Deployment, body: bytes, request: str, identity: str) -> Asked:
        rows, bare = self._decoded(live, body)
        check_count(len(rows), self.limits.rows)
        return self._judged(live, self._chosen(live, rows, None, identity), rows, bare=bare, request=request)

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

    def _judged(self, live: Deployment, chosen: Chosen, rows: list[Any], *, bare: bool, request: str) -> Asked:
        import numpy as np

        served = chosen.served
        try:
            judged = judge(served.fields, rows)
        except Problem as problem:
            problem.chosen = chosen
            raise
        matrix = np.array(judged.numbers, np.float32).reshape(len(rows), served.width)
        entities = self._entities(served, rows)
        if not bare:
            return made(live, chosen, request, len(rows), matrix, entities, judged.sent, judged.flags)
        entity = None if entities is None else entities[0]
        return made(live, chosen, request, 0, matrix, entity, judged.sent[0], judged.flags)

    def _chosen(self, live: Deployment, rows: list[Any], version: int | None, identity: str) -> Chosen:
        """Who answers these rows: all of them together, by whom the first is about."""
        if version is not None:
            served = live.versions.get(version)
            if served is None:
                known = ", ".join(str(each) for each in sorted(live.versions))
                raise Problem(404, f"Version {version} of {live.champion.name} is not loaded here; loaded: {known}.")
            if served is live.champion:
                return Chosen(served, "champion", identity)
            return Chosen(served, "canary" if served is live.canary else "shadow", identity)
        if not live.is_split:
            return Chosen(live.champion, "champion", identity)
        entities = self._entities(live.champion, rows[:1])
        key = entities[0] if entities else None
        return Chosen(*live.choose(key_of(key, identity)), identity)

    def _entities(self, served: Served, rows: Sequence[Any]) -> list[Any] | None:
        name = served.compiled.entity_name
        if name is None:
            return None
        found = [row.get(name) if isinstance(row, dict) else None for row in rows]
        return [each if isinstance(each, str | int | float | None) else None for each in found]

    def _count_flags(self, flags: list[str | None]) -> None:
        for flag in flags:
            for each in (flag or "").split(",") if flag else ():
                rule, _, name = each.partition(":")
                if rule not in ORDERED:
                    self.tally.violation(name, rule)


class _Rows(msgspec.Struct):
    rows: msgspec.Raw


_rows_of = msgspec.json.Decoder(_Rows).decode


def failed(error: Exception, chosen: Chosen | None = None) -> Problem:
    """The problem of a request that went wrong here, or with a model; the journal says how."""
    if isinstance(error, Problem):
        return error
    from mainspring.serve.journal import journal

    journal().error("prediction failed", error=f"{type(error).__name__}: {error}")
    return Problem(500, "The model could not score the request. The server's log says why.", chosen=chosen)


def made(
    live: Deployment,
    chosen: Chosen,
    request: str,
    rows: int,
    matrix: Array,
    entity: Any,
    features: Any,
    flags: list[str | None] | None = None,
) -> Asked:
    """What *served* is asked while *live* is in force: without the columns that are set aside, unless it falls back."""
    served, role, identity = chosen
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
        entity = entity_text(asked.entity)
        scores = None if scored.scores is None else scored.scores[0]
        flags = None if asked.flags is None else asked.flags[0]
        return encode(
            asked.identity, now, asked.served.version, asked.role, entity, asked.features, scored.values[0], scores,
            micro, 200, flags, request,
        )  # fmt: skip
    entities = None if asked.entity is None else [entity_text(each) for each in asked.entity]
    return encode_many(
        asked.identity, now, asked.served.version, asked.role, asked.rows, entities, asked.features, scored.values,
        scored.scores, micro, 200, asked.flags, request,
    )  # fmt: skip
