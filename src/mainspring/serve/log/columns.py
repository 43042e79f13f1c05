"""From records to columns: the table of the prediction log."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import polars as pl

from mainspring.core.json import UNNAMEABLE, plain
from mainspring.serve.log.record import row_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from mainspring.serve.log.mask import Mask
    from mainspring.serve.log.record import Record
    from mainspring.serve.log.schema import Kind, Schema

FEATURE = "x."
"""Before the names of features."""
SCORE = "score."
"""Before the names of classes."""
TIME = pl.Datetime("us", "UTC")
LAST_MOMENT = 4_102_444_800_000_000
"""The year 2100 in microseconds: a clock that is further off than that is not believed."""
FIXED: dict[str, pl.DataType] = {
    "id": pl.String(),
    "time": TIME,
    "version": pl.Int32(),
    "role": pl.String(),
    "entity": pl.String(),
    "latency_ms": pl.Float32(),
    "status": pl.Int16(),
    "flags": pl.String(),
    "request": pl.String(),
}
"""The columns that every log has beside ``prediction``, the features and the scores."""
DTYPES: dict[str, pl.DataType] = {
    "integer": pl.Int64(),
    "number": pl.Float64(),
    "boolean": pl.Boolean(),
    "text": pl.String(),
    "datetime": TIME,
    "date": pl.Date(),
}


def dtype(kind: Kind) -> pl.DataType:
    """The type in which the log keeps a column of this kind."""
    return DTYPES["text" if kind == "category" else kind]


def common(first: pl.DataType, second: pl.DataType) -> pl.DataType:
    """The type in which columns of both types can stand: whole numbers become numbers, anything else text."""
    if first == second:
        return first
    if first.is_numeric() and second.is_numeric():
        return pl.Float64()
    return pl.String()


def table(schema: Schema, records: Sequence[Record], mask: Mask) -> pl.DataFrame:
    """The rows of *records*, which are all of the version of *schema*, in their order.

    A value that does not fit its column's type is left out and flagged ``unfit:<feature>``.
    """
    rows = _Rows(schema)
    rows.add(records)
    return rows.table(mask)


class _Rows:
    """The columns as they grow."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._width = len(schema.features)
        self._names = [feature.name for feature in schema.features]
        self._nothing = [None] * self._width
        self._decode = _decoder(schema)
        self._is_json = True  # which knows no NaN
        self._ids: list[str] = []
        self._times: list[int] = []
        self._roles: list[str] = []
        self._entities: list[Any] = []
        self._features: list[Sequence[Any]] = []
        self._predictions: list[Any] = []
        self._scores: list[Sequence[float] | None] = []
        self._latencies: list[float] = []
        self._statuses: list[int] = []
        self._flags: list[str | None] = []
        self._requests: list[str] = []

    def add(self, records: Sequence[Record]) -> None:
        """Take the rows of these requests, in their order."""
        for add, run in groupby(records, self._way):
            add(list(run))

    def _way(self, record: Record) -> Callable[[list[Record]], None]:
        if not isinstance(record.id, str):
            return self._add_turns
        return self._add_many if record.rows else self._add_single

    def _add_turns(self, records: list[Any]) -> None:
        self._features += self._rows([body for record in records for body in record.features])
        for record in records:
            ids, rows = record.id, len(record.id)
            self._ids += ids
            self._times += [record.time] * rows
            self._roles += [record.role] * rows
            self._entities += record.entity or [None] * rows
            self._predictions += record.prediction
            self._scores += record.scores or [None] * rows
            self._latencies += record.latency
            self._statuses += [record.status] * rows
            self._flags += [record.flags] * rows
            self._requests += (
                [own or each for own, each in zip(record.request, ids, strict=True)] if record.request else ids
            )

    def _add_single(self, records: list[Any]) -> None:
        """Column by column, which costs half of record by record."""
        self._ids += [record.id for record in records]
        self._times += [record.time for record in records]
        self._roles += [record.role for record in records]
        self._entities += [record.entity for record in records]
        self._features += self._rows([record.features for record in records])
        self._predictions += [record.prediction for record in records]
        self._scores += [record.scores for record in records]
        self._latencies += [record.latency for record in records]
        self._statuses += [record.status for record in records]
        self._flags += [record.flags for record in records]
        self._requests += [record.request or record.id for record in records]

    def _add_many(self, records: list[Any]) -> None:
        for record in records:
            rows = record.rows
            self._ids += [row_id(record.id, row, rows) for row in range(rows)]
            self._times += [record.time] * rows
            self._roles += [record.role] * rows
            self._entities += _of_length(record.entity, rows)
            features = record.features
            if isinstance(features, bytes):
                features = _parsed(features)
            self._features += [self._row(row) for row in _of_length(features, rows)]
            self._predictions += _of_length(record.prediction, rows)
            scores = record.scores
            if isinstance(scores, bytes):
                classes = max(len(scores) // (8 * rows), 1)
                scores = np.frombuffer(scores[: 8 * rows * classes], "<f8").reshape(rows, classes).tolist()
            self._scores += _of_length(scores, rows)
            self._latencies += [record.latency] * rows
            self._statuses += [record.status] * rows
            self._flags += _of_length(record.flags, rows)
            self._requests += [record.request or record.id] * rows

    def _rows(self, given: list[Any]) -> list[Sequence[Any]]:
        """The features of requests of one row: those that came as JSON are read together, in a third of the time."""
        bodies = [each for each in given if type(each) is bytes]
        read = self._read(bodies)
        if len(bodies) == len(given):
            return read
        rows = iter(read)
        return [next(rows) if type(each) is bytes else self._row(each) for each in given]

    def _read(self, bodies: list[bytes]) -> list[Sequence[Any]]:
        """Rows of JSON; where one of them is not as the schema says, those around it are still read together."""
        if self._decode is not None and bodies:
            try:
                rows = self._decode(b"[%b]" % b",".join(bodies))
            except (msgspec.MsgspecError, UnicodeDecodeError):
                rows = []
            if len(rows) == len(bodies):
                return [msgspec.structs.astuple(row) for row in rows]
        half = len(bodies) // 2
        if self._decode is not None and half:
            return self._read(bodies[:half]) + self._read(bodies[half:])
        return [self._row(_parsed(each)) for each in bodies]

    def _row(self, features: Any) -> Sequence[Any]:
        if isinstance(features, list) and len(features) == self._width:
            self._is_json = False
            return features
        if isinstance(features, bytes):
            return self._read([features])[0]
        if features is None:
            return self._nothing
        if isinstance(features, dict):
            return [features.get(name) for name in self._names]
        self._is_json = False
        return [*features, *self._nothing][: self._width]

    def table(self, mask: Mask) -> pl.DataFrame:
        """The columns in order."""
        schema, height = self._schema, len(self._ids)
        unfit: dict[int, list[str]] = {}
        features = [
            self._feature(place, values, mask, unfit)
            for place, values in enumerate(zip(*self._features, strict=True) if height else [[]] * self._width)
        ]
        scores = self._score_columns(height)
        for row, names in unfit.items():
            before = self._flags[row]
            self._flags[row] = ",".join([*([before] if before else []), *(f"unfit:{name}" for name in names)])
        entities, _ = series("entity", self._entities, "text")
        if schema.entity_personal:
            entities = pl.Series("entity", mask.texts(entities.to_list()), pl.String)
        predictions, _ = series("prediction", self._predictions, schema.label)
        latency = pl.Series("latency_ms", self._latencies, pl.Float64) / 1000
        return pl.DataFrame(
            [
                pl.Series("id", self._ids, pl.String),
                pl.Series("time", self._times, pl.Int64).clip(0, LAST_MOMENT).cast(TIME),
                pl.repeat(schema.version, height, dtype=pl.Int32, eager=True).alias("version"),
                pl.Series("role", self._roles, pl.String),
                entities,
                predictions,
                *scores,
                *features,
                latency.cast(pl.Float32),
                pl.Series("status", self._statuses, pl.Int16),
                pl.Series("flags", self._flags, pl.String),
                pl.Series("request", self._requests, pl.String),
            ]
        )

    def _feature(self, place: int, values: Sequence[Any], mask: Mask, unfit: dict[int, list[str]]) -> pl.Series:
        feature = self._schema.features[place]
        made, lost = series(FEATURE + feature.name, values, feature.type)
        if made.dtype == pl.Float64 and not self._is_json:
            made = made.fill_nan(None)
        for row in lost:
            unfit.setdefault(row, []).append(feature.name)
        if not feature.personal:
            return made
        if made.dtype == pl.String:
            return pl.Series(made.name, mask.texts(made.to_list()), pl.String)
        return pl.Series(made.name, [None] * len(made), made.dtype)

    def _score_columns(self, height: int) -> list[pl.Series]:
        classes = self._schema.classes
        if classes is None:
            return []
        try:
            matrix = np.array(self._scores)
        except ValueError:
            matrix = np.zeros(0)  # some row has none, or others
        if matrix.shape == (height, len(classes)) and matrix.dtype == np.float64:
            return [pl.Series(SCORE + name, matrix[:, place]) for place, name in enumerate(classes)]
        nothing = [None] * len(classes)
        rows = [row if row is not None and len(row) == len(classes) else nothing for row in self._scores]
        columns = zip(*rows, strict=True) if height else [[]] * len(classes)
        return [series(SCORE + name, values, "number")[0] for name, values in zip(classes, columns, strict=True)]


def series(name: str, values: Sequence[Any], kind: Kind) -> tuple[pl.Series, list[int]]:
    """A column of *kind* from Python values, and the rows whose value does not fit and is left out.

    Whole numbers among which there is a fraction become numbers; anything can be a text.
    """
    wanted = dtype(kind)
    if kind not in ("datetime", "date"):
        try:
            return pl.Series(name, values, wanted), []
        except (TypeError, OverflowError, pl.exceptions.PolarsError):
            pass  # some value is of another type: the slow way
    if kind == "integer":
        values = [int(value) if isinstance(value, bool) else value for value in values]
        is_whole = all(isinstance(value, int) and abs(value) < 2**63 for value in values if value is not None)
        wanted = wanted if is_whole else pl.Float64()
    fitting = [_fitting(value, wanted) for value in values]
    lost = [row for row, value in enumerate(fitting) if value is None and values[row] is not None]
    return pl.Series(name, fitting, wanted), lost


def text_of(value: Any) -> str:
    """A value as the log writes it where it is text: truth values and structures as in JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | list | dict):
        return msgspec.json.encode(value, enc_hook=plain).decode()
    return value.isoformat() if isinstance(value, date) else str(value)


def _fitting(value: Any, wanted: pl.DataType) -> Any:
    """The *value* as it stands in a column of the *wanted* type; None where it does not fit."""
    if value is None:
        return None
    if wanted == pl.String:
        return text_of(value)
    if wanted == pl.Boolean:
        return value if isinstance(value, bool) else bool(value) if value in (0, 1) else None
    if wanted == pl.Float64 and isinstance(value, int | float):
        try:
            return float(value)
        except OverflowError:  # JSON knows no largest number
            return None
    if wanted in (pl.Int64, pl.Float64):
        return _whole(value)
    moment = moment_of(value)
    if moment is None or wanted != pl.Date:
        return moment
    return moment.date()


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and abs(value) < 2**63 else None


def moment_of(value: Any) -> datetime | None:
    """A date or a time, or the ISO 8601 text of one, in UTC; None for anything else, and beyond the years 1 to 9999."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=UTC) if isinstance(value, date) else None
    try:
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    except OverflowError:
        return None


@lru_cache(maxsize=16)
def _decoder(schema: Schema) -> Callable[[bytes], list[Any]] | None:
    """Reads a JSON array of rows into structs of the features in their order; None where a name stands against it."""
    if not schema.features or any(UNNAMEABLE.search(feature.name) for feature in schema.features):
        return None
    slots = [
        (f"f{place}", float | None if feature.type == "number" else Any, None)
        for place, feature in enumerate(schema.features)
    ]
    rename = {f"f{place}": feature.name for place, feature in enumerate(schema.features)}
    row: Any = msgspec.defstruct("Row", slots, rename=rename, gc=False)
    return msgspec.json.Decoder(list[row]).decode


def _of_length(values: Any, rows: int) -> list[Any]:
    """One value for each row, whatever came."""
    if isinstance(values, list) and len(values) == rows:
        return values
    given = list(values) if isinstance(values, list | tuple) else []
    return [*given, *[None] * rows][:rows]


def _parsed(json: bytes) -> Any:
    try:
        return msgspec.json.decode(json)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None  # what was refused as no JSON


def stacked(frames: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """The rows of all *frames*; a column that one does not have is null there, and types give way as in `common`."""
    every = list(frames)
    types: dict[str, pl.DataType] = {}
    for frame in every:
        for name, kind in frame.schema.items():
            types[name] = common(types[name], kind) if name in types else kind
    return pl.concat([as_types(frame, types) for frame in every], how="vertical") if every else pl.DataFrame()


def as_types(frame: pl.DataFrame, types: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """The *frame* with exactly these columns, cast and null where it has none."""
    return frame.select(
        (pl.col(name).cast(kind, strict=False) if frame.schema[name] != kind else pl.col(name))
        if name in frame.schema
        else pl.lit(None, kind).alias(name)
        for name, kind in types.items()
    )
