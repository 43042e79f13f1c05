"""``mainspring predict``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from mainspring.cli._model import ModelName  # noqa: TC001  # the parser reads these annotations
from mainspring.cli._scoring import Through, scoring_of
from mainspring.cli._workspace import Json, Where  # noqa: TC001  # the parser reads these annotations
from mainspring.core.errors import InputError, listed

if TYPE_CHECKING:
    import polars as pl

    from mainspring.serve.batch.scored import Scored, Scoring

NOTHING_SCORED = 1
MANY = 2_000_000
"""From so many rows on, a file that is held whole is worth a word."""


def predict(
    model: ModelName,
    file: Annotated[
        str,
        Parameter(
            help="CSV, Parquet or JSON lines, or a folder of them; - (the default) for a pipe.",
            allow_leading_hyphen=True,
        ),
    ] = "-",
    /,
    *,
    output: Annotated[
        str | None,
        Parameter(
            name=["--output", "-o"],
            help="Where to write: .parquet, .csv or .jsonl, or a folder of Parquet parts; default: CSV to standard "
            "output.",
            allow_leading_hyphen=True,
        ),
    ] = None,
    partition_rows: Annotated[
        int | None, Parameter(help="Rows of a part, with a folder as output; default: what keeps memory small.")
    ] = None,
    force: Annotated[
        bool, Parameter(negative=(), help="Start anew in a folder begun with another model or input.")
    ] = False,
    through: Through = Through(),  # noqa: B008  # frozen
    workspace: Where = None,
    json: Json = False,
) -> int | None:
    """Score the rows of a table: every column comes back with ``prediction`` and its probability behind it.

    A folder as output takes tables of any size: its parts are finished one by one, and a call that was stopped goes on
    where it was, each row once. Every row comes back; what breaks the contract is told in the column ``flags``, and a
    row that the contract rejects has no prediction. A file has that column only where there is something to tell.

    With --url an endpoint scores them, and each row brings ``prediction_id``, by which its label can be sent, and
    ``model_version``. With --json what was done is told as one object; without -o the predictions are in it.
    """
    folder = _folder(output, file, partition_rows)
    scoring, told = scoring_of(model, workspace, through)
    try:
        if folder is not None:
            return _in_parts(scoring, file, folder, partition_rows, told, force=force, json=json)
        return _at_once(scoring, file, None if output in (None, "-") else Path(str(output)), told, json=json)
    finally:
        scoring.close()


def _folder(output: str | None, file: str, partition_rows: int | None) -> Path | None:
    """The folder to write parts to; None where the answers go into one file or to standard output."""
    from mainspring.data.write import SUFFIXES, known

    if partition_rows is not None and partition_rows < 1:
        raise InputError(f"--partition-rows must be at least 1, got {partition_rows}.")
    path = None if output in (None, "-") else Path(str(output))
    if path is not None and str(output).endswith(("/", "\\")):
        return path
    if path is not None and path.suffix.lower() not in SUFFIXES and (not path.suffix or path.is_dir()):
        return path
    if path is not None:
        known(path.suffix)  # a suffix that is not known is said before anything is read or scored
    if partition_rows is not None or Path(file).is_dir():
        what = "--partition-rows makes" if partition_rows is not None else f"The tables of folder {file} are scored in"
        raise InputError(f"{what} parts, which go to a folder: -o {path.stem if path is not None else 'scored'}/")
    return None


def _in_parts(
    scoring: Scoring,
    file: str,
    folder: Path,
    partition_rows: int | None,
    told: dict[str, Any],
    *,
    force: bool,
    json: bool,
) -> int | None:
    from mainspring.cli._output import emit_json, err
    from mainspring.cli._progress import shown
    from mainspring.serve.batch.job import run
    from mainspring.serve.batch.source import open_source

    with shown():
        source = open_source(file, besides=folder, written=scoring.written)
        found = run(source, scoring, folder, partition_rows=partition_rows, force=force)
    for note in (*source.notes, *found.notes):
        err().print(note, style="dim", markup=False)
    _tell_flags(found.rows, found.rejected, found.flagged)
    earlier = f", {found.reused} of them by an earlier call" if found.reused else ""
    parts = f"{found.partitions} part{'s' * (found.partitions != 1)}{earlier}"
    err().print(f"{found.rows:,} rows scored in {found.seconds:.1f} s, written to {folder}: {parts}", markup=False)
    if json:
        counts = {name: getattr(found, name) for name in ("rows", "rejected", "flagged", "partitions", "reused")}
        versions = {"versions": found.versions} if found.versions else {}
        emit_json(told | versions | counts | {"seconds": found.seconds, "output": folder, "predictions": None})
    return NOTHING_SCORED if found.rejected == found.rows else None


def _at_once(scoring: Scoring, file: str, path: Path | None, told: dict[str, Any], *, json: bool) -> int | None:
    from time import perf_counter

    from mainspring.cli._output import emit_json, err
    from mainspring.data.read import read_with_report
    from mainspring.data.write import encode, write
    from mainspring.serve.batch.table import asked_of

    begun = perf_counter()
    frame, report = read_with_report(file, written=scoring.written)
    for note in report.notes:
        err().print(f"{report.source}: {note}", style="dim", markup=False)
    if frame.height >= MANY:
        err().print(f"{frame.height:,} rows held at once; -o FOLDER scores them part by part", style="dim")
    scored = scoring.score(asked_of(frame, report, scoring.written), place=report.source)
    added = _added(scored)
    if replaced := [name for name in added.columns if name in frame.columns]:
        err().print(f"{report.source} had {listed(replaced)} already: replaced", style="yellow", markup=False)
    _tell_flags(frame.height, scored.rejected, scored.flagged)
    whole = frame.with_columns(added.get_columns())
    if path is not None:
        write(whole, path)
        err().print(f"{whole.height:,} rows scored, written to {path}", markup=False)
    if json:
        told |= {"rows": whole.height, "rejected": scored.rejected, "flagged": scored.flagged, "output": path}
        told |= {"seconds": perf_counter() - begun, "predictions": None if path is not None else added.to_dicts()}
        emit_json(told)
    elif path is None:
        sys.stdout.buffer.write(encode(whole, ".csv"))
        sys.stdout.buffer.flush()
    return NOTHING_SCORED if scored.rejected == frame.height else None


def _added(scored: Scored) -> pl.DataFrame:
    """The columns to put behind a file's own: without flags where no row has one."""
    if scored.rejected or scored.flagged:
        return scored.columns
    return scored.columns.drop("flags")


def _tell_flags(rows: int, rejected: int, flagged: int) -> None:
    from mainspring.cli._output import err

    for count, what in ((rejected, "break the contract and have no prediction"), (flagged, "were scored with a flag")):
        if count:
            err().print(f"{count:,} of {rows:,} rows {what}; their column flags says why", style="yellow")
