"""The scoring contract of ``/invocations``, and of platforms that ask with ``instances``: JSON, CSV or Parquet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.serve.problem import Problem

if TYPE_CHECKING:
    from mainspring.serve.endpoint import Asked
    from mainspring.serve.served import Scored, Served

SHAPES = ("dataframe_split", "dataframe_records", "instances", "inputs")
KINDS = ("application/json", "text/csv", "application/vnd.apache.parquet")


@dataclass(frozen=True, slots=True)
class Invocation:
    """Rows, and the shape in which they came."""

    rows: list[Any]
    shape: str


def read(body: bytes, content_type: str, served: Served) -> Invocation:
    """The rows in *body*. Raises Problem 400 for wrong input, 415 for another content type or another charset."""
    kind, _, parameters = content_type.partition(";")
    kind = kind.strip().lower()
    charset = _charset(parameters)
    if kind not in KINDS or charset not in ("", "utf-8", "utf8"):
        raise Problem(415, f"Expected {', '.join(KINDS)} in UTF-8, got {content_type[:80] or 'no content type'}.")
    if kind == "text/csv":
        return Invocation(_csv(body, served), "csv")
    if kind == "application/vnd.apache.parquet":
        return Invocation(_parquet(body), "parquet")
    try:
        value = msgspec.json.decode(body)
    except RecursionError:
        raise Problem(400, "The body is nested too deeply.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem(400, f"The body is not JSON: {str(error) or 'it is empty'}.") from None
    if not isinstance(value, dict):
        raise Problem(400, f"Expected an object with exactly one of {', '.join(SHAPES)}.")
    found = [shape for shape in SHAPES if shape in value]
    if len(found) != 1:
        got = " and ".join(found) or "none of them"
        raise Problem(400, f"Expected an object with exactly one of {', '.join(SHAPES)}; got {got}.")
    return Invocation(_READERS[found[0]](value[found[0]], served), found[0])


def render(asked: Asked, scored: Scored) -> bytes:
    """``{"predictions": [...]}``; a number that is none is null."""
    return msgspec.json.encode({"predictions": scored.values})


def _split(value: Any, served: Served) -> list[Any]:
    if (
        not isinstance(value, dict)
        or not isinstance(value.get("columns"), list)
        or not isinstance(value.get("data"), list)
    ):
        raise Problem(400, 'dataframe_split must be {"columns": [...], "data": [[...], ...]}.')
    columns = value["columns"]
    if not all(isinstance(name, str) for name in columns) or len(set(columns)) != len(columns):
        raise Problem(400, "dataframe_split has columns that are no texts, or the same column twice.")
    return _named(columns, value["data"], "dataframe_split")


def _records(value: Any, served: Served) -> list[Any]:
    if not isinstance(value, list):
        raise Problem(400, "dataframe_records must be a list of objects.")
    return value


def _instances(value: Any, served: Served) -> list[Any]:
    if not isinstance(value, list):
        raise Problem(400, "instances must be a list.")
    if not any(isinstance(row, list) or not isinstance(row, dict) for row in value):
        return value
    needed = _needed(served)
    rows = value if all(isinstance(row, list) for row in value) else [[row] for row in value]
    return _named(needed, rows, "instances")


def _inputs(value: Any, served: Served) -> list[Any]:
    if isinstance(value, list):
        return _instances(value, served)
    if not isinstance(value, dict):
        raise Problem(400, "inputs must be an object of columns, or a list.")
    columns = {name: cells if isinstance(cells, list) else [cells] for name, cells in value.items()}
    if len({len(cells) for cells in columns.values()}) > 1:
        raise Problem(400, "inputs has columns of different lengths.")
    cells = [
        [each[0] if isinstance(each, list) and len(each) == 1 else each for each in column]
        for column in columns.values()
    ]
    return [dict(zip(columns, row, strict=True)) for row in zip(*cells, strict=True)]


_READERS = {"dataframe_split": _split, "dataframe_records": _records, "instances": _instances, "inputs": _inputs}


def _needed(served: Served) -> list[str]:
    return [field.name for field in served.fields if field.needed]


def _named(columns: list[str], data: list[Any], shape: str) -> list[Any]:
    width = len(columns)
    rows = []
    for place, row in enumerate(data):
        if not isinstance(row, list) or len(row) != width:
            got = f"{len(row)} values" if isinstance(row, list) else "no list"
            raise Problem(400, f"{shape}: row {place} has {got}; expected {width}: {', '.join(columns[:20])}.")
        rows.append(dict(zip(columns, row, strict=True)))
    return rows


def _charset(parameters: str) -> str:
    for each in parameters.split(";"):
        name, _, value = each.strip().partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip('"').lower()
    return ""


def _csv(body: bytes, served: Served) -> list[Any]:
    """Rows of texts: a field reads its own kind of them, and an empty cell is missing."""
    import csv
    import io

    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Problem(400, "The CSV is not UTF-8.") from None
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(lines, [])
        if not header or len(set(header)) != len(header):
            raise Problem(400, "The CSV needs a line with the names of its columns, each once.")
        rows = []
        for place, cells in enumerate(lines):
            if not cells and len(header) > 1:
                continue  # an empty line
            if len(cells) != len(header):
                raise Problem(400, f"The CSV's row {place} has {len(cells)} values; its header has {len(header)}.")
            rows.append({name: cell if cell != "" else None for name, cell in zip(header, cells, strict=True)})
    except csv.Error as error:
        raise Problem(400, f"The CSV cannot be read: {error}.") from None
    return rows


def _parquet(body: bytes) -> list[Any]:
    import io

    import polars as pl

    from mainspring.package.serving import json_value

    try:
        frame = pl.read_parquet(io.BytesIO(body))
    except Exception as error:  # whatever the reader says of bytes from outside
        raise Problem(400, f"The body is not a Parquet file: {str(error).splitlines()[0][:200]}.") from None
    return [{name: json_value(cell) for name, cell in row.items()} for row in frame.iter_rows(named=True)]
