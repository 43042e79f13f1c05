"""``mainspring log``: what an endpoint was asked and said."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path  # noqa: TC003  # the parser reads these annotations
from typing import TYPE_CHECKING, Annotated, TypeAlias

from cyclopts import App, Parameter

from mainspring.cli._logged import beginning, ending, logged_model
from mainspring.cli._table import COUNT
from mainspring.cli._workspace import Json, Where, opened

if TYPE_CHECKING:
    from datetime import timedelta

    import polars as pl

app = App(name="log", help="The prediction log: what was asked and answered.", help_format="markdown")

Model: TypeAlias = Annotated[str | None, Parameter(help="The model; default: the project's.")]

_SHOWN = ("time", "id", "version", "role", "entity", "prediction")
_BEHIND = ("status", "flags")
_FEATURES_SHOWN = 5
_FOREVER = ("forever", "all")


@app.command
def query(
    model: Model = None,
    /,
    *,
    since: Annotated[str | None, Parameter(help="From this time on (2026-01-31T12:00), or the last 2h, 7d.")] = None,
    until: Annotated[str | None, Parameter(help="Up to this time; a bare date is taken whole.")] = None,
    where: Annotated[
        list[str] | None,
        Parameter(
            name=["--where", "-w"], negative=(), help='A condition such as "version = 3"; several must all hold.'
        ),
    ] = None,
    columns: Annotated[
        list[str] | None, Parameter(negative=(), consume_multiple=True, help="Only these, such as id x.age.")
    ] = None,
    limit: Annotated[
        int | None,
        Parameter(validator=COUNT, help="At most so many, the newest; default: 20, in a file all."),
    ] = None,
    output: Annotated[
        Path | None, Parameter(name=["--output", "-o"], help="A file for all of them: .parquet, .csv or .jsonl.")
    ] = None,
    workspace: Where = None,
    json: Json = False,
) -> None:
    """Show logged predictions, the newest first, or write all that match to a file."""
    from mainspring.cli._output import emit_json, err
    from mainspring.core.errors import NotFound
    from mainspring.data.write import known
    from mainspring.serve.log import query as questions
    from mainspring.serve.log.compact import waiting
    from mainspring.serve.log.read import PredictionLog

    if output is not None:
        known(output.suffix)
    with opened(workspace) as place:
        name = logged_model(place, model)
        log = PredictionLog(place, name)
        now = place.clock.now()
        first = None if since is None else beginning(since, now)
        rows = log.scan(first, None if until is None else ending(until, now))
        rows = questions.where(rows, where or [])
        columns = list(dict.fromkeys(columns or ()))  # each once, as a table has them
        for column in columns:
            if column not in log.shape.columns:
                raise NotFound.among("column of the log", column, list(log.shape.columns))
        if unread := waiting(place, name):
            err().print(f"{unread:,} bytes are not in the log yet; bring them in: mainspring log compact", style="dim")
        if output is not None:
            wanted = rows if limit is None else questions.newest(rows, limit).lazy()
            count = questions.write(wanted.select(columns) if columns else wanted, output)
            if json:
                emit_json({"model": name, "rows": count, "output": output})
            else:
                err().print(f"{count:,} predictions written to {output}", markup=False)
            return
        found = questions.newest(rows, questions.NEWEST if limit is None else limit)
    if json:
        emit_json({"model": name, "rows": (found.select(columns) if columns else found).to_dicts()})
    else:
        _print(found, columns)


@app.command
def compact(
    model: Annotated[str | None, Parameter(help="The model; default: all.")] = None,
    /,
    *,
    keep: Annotated[
        str | None, Parameter(help="How long the log is kept from now on, such as 90d, or forever (the default).")
    ] = None,
    workspace: Where = None,
    json: Json = False,
) -> None:
    """Bring in what endpoints have written, merge small files, and let go of what is older than it is to be kept."""
    from dataclasses import asdict

    from mainspring.cli._output import emit_json, out
    from mainspring.cli._span import span
    from mainspring.serve.log import compact as work
    from mainspring.serve.log import merge

    wanted = None if keep is None or keep.casefold() in _FOREVER else span("--keep", keep, other="forever")
    with opened(workspace) as place:
        names = work.models(place) if model is None else (logged_model(place, model),)
        done = {}
        for name in names:
            if keep is not None:
                merge.keep(place, name, wanted)
            work.finish_spools(place, name)
            done[name] = work.compact(place, name, everything=True)
        kept = {name: merge.kept(place, name) for name in names}
    if json:
        models = [asdict(each) | {"model": name, "kept": _told(kept[name])} for name, each in done.items()]
        emit_json({"models": models})
        return
    if not done:
        out().print("Nothing was logged yet.")
    for name, each in done.items():
        said = [f"{each.rows:,} predictions brought in", f"{each.merged:,} small files merged"]
        said += [f"{each.expired:,} older than {_told(kept[name])} let go"] if kept[name] else []
        said += [f"{each.unreadable:,} could not be read"] if each.unreadable else []
        said += [f"{each.damaged:,} damaged spools put aside"] if each.damaged else []
        out().print(f"{name}: {', '.join(said)}.", markup=False)


def _told(span: timedelta | None) -> str | None:
    from mainspring.core.duration import format_duration

    return None if span is None else format_duration(span)


def _print(found: pl.DataFrame, columns: list[str]) -> None:
    from mainspring.cli._output import err, out
    from mainspring.cli._table import add_plain, print_table, table

    if found.is_empty():
        out().print("No prediction matches.")
        return
    features = [name for name in found.columns if name.startswith(("score.", "x."))]
    shown = columns or [*_SHOWN, *features[:_FEATURES_SHOWN], *_BEHIND]
    rows = table(*shown)
    for row in found.select(shown).iter_rows():
        add_plain(rows, *map(_cell, row))
    print_table(rows)
    if not columns and len(features) > _FEATURES_SHOWN:
        err().print(f"{len(features) - _FEATURES_SHOWN} more columns: --json, -o FILE or --columns", style="dim")


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else str(value)
