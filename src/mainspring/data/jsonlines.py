"""JSON lines (one object a line) and JSON arrays of objects."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from mainspring.core.errors import InputError, listed, quote

if TYPE_CHECKING:
    import polars as pl

    from mainspring.data.infer import Findings


def parse(utf8: bytes, findings: Findings, *, name: str) -> pl.DataFrame:
    """A frame of the objects in *utf8*: a column for each key, null where an object lacks it.

    Values of mixed types in one column become text, nested values become JSON text; both are noted. Raises InputError
    with the line of the first text that is not an object.
    """
    import polars as pl

    array = utf8.lstrip()[:1] == b"["
    try:
        frame = pl.read_json(io.BytesIO(utf8)) if array else pl.read_ndjson(io.BytesIO(utf8), infer_schema_length=None)
    except pl.exceptions.PolarsError:
        frame = _carefully(utf8, findings, name, array=array)
    else:
        _check_lines(frame, utf8, name, array=array)
    if frame.width == 0 or frame.height == 0:
        raise InputError(f"{name} holds no rows. Expected one JSON object a line.")
    if "" in frame.columns:
        raise InputError(f"{name} has an empty key. Give every column a name.")
    nested = [column for column, dtype in frame.schema.items() if dtype.is_nested()]
    if nested:
        findings.notes.append(f"nested values kept as JSON text in {listed(nested)}")
    return frame.with_columns(_flat(frame[column]) for column in nested)


def _check_lines(frame: pl.DataFrame, utf8: bytes, name: str, *, array: bool) -> None:
    """The fast reader passes over lines that are not objects; a row must not vanish."""
    if array:
        return
    lines = sum(1 for line in utf8.splitlines() if line.strip())
    if lines != frame.height:
        _objects(utf8, name, array=False)
        raise InputError(f"{name} has {lines} lines, but {frame.height} could be read as JSON objects.")


def _objects(utf8: bytes, name: str, *, array: bool) -> list[dict[str, Any]]:
    import msgspec

    decoder = msgspec.json.Decoder()
    if array:
        try:
            values = decoder.decode(utf8)
        except msgspec.DecodeError as error:
            raise InputError(f"{name} is not valid JSON: {error}.") from None
        places = [f"element {place}" for place in range(1, len(values) + 1)]
    else:
        values, places = [], []
        for number, line in enumerate(utf8.splitlines(), 1):
            if not line.strip():
                continue
            try:
                values.append(decoder.decode(line))
            except msgspec.DecodeError as error:
                raise InputError(
                    f"Line {number} of {name} is not valid JSON ({error}): {quote(line.decode())}. "
                    "Expected one object a line."
                ) from None
            places.append(f"line {number}")
    for value, place in zip(values, places, strict=True):
        if not isinstance(value, dict):
            raise InputError(f"Expected JSON objects in {name}, got {quote(str(value))} at {place}.")
    return list(values)


def _carefully(utf8: bytes, findings: Findings, name: str, *, array: bool) -> pl.DataFrame:
    """Object by object, so that columns of mixed types come out as text instead of failing."""
    import polars as pl

    objects = _objects(utf8, name, array=array)
    keys = list(dict.fromkeys(key for value in objects for key in value))
    mixed: list[str] = []
    columns = []
    for key in keys:
        values = [value.get(key) for value in objects]
        kinds = {type(value) for value in values if value is not None}
        if kinds == {int, float}:
            values = [None if value is None else float(value) for value in values]
        elif len(kinds) > 1 or kinds & {dict, list} or not _fits(values, kinds):
            mixed.append(key)
            values = [_text(value) for value in values]
        columns.append(pl.Series(key, values))
    if mixed:
        findings.notes.append(f"values of mixed or nested types kept as text in {listed(mixed)}")
    return pl.DataFrame(columns)


def _fits(values: list[Any], kinds: set[type]) -> bool:
    return kinds != {int} or all(value is None or -(2**63) <= value < 2**63 for value in values)


def _text(value: Any) -> str | None:
    import msgspec

    return value if value is None or isinstance(value, str) else msgspec.json.encode(value).decode()


def _flat(series: pl.Series) -> pl.Series:
    import msgspec
    import polars as pl

    texts = [None if value is None else msgspec.json.encode(value).decode() for value in series.to_list()]
    return pl.Series(series.name, texts, dtype=pl.String)
