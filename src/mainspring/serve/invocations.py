"""The scoring contract of ``/invocations``, and of platforms that ask with ``instances``: JSON, CSV or Parquet."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.serve.problem import Problem, check_count, json_of
from mainspring.serve.reply import by_row

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import polars as pl

    from mainspring.serve.endpoint import Asked
    from mainspring.serve.served import Scored, Served

SHAPES = ("dataframe_split", "dataframe_records", "instances", "inputs")
KINDS = ("application/json", "text/csv", "application/vnd.apache.parquet")
FORMS: dict[type, str] = {dict: "an object", list: "a list"}
WHOLE = re.compile(r"\s*([+-]?\d+)\.0*\s*", re.ASCII)
"""How a table writes the integers of a column with gaps, such as pandas: as the floats that hold them there."""
SPARE = 20
"""So many columns that the model does not know are kept, so that one with a misspelt name can be told of."""


def read(body: bytes, content_type: str, served: Served, *, most: int, room: int) -> list[Any]:
    """The rows in *body*, of which there may be *most*; they are counted before they are made.

    What is packed may unpack to *room* bytes. Raises Problem 400 for wrong input, 413 for too much of it, 415 for
    another content type or another charset.
    """
    kind, _, parameters = content_type.partition(";")
    kind = kind.strip().lower()
    charset = _charset(parameters)
    if kind not in KINDS or charset not in ("", "utf-8", "utf8"):
        raise Problem(415, f"Expected {', '.join(KINDS)} in UTF-8, got {content_type[:80] or 'no content type'}.")
    if kind == "text/csv":
        return _csv(body, served, most)
    if kind == "application/vnd.apache.parquet":
        return _parquet(body, served, most, room)
    value = json_of(body)
    if not isinstance(value, dict):
        raise Problem(400, f"Expected an object with exactly one of {', '.join(SHAPES)}.")
    found = [shape for shape in SHAPES if shape in value]
    if len(found) != 1:
        got = " and ".join(found) or "none of them"
        raise Problem(400, f"Expected an object with exactly one of {', '.join(SHAPES)}; got {got}.")
    return _READERS[found[0]](value[found[0]], served, most)


def render(asked: Asked, scored: Scored) -> bytes:
    """``{"predictions": [...]}``; a number that is none is null. ``flags`` are there where there is one to tell."""
    answer: dict[str, Any] = {"predictions": scored.values}
    if asked.flags is not None:
        answer["flags"] = by_row(asked.flags)
    return msgspec.json.encode(answer)


def _split(value: Any, served: Served, most: int) -> list[Any]:
    if (
        not isinstance(value, dict)
        or not isinstance(value.get("columns"), list)
        or not isinstance(value.get("data"), list)
    ):
        raise Problem(400, 'dataframe_split must be {"columns": [...], "data": [[...], ...]}.')
    columns = value["columns"]
    if not all(isinstance(name, str) for name in columns) or len(set(columns)) != len(columns):
        raise Problem(400, "dataframe_split has columns that are no texts, or the same column twice.")
    check_count(len(value["data"]), most)
    return _named(columns, value["data"], "dataframe_split", served)


def _records(value: Any, served: Served, most: int) -> list[Any]:
    if not isinstance(value, list):
        raise Problem(400, "dataframe_records must be a list of objects.")
    return value


def _instances(value: Any, served: Served, most: int) -> list[Any]:
    if not isinstance(value, list):
        raise Problem(400, "instances must be a list.")
    check_count(len(value), most)
    forms = [FORMS.get(type(row), "a plain value") for row in value]
    other = next((place for place, form in enumerate(forms) if form != forms[0]), None)
    if other is not None:
        raise Problem(
            400, f"instances: row 0 is {forms[0]}, row {other} is {forms[other]}; send every row in the same form."
        )
    if forms[0] == FORMS[dict]:
        return value
    rows = value if forms[0] == FORMS[list] else [[row] for row in value]
    return _named(_needed(served), rows, "instances", served)


def _inputs(value: Any, served: Served, most: int) -> list[Any]:
    if isinstance(value, list):
        return _instances(value, served, most)
    if not isinstance(value, dict):
        raise Problem(400, "inputs must be an object of columns, or a list.")
    columns = {name: cells if isinstance(cells, list) else [cells] for name, cells in value.items()}
    if len({len(cells) for cells in columns.values()}) > 1:
        raise Problem(400, "inputs has columns of different lengths.")
    check_count(len(next(iter(columns.values()), [])), most)
    names = _wanted(list(columns), served)
    cells = [
        [each[0] if isinstance(each, list) and len(each) == 1 else each for each in columns[name]] for name in names
    ]
    return [dict(zip(names, row, strict=True)) for row in zip(*cells, strict=True)]


_READERS: dict[str, Callable[[Any, Served, int], list[Any]]] = {
    "dataframe_split": _split,
    "dataframe_records": _records,
    "instances": _instances,
    "inputs": _inputs,
}


def _needed(served: Served) -> list[str]:
    return [field.name for field in served.fields if field.needed]


def _wanted(names: Sequence[str], served: Served) -> list[str]:
    """Those of the *names* of which rows are made: the model's, and a few others."""
    known = {field.name for field in served.fields} | {served.compiled.entity_name}
    others = [name for name in names if name not in known]
    passed = set(others[SPARE:])
    return [name for name in names if name not in passed]


