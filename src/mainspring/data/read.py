"""Reading a table from a file, a pipe or another library's frame."""

from __future__ import annotations

import gzip
import logging
import sys
import zlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from mainspring.core.errors import InputError, NotFound, listed, nearest
from mainspring.core.frames import as_frame
from mainspring.data.infer import Findings, infer

if TYPE_CHECKING:
    from collections.abc import Collection, Container

    import polars as pl

    from mainspring.contract import Contract

Format: TypeAlias = Literal["csv", "parquet", "json lines", "arrow", "frame"]

READABLE = "CSV in any encoding and delimiter (also gzipped), Parquet, JSON lines and Arrow files"
PIPE = "-"
_log = logging.getLogger(__name__)
_GZIP, _PARQUET, _ARROW = b"\x1f\x8b", b"PAR1", b"ARROW1"
_STRANGERS: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "a zip archive or an Excel workbook"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"%PDF", "a PDF document"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x89PNG", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a zstandard archive"),
    (b"\x80\x04\x95", "a pickle, which is never loaded because it can run code"),
)
_JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")


@dataclass(frozen=True, slots=True)
class ReadReport:
    """How a table was read: what was found out about the file, and every guess in plain words.

    ``encoding``, ``delimiter`` and ``header`` are None where the format has none.
    """

    source: str
    format: Format
    rows: int
    columns: int
    encoding: str | None = None
    delimiter: str | None = None
    header: bool | None = None
    notes: tuple[str, ...] = ()


def read(
    source: Any,
    *,
    contract: Contract | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    header: bool | None = None,
    nulls: Collection[str] | None = None,
) -> pl.DataFrame:
    """The table in *source*: a path, ``"-"`` for standard input, an open file, or a frame (which passes through).

    CSV: encoding, delimiter and header are found out unless given; without a header the columns are named ``column_1``,
    ``column_2`` …. A column becomes integer, number, truth value or date only where every value is one; anything else,
    mixed types and two date formats included, stays text exactly as written. So does what the *contract* means as text,
    whatever it looks like: ``1.10`` and ``1.1`` are two customers and one number. *nulls* replaces the spellings that
    count as missing. gzip is unpacked. What was guessed is logged, and :func:`read_with_report` returns it.

    Raises InputError for what is no usable table, and NotFound for a missing file.
    """
    frame, report = read_with_report(
        source, contract=contract, encoding=encoding, delimiter=delimiter, header=header, nulls=nulls
    )
    for note in report.notes:
        _log.info("%s: %s", report.source, note)
    return frame


def read_with_report(
    source: Any,
    *,
    contract: Contract | None = None,
    written: Container[str] = (),
    encoding: str | None = None,
    delimiter: str | None = None,
    header: bool | None = None,
    nulls: Collection[str] | None = None,
) -> tuple[pl.DataFrame, ReadReport]:
    """As :func:`read`, with a report of how it was read.

    The columns that are *written* keep their characters as those the *contract* means as text do, and the spellings of
    "missing" as well.
    """
    if not isinstance(source, str | Path) and not hasattr(source, "read"):
        frame = _as_frame(source)
        return frame, ReadReport("frame", "frame", frame.height, frame.width)
    name, raw = _bytes(source)
    if raw.startswith(_GZIP):
        raw = _unzipped(raw, name)
    if not raw[:4096].strip() and not raw.strip():
        raise InputError(f"{name} is empty. Expected a table: a line of column names and at least one row.")
    stranger = next((kind for mark, kind in _STRANGERS if raw.startswith(mark)), None)
    if stranger is None and raw[:256].lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"<!", b"<?xml", b"<html", b"<table")):
        stranger = "an HTML or XML document"
    if stranger:
        raise InputError(f"{name} is {stranger}. Mainspring reads {READABLE}; save the table as one of these.")
    if raw.startswith((_PARQUET, _ARROW)):
        return _binary(raw, name)
    if contract is None:
        return _text(raw, name, written, encoding=encoding, delimiter=delimiter, header=header, nulls=nulls)
    from mainspring.data.written import missing_as_null, texts_of

    texts = texts_of(contract)
    frame, report = _text(raw, name, texts, encoding=encoding, delimiter=delimiter, header=header, nulls=nulls)
    return missing_as_null(frame, texts, nulls) if report.format == "csv" or nulls is not None else frame, report


def _as_frame(source: Any) -> pl.DataFrame:
    try:
        return as_frame(source)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"This {type(source).__name__} is not a usable table: {error}") from error


