"""Answered requests as bytes, made on the hot path: a MessagePack array of their fields in a fixed order.

A request of one row costs about two microseconds by itself, and a fraction of one where it was answered together with
others; one of many rows costs what its values cost, or nearly nothing where they are handed on as the JSON they came
in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from mainspring.core.json import plain

Role: TypeAlias = Literal["champion", "canary", "shadow", "unread"]
UNREAD: Role = "unread"
"""The role of a row that stands for requests which were turned away before they were read: all of a second with one
status, how many says the flag :data:`TIMES`."""
TIMES = "times:"
_OF_EACH = ("id", "entity", "features", "prediction", "scores", "latency", "request")
"""What may be a list in the record of a turn."""


class Record(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One request as the log keeps it.

    ``rows`` is 0 for a request of one bare row and the number of rows otherwise; then ``entity``, ``prediction`` and
    ``flags`` are None or lists with one item for each row. ``time`` counts microseconds since 1970 (UTC), ``latency``
    microseconds.

    ``features`` is None, or for one row its values in the order of the version's schema (see `mainspring.serve.log.
    schema`), for many a list of such rows. It may also be bytes: the JSON object of the row, or the JSON array of the
    rows' objects, as the client sent it. ``scores`` is None, a list of a number for each class, or a list of such
    lists; for many rows also bytes: float64, little-endian, shape (rows, classes).

    ``request`` is the id that the request came with, empty where it has no other than ``id``.

    Where ``id`` is a list, the record is that of a turn: requests of one bare row each that were answered together.
    Then ``features`` is a list of their bodies and ``prediction`` and ``latency`` are lists; ``entity``, ``scores`` and
    ``request`` are lists, or None and "" where no request has any; what is left is the same for all of them.
    """

    id: str | list[str]
    time: int
    version: int
    role: Role
    entity: Any
    features: Any
    prediction: Any
    scores: Any
    latency: float | list[float]
    status: int
    flags: Any
    request: str | list[str]
    rows: int = 0

    @property
    def count(self) -> int:
        """How many requests it is of."""
        return 1 if isinstance(self.id, str) else len(self.id)


_encode = msgspec.msgpack.Encoder(enc_hook=plain).encode
_decoder = msgspec.msgpack.Decoder(Record)


def encode(
    id: str,  # noqa: A002
    time_us: int,
    version: int,
    role: Role,
    entity: Any,
    features: Sequence[Any] | bytes | memoryview | msgspec.Struct | None,
    prediction: Any,
    scores: Sequence[float] | None,
    latency_us: int,
    status: int,
    flags: str | None,
    request: str,
) -> bytes:
    """The record of a request of one row; see `Record` for what each field is.

    Values may be Python's or NumPy's; a struct of features must be `array_like`. Never raises for a value: one that
    does not fit is kept as its text.
    """
    fields = (id, time_us, version, role, entity, features, prediction, scores, latency_us, status, flags, request)
    try:
        return _encode(fields)
    except (OverflowError, TypeError, ValueError):
        return _encode(_tame(fields))


def encode_many(
    id: str,  # noqa: A002
    time_us: int,
    version: int,
    role: Role,
    rows: int,
    entities: Sequence[Any] | None,
    features: Sequence[Any] | bytes | memoryview | None,
    predictions: Sequence[Any] | None,
    scores: bytes | memoryview | Sequence[Sequence[float]] | None,
    latency_us: int,
    status: int,
    flags: Sequence[str | None] | None,
    request: str,
) -> bytes:
    """The record of a request of several *rows*; row *n* is later known by the id ``<id>:<n>``, counted from 0.

    See `Record` for what each field is. Never raises for a value.
    """
    fields = (
        id, time_us, version, role, entities, features, predictions, scores, latency_us, status, flags, request, rows,
    )  # fmt: skip
    try:
        return _encode(fields)
    except (OverflowError, TypeError, ValueError):
        return _encode(_tame(fields))


def encode_turns(turns: Sequence[tuple[Any, ...]]) -> bytes:
    """The records of some *turns*, one behind the other; of each the fields of `Record` from ``id`` to ``request``.

    Costs a request a tenth of what `encode` does. Never raises for a value.
    """
    try:
        data = _encode(turns)
    except Exception:  # whatever a value does when it is asked for its text
        return b"".join(map(_encode_turn, turns))
    return data[1 if len(turns) < 16 else 3 if len(turns) < 65_536 else 5 :]  # without the array's own head


def _encode_turn(turn: tuple[Any, ...]) -> bytes:
    try:
        return _encode(_tame(turn))
    except Exception:
        ids, *when, _, _, _, _, latencies, status, flags, _ = turn
        nothing = [None] * len(ids)
        return _encode((ids, *when, None, nothing, nothing, None, latencies, status, flags, ""))


def decode(record: bytes) -> Record:
    """The record of these bytes. Raises msgspec.MsgspecError where they are not one."""
    return _decoder.decode(record)


def apart(record: Record) -> list[Record]:
    """The requests of a turn, each with a record of its own; a record of another kind as it is."""
    if isinstance(record.id, str):
        return [record]
    rows = range(len(record.id))
    columns = {name: getattr(record, name) for name in _OF_EACH}
    return [
        msgspec.structs.replace(
            record, **{name: values[row] for name, values in columns.items() if isinstance(values, list)}
        )
        for row in rows
    ]


def row_id(base: str, row: int, rows: int) -> str:
    """The id of one row of a request: the request's own where it had one row, else with the row's number behind it.

    >>> row_id("01K4", 2, 5), row_id("01K4", 0, 1)
    ('01K4:2', '01K4')
    """
    return base if rows <= 1 else f"{base}:{row}"


def _tame(value: Any) -> Any:
    """*value* with all that MessagePack cannot hold, such as a huge whole number or a lone surrogate, as text."""
    if isinstance(value, msgspec.Struct):
        value = msgspec.structs.astuple(value)
    if isinstance(value, tuple | list):
        return [_tame(each) for each in value]
    if isinstance(value, Mapping):
        return {str(_tame(key)): _tame(each) for key, each in value.items()}
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    try:
        _encode(value)
    except (OverflowError, TypeError, ValueError):
        return repr(value)
    return value