def _named(columns: list[str], data: list[Any], shape: str, served: Served) -> list[Any]:
    width = len(columns)
    rows = []
    wanted = set(_wanted(columns, served))
    kept = [(place, name) for place, name in enumerate(columns) if name in wanted]
    for place, row in enumerate(data):
        if not isinstance(row, list) or len(row) != width:
            got = f"{len(row)} values" if isinstance(row, list) else "no list"
            raise Problem(400, f"{shape}: row {place} has {got}; expected {width}: {', '.join(columns[:20])}.")
        rows.append({name: row[place] for place, name in kept})
    return rows


def _charset(parameters: str) -> str:
    for each in parameters.split(";"):
        name, _, value = each.strip().partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip('"').lower()
    return ""


def _csv(body: bytes, served: Served, most: int) -> list[Any]:
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
        wanted = set(_wanted(header, served))
        kept = [(place, name) for place, name in enumerate(header) if name in wanted]
        integers = [field.name for field in served.fields if field.kind == "integer" and field.name in wanted]
        rows: list[Any] = []
        for place, cells in enumerate(lines):
            if not cells and len(header) > 1:
                continue  # an empty line
            if len(cells) != len(header):
                raise Problem(400, f"The CSV's row {place} has {len(cells)} values; its header has {len(header)}.")
            if len(rows) == most:
                check_count(most + 1 + sum(1 for more in lines if more), most)
            row = {name: cells[at] if cells[at] != "" else None for at, name in kept}
            for name in integers:
                if found := WHOLE.fullmatch(row[name] or ""):
                    row[name] = found[1]
            rows.append(row)
    except csv.Error as error:
        raise Problem(400, f"The CSV cannot be read: {error}.") from None
    return rows


def _parquet(body: bytes, served: Served, most: int, room: int) -> list[Any]:
    import io

    import polars as pl

    from mainspring.package.serving import json_value
    from mainspring.serve.parquet import Table, check_size

    table = Table(body)
    check_count(table.rows, most)
    nested = [field.name for field in served.fields if field.name in table.nested]
    if nested:
        raise Problem(400, f"Column {nested[0]!r} holds lists or structs; expected plain values.")
    names = _wanted(table.names, served)
    content, typed = table.only(names, room=room), table.no_rows(names)
    try:
        frame = pl.read_parquet(io.BytesIO(content))
        types = {} if typed is None else pl.read_parquet_schema(io.BytesIO(typed))
        spans = [name for name, kind in types.items() if kind == pl.Duration and frame[name].dtype == pl.Int64]
        frame = frame.with_columns(pl.col(name).cast(types[name]) for name in spans)
    except pl.exceptions.PanicException:
        raise Problem(400, "The body is not a Parquet file: its pages cannot be read.") from None
    except Exception as error:  # whatever the reader says of bytes from outside
        raise Problem(400, f"The body is not a Parquet file: {_first_line(error)}.") from None
    check_size(sum(map(_bytes_of, frame.iter_columns())), room)  # a dictionary's text may be there in every row
    try:
        return [{name: json_value(cell) for name, cell in row.items()} for row in frame.iter_rows(named=True)]
    except (ValueError, OverflowError, pl.exceptions.PanicException) as error:  # a date of which Python knows none
        raise Problem(400, f"The Parquet table has a value that cannot be read: {_first_line(error)}.") from None


def _bytes_of(column: pl.Series) -> int:
    """What the texts of a *column* take."""
    import polars as pl

    sizes = {pl.String: column.str.len_bytes, pl.Binary: column.bin.size}.get(column.dtype.base_type())
    return 0 if sizes is None else int(sizes().cast(pl.UInt64).sum())  # 32 bits of it could run over


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0][:200].rstrip(".")
