"""What is to be scored: one file, a pipe, or a folder of files in the order of their names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mainspring.core.errors import InputError, NotFound, listed
from mainspring.data.read import PIPE
from mainspring.serve.batch.table import open_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mainspring.data.written import Written
    from mainspring.serve.batch.table import Table

SUFFIXES = frozenset({".parquet", ".pq", ".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".json", ".arrow", ".feather"})
"""What is taken for a table in a folder, also with .gz behind it. One named file may be called anything."""
CELLS, BYTES, MOST_ROWS = 1_500_000, 32_000_000, 250_000
"""A piece has at most so many cells, bytes and rows, unless it is told how many rows to have."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows that are scored and written together: *rows* from *offset* on of the table at *place* in the source."""

    place: int
    number: int
    offset: int
    rows: int

    @property
    def file(self) -> str:
        """The name of the part it becomes. Names sort as the rows lie."""
        return f"part-{self.place:05d}-{self.number:05d}.parquet"


@dataclass(frozen=True, slots=True)
class Source:
    """The tables in order, and what there is to say about the choice of them."""

    tables: tuple[Table, ...]
    notes: tuple[str, ...] = ()

    def rows_apiece(self) -> int:
        """How many rows a piece has where nobody says it: as many as keep it small in memory."""
        known = [table for place, table in enumerate(self.tables) if place == 0 or table.is_open]
        by_cells = min(CELLS // max(1, len(table.columns)) for table in known)
        by_bytes = min(BYTES / max(1, table.row_bytes) for table in known)
        return max(1, min(MOST_ROWS, by_cells, int(by_bytes)))

    def pieces(self, place: int, rows: int) -> Iterator[Piece]:
        """The pieces of the table at *place*, each of *rows* rows but the last. Tables never share one."""
        total = self.tables[place].rows
        for number, offset in enumerate(range(0, total, rows)):
            yield Piece(place, number, offset, min(rows, total - offset))


def open_source(path: str, *, besides: Path | None = None, written: Written | None = None) -> Source:
    """The source at *path*: a file, ``-`` for standard input, or a folder, whose files are found at any depth.

    *besides* is where the answers go; it may not lie in the folder that is read. The columns that are *written* keep
    their characters. In a folder, what begins with a dot or
    an underscore and what is no table by its suffix is passed over; the latter is noted. Digests are taken at once.

    Raises NotFound, and InputError where there is no table.
    """
    if path == PIPE:
        return Source((open_table(PIPE, "standard input", written),))
    root = Path(path)
    if not root.exists():
        beside = [each.name for each in root.parent.iterdir()] if root.parent.is_dir() else []
        raise NotFound.among("file or folder", root.name, beside)
    if not root.is_dir():
        return Source((open_table(root, root.name, written),))
    if besides is not None and (besides.resolve() == root.resolve() or root.resolve() in besides.resolve().parents):
        raise InputError(f"The answers cannot go to {besides}: it lies in {root}, which is read. Name another folder.")
    files = sorted(found for found in root.rglob("*") if found.is_file() and not _hidden(found.relative_to(root)))
    tables = [file for file in files if _is_table(file)]
    if not tables:
        holds = f"It holds {listed((file.name for file in files), limit=5)}." if files else "It holds no files."
        raise InputError(f"Folder {root} has no table in it; expected {', '.join(sorted(SUFFIXES))}. {holds}")
    notes = []
    if passed := [str(file.relative_to(root)) for file in files if not _is_table(file)]:
        notes.append(f"no tables, passed over: {listed(passed, limit=4)}")
    keyed = sorted({part for file in tables for part in file.relative_to(root).parts[:-1] if "=" in part})
    if keyed:
        notes.append(f"names of folders are not read as columns: {listed(keyed, limit=4)}")
    return Source(tuple(open_table(file, file.relative_to(root).as_posix(), written) for file in tables), tuple(notes))


def _hidden(path: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.parts)


def _is_table(file: Path) -> bool:
    suffixes = [suffix.lower() for suffix in file.suffixes]
    last = suffixes[-2] if len(suffixes) > 1 and suffixes[-1] == ".gz" else suffixes[-1] if suffixes else ""
    return last in SUFFIXES