def _bytes(source: Any) -> tuple[str, bytes]:
    """A name for messages, and everything the source holds."""
    if str(source) == PIPE:
        return "standard input", sys.stdin.buffer.read()
    if not isinstance(source, str | Path):
        held = source.read()
        return str(getattr(source, "name", "the pipe")), held.encode() if isinstance(held, str) else bytes(held)
    if "://" in str(source):
        raise InputError(f"{source} is not a local file. Fetch it first; Mainspring reads {READABLE}.")
    path = Path(source)
    if path.is_dir():
        within = sorted(child.name for child in path.iterdir() if child.is_file() and not child.name.startswith("."))
        holds = f"It holds {listed(within, limit=5)}." if within else "It holds no files."
        raise InputError(f"{path} is a folder; expected a file with a table. {holds}")
    if not path.exists():
        raise NotFound(_missing(path))
    try:
        return path.name, path.read_bytes()
    except PermissionError:
        raise InputError(f"{path} may not be read: permission denied.") from None


def _missing(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"No file {path}: there is no folder {folder}."
    names = [child.name for child in folder.iterdir() if child.is_file()]
    near = nearest(path.name, names)
    where = f"folder {folder}" if str(folder) != "." else "this folder"
    return f"No file {path}. " + (
        f"Did you mean {' or '.join(near)}?" if near else f"Nothing in {where} has a similar name."
    )


def _unzipped(raw: bytes, name: str) -> bytes:
    try:
        return gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{name} is a damaged gzip file: {error}.") from None


def _binary(raw: bytes, name: str) -> tuple[pl.DataFrame, ReadReport]:
    import polars as pl

    kind: Format = "parquet" if raw.startswith(_PARQUET) else "arrow"
    try:
        frame = pl.read_parquet(BytesIO(raw)) if kind == "parquet" else pl.read_ipc(BytesIO(raw))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{name} is a damaged {kind.title()} file: {str(error).splitlines()[0]}") from None
    if frame.height == 0:
        raise InputError(f"{name} has columns ({listed(frame.columns)}) but no rows.")
    if any(not column.strip() for column in frame.columns):
        raise InputError(f"{name} has a column without a name. Give every column a name.")
    return frame, ReadReport(name, kind, frame.height, frame.width)


def _text(
    raw: bytes,
    name: str,
    written: Container[str],
    *,
    encoding: str | None,
    delimiter: str | None,
    header: bool | None,
    nulls: Collection[str] | None,
) -> tuple[pl.DataFrame, ReadReport]:
    from mainspring.data import delimited, jsonlines
    from mainspring.data.dialect import NO_DELIMITER
    from mainspring.data.encoding import decode

    decoded = decode(raw, encoding=encoding, name=name)
    findings = Findings()
    if decoded.encoding not in ("utf-8", "ascii"):
        findings.notes.append(f"read as {decoded.encoding}")
    if _is_json(decoded.utf8, name) and delimiter is None and header is None:
        texts = jsonlines.parse(decoded.utf8, findings, name=name)
        frame = infer(texts, findings, nulls=nulls, dates_only=True, written=written)
        return frame, ReadReport(
            name, "json lines", frame.height, frame.width, encoding=decoded.encoding, notes=findings.all()
        )
    texts, dialect = delimited.parse(decoded.utf8, name=name, delimiter=delimiter, header=header)
    if dialect.delimiter not in (",", NO_DELIMITER) and delimiter is None:
        findings.notes.append(f"delimiter {delimited.said(dialect.delimiter)}")
    if not dialect.header and header is None:
        last = f" to column_{texts.width}" if texts.width > 1 else ""
        findings.notes.append(f"no line of column names: they are called column_1{last}")
    if dialect.padded:
        findings.notes.append("blanks after delimiters removed")
    frame = infer(texts, findings, nulls=nulls, written=written)
    return frame, ReadReport(
        name,
        "csv",
        frame.height,
        frame.width,
        encoding=decoded.encoding,
        delimiter=dialect.delimiter,
        header=dialect.header,
        notes=findings.all(),
    )


def _is_json(utf8: bytes, name: str) -> bool:
    first = utf8.lstrip()[:1]
    suffixes = [suffix.lower() for suffix in Path(name).suffixes]
    array = utf8[:256].translate(None, b" \t\r\n").startswith(b"[{")
    return first == b"{" or array or (first == b"[" and any(suffix in _JSON_SUFFIXES for suffix in suffixes))
