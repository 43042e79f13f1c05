"""``mainspring labels``: the truth, as it becomes known."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, TypeAlias

from cyclopts import App, Parameter

from mainspring.cli._logged import contract_here, logged_model
from mainspring.cli._workspace import Json, Where, opened
from mainspring.core.errors import InputError, NotFound, listed

if TYPE_CHECKING:
    import polars as pl

    from mainspring.contract import Contract
    from mainspring.serve.labels import LabelCounts, LabelTotals

app = App(name="labels", help="Labels: the truth about predictions, as it becomes known.", help_format="markdown")

_UNANSWERED = "of requests that got no answer to be judged (refused, say)"
Model: TypeAlias = Annotated[str | None, Parameter(help="The model; default: the project's.")]


@app.command
def add(
    file: Annotated[str, Parameter(help="CSV, Parquet or JSON lines; - for a pipe.", allow_leading_hyphen=True)],
    /,
    *,
    model: Model = None,
    identity: Annotated[
        str | None, Parameter(name="--id", help="The column with prediction ids; default: id or prediction_id.")
    ] = None,
    entity: Annotated[
        str | None, Parameter(help="The column that says whom a label is about; default: the contract's.")
    ] = None,
    time: Annotated[
        str | None, Parameter(help="The column that says when that was true; default: the contract's.")
    ] = None,
    label: Annotated[str | None, Parameter(help="The column with the truth; default: label, or the target.")] = None,
    source: Annotated[str | None, Parameter(help="Where the labels come from; default: the file's name.")] = None,
    workspace: Where = None,
    json: Json = False,
) -> None:
    """Add labels to logged predictions: by prediction id, or by entity and time.

    By entity, a label belongs to the latest prediction of that entity at or before its time, none older than 30 days;
    a date stands for the end of that day in UTC.
    """
    from mainspring.cli._output import emit_json, err, out
    from mainspring.data.read import read_with_report
    from mainspring.serve import labels

    here = contract_here()
    frame, report = read_with_report(file, written=_names(here, identity, entity))
    for note in report.notes:
        err().print(f"{report.source}: {note}", style="dim", markup=False)
    rows = _chosen(frame, here, identity=identity, entity=entity, time=time, label=label)
    delay = None if here is None else here.monitor.label_delay
    with opened(workspace) as place:
        name = logged_model(place, model)
        done = labels.add(
            place, name, rows, source=source or (report.source if file != "-" else "pipe"),
            expected_within=delay if isinstance(delay, timedelta) else None, explain=True,
        )  # fmt: skip
    if json:
        emit_json({"model": name, "file": file, **asdict(done)})
    else:
        out().print(f"{name}: {_said(done)}.", markup=False)
    if done.early:
        err().print(_of_another_time(_time_column(frame, here, time)), style="yellow", markup=False)


@app.command
def count(model: Model = None, /, *, workspace: Where = None, json: Json = False) -> None:
    """Say how many predictions have a label, and what became of the labels that came in."""
    from mainspring.cli._output import emit_json, out
    from mainspring.serve import labels

    with opened(workspace) as place:
        name = logged_model(place, model)
        totals = labels.count(place, name)
    if json:
        emit_json({"model": name, **asdict(totals)})
        return
    share = totals.labelled / totals.predictions if totals.predictions else 0.0
    out().print(f"{name}: {totals.labelled:,} of {totals.predictions:,} predictions have a label ({share:.1%}).")
    out().print(f"{_said(totals.taken)}.")
    if totals.orphans:
        said = "1 label belongs" if totals.orphans == 1 else f"{totals.orphans:,} labels belong"
        why = [f"{number:,} {what}" for what, number in _near(totals) if number]
        out().print(f"{said} to no prediction in the log{f': {listed(why)}' if why else ''}.")
    if totals.unanswered:
        said = "1 label is" if totals.unanswered == 1 else f"{totals.unanswered:,} labels are"
        out().print(f"{said} {_UNANSWERED}.")


def _names(here: Contract | None, identity: str | None, entity: str | None) -> frozenset[str]:
    """The columns that name a prediction or whom it is about: texts, unless the contract has numbers for it."""
    from mainspring.data.written import texts_of

    names = {"id", "prediction_id", "entity", identity, entity}
    about = None if here is None else here.project.entity
    if here is not None and about is not None:
        names = names - {"entity", entity} | ({"entity", entity, about} if about in texts_of(here) else set())
    return frozenset(name for name in names if name is not None)


def _chosen(
    frame: pl.DataFrame,
    here: Contract | None,
    *,
    identity: str | None,
    entity: str | None,
    time: str | None,
    label: str | None,
) -> pl.DataFrame:
    """The columns as they were named, or as the contract names them."""
    project = None if here is None else here.project
    has_entity = entity is not None or time is not None
    found = {
        "id": _column(frame, "--id", identity, [] if has_entity else ["id", "prediction_id"]),
        "entity": _column(frame, "--entity", entity, ["entity", *([project.entity] if project else [])]),
        "time": _time_column(frame, here, time),
        "label": _column(frame, "--label", label, ["label", *([project.target] if project else [])]),
    }
    if found["label"] is None:
        raise InputError(f"Say which column holds the truth: --label COLUMN. The file has {listed(frame.columns)}.")
    if found["id"] is None and found["entity"] is None:
        raise InputError(
            "Say which predictions the labels belong to: --id COLUMN, or --entity COLUMN --time COLUMN. "
            f"The file has {listed(frame.columns)}."
        )
    return frame.select(frame[name].alias(wanted) for wanted, name in found.items() if name is not None)


def _time_column(frame: pl.DataFrame, here: Contract | None, time: str | None) -> str | None:
    return _column(frame, "--time", time, ["time", *([] if here is None else [here.project.time])])


def _of_another_time(column: str | None) -> str:
    """What to do about labels from before the predictions they are to be about."""
    return (
        f"The labels' times are those of the column {column}, which is to say when the truth was known. Name another "
        "one: --time COLUMN; or leave it out of the file, and the labels count as known now."
    )


def _column(frame: pl.DataFrame, flag: str, named: str | None, guesses: list[str | None]) -> str | None:
    if named is None:
        return next((guess for guess in guesses if guess in frame.columns), None)
    if named not in frame.columns:
        raise NotFound.among("column", named, frame.columns, hint=f"({flag})")
    return named


def _said(counts: LabelCounts) -> str:
    parts = ["1 label" if counts.rows == 1 else f"{counts.rows:,} labels", f"{counts.new:,} new"]
    for what, number in (
        ("corrected", counts.corrected),
        ("there already", counts.duplicate),
        ("empty", counts.empty),
        ("late", counts.late),
        (_UNANSWERED, counts.unanswered),
        *_near(counts),
        ("of predictions that are not in the log", counts.unknown - counts.early - counts.stale),
    ):
        if number:
            parts.append(f"{number:,} {what}")
    return f"{parts[0]}: {', '.join(parts[1:])}"


def _near(counts: LabelCounts | LabelTotals) -> tuple[tuple[str, int], ...]:
    """Those of entities that are in the log, at other times."""
    return (
        ("from before the predictions of their entities", counts.early),
        ("too long after the predictions of their entities", counts.stale),
    )
