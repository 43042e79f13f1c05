"""``mainspring backtest``: rehearse history before the loop is trusted with the future."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  # cyclopts reads the annotations
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from mainspring.cli._workspace import Json  # noqa: TC001  # cyclopts reads the annotations

if TYPE_CHECKING:
    from datetime import timedelta

    import polars as pl

    from mainspring.contract import Contract
    from mainspring.operate.rehearsal import Backtest

SHOWN_INCIDENTS = 6


def backtest(
    file: Annotated[
        str | None,
        Parameter(help="The history: CSV, Parquet or JSON lines. Default: the data of the project's pipeline."),
    ] = None,
    /,
    *,
    target: Annotated[str | None, Parameter(help="The column to predict; default: the contract's.")] = None,
    time: Annotated[str | None, Parameter(help="The column that orders the rows; default: the contract's.")] = None,
    task: Annotated[
        Literal["binary", "multiclass", "regression"] | None, Parameter(help="What the target is, if it misleads.")
    ] = None,
    ignore: Annotated[
        list[str] | None, Parameter(help="Columns that are no features, with commas between.", negative=())
    ] = None,
    train: Annotated[float, Parameter(help="The share of rows that is known from the start.")] = 0.5,
    windows: Annotated[int | None, Parameter(help="Cut the rest into so many windows.")] = None,
    window: Annotated[str | None, Parameter(help="A window's rows, such as 336, or its span, such as 7d.")] = None,
    label_delay: Annotated[
        str | None, Parameter(help="How long after its row a label is known: rows, or a span such as 30d.")
    ] = None,
    policy: Annotated[
        str | None,
        Parameter(
            help="When to retrain, such as on=requirement+drift+schedule,every=4,cooldown=2,at_most=6 per 30d; "
            "or never, or always. Default: the contract's."
        ),
    ] = None,
    metric: Annotated[
        str | None, Parameter(help="What models are compared by. Default: accuracy for classes, rmse for numbers.")
    ] = None,
    seed: Annotated[int, Parameter(help="The seed of every fit.")] = 0,
    report: Annotated[Path | None, Parameter(help="Write the page with the timeline to this file.")] = None,
    json: Json = False,
) -> int:
    """Replay history: a model left alone, the loop, and one that is always retrained, side by side.

    Works on any table with a column that orders its rows; no project is needed when --target and --time are given.
    Nothing is used before its time.
    """
    from mainspring.cli._output import emit_json
    from mainspring.cli._progress import shown
    from mainspring.operate.backtest import backtest as rehearse
    from mainspring.operate.policy import Policy

    settings: dict[str, Any] = {
        "train": train,
        "windows": windows,
        "window": _span("--window", window),
        "label_delay": _span("--label-delay", label_delay),
        "policy": None if policy is None else Policy.parse(policy),
        "ignore": _names(ignore),
    }
    with shown():
        data, contract = _history(file, target)
        result = rehearse(
            data, contract=contract, target=target, time=time, task=task, metric=metric, seed=seed, **settings
        )
    if report is not None:
        _write(result, report)
    if json:
        emit_json(result.as_dict())
    else:
        _print(result, report)
    return 0


def _names(given: list[str] | None) -> tuple[str, ...]:
    return tuple(name.strip() for part in given or () for name in part.split(",") if name.strip())


def _span(flag: str, text: str | None) -> int | timedelta | None:
    """A number of rows or a span of time."""
    from mainspring.core.duration import parse_duration
    from mainspring.core.errors import InputError, quote

    if text is None:
        return None
    if text.strip().isdigit():
        return int(text)
    try:
        return parse_duration(text)
    except ValueError as error:
        raise InputError(f"{flag} is a number of rows such as 500, or {error}; got {quote(text)}.") from None


def _history(file: str | None, target: str | None) -> tuple[pl.DataFrame, Contract | None]:
    """The table to replay, and the contract of the project around, unless the user names a target of his own."""
    from mainspring.core.errors import InputError
    from mainspring.data import read
    from mainspring.project import Project

    if file is not None and target is not None:
        return read(file), None
    try:
        project = Project.find()
    except InputError as error:
        raise InputError(
            f"{error}\nOr name a table: mainspring backtest FILE --target COLUMN --time COLUMN"
            if file is None
            else "Say which column is predicted and which one orders the rows: --target COLUMN --time COLUMN "
            "(there is no project here that says it)."
        ) from None
    from mainspring.operate.pipeline_data import pipeline_data

    if file is None:
        return pipeline_data(project), project.contract
    from mainspring.data import clean

    return clean(read(file, contract=project.contract), project.contract), project.contract


def _write(result: Backtest, path: Path) -> None:
    from mainspring.core.files import write_atomic
    from mainspring.operate.backtest_page import page

    write_atomic(path, page(result))


def _print(result: Backtest, report: Path | None) -> None:
    from rich.table import Table

    from mainspring.cli._output import out

    console = out()
    console.print(f"\n{result.verdict}\n", markup=False)
    table = Table(box=None, pad_edge=False)
    for heading in ("", result.metric.replace("_", " "), "retrains", "fits", "seconds"):
        table.add_column(heading, justify="right" if heading else "left")
    for words, arm in (
        ("left alone", result.static),
        ("with the loop", result.loop),
        ("always retrained", result.oracle),
    ):
        table.add_row(words, f"{arm.value.value:.4g}", str(arm.retrains), str(arm.fits), f"{arm.seconds:.1f}")
    console.print(table)
    _print_incidents(console, result)
    for note in result.notes:
        console.print(f"note: {note}", markup=False)
    if report is not None:
        console.print(f"\nThe timeline: {report}", markup=False)
    else:
        console.print("\nSee it as a picture: --report history.html", markup=False)


def _print_incidents(console: Any, result: Backtest) -> None:
    incidents = f"{len(result.incidents)} incident{'s' * (len(result.incidents) != 1)}"
    console.print(f"\n{incidents} from {result.alerts:,} alert{'s' * (result.alerts != 1)}", markup=False)
    hurt = sorted(result.incidents, key=lambda spell: (spell.incident.kind != "performance", spell.opened))
    for spell in hurt[:SHOWN_INCIDENTS]:
        found = spell.incident
        since = result.loop.windows[spell.opened].start
        console.print(f"  {since}  {found.kind}: {found.summary} Action: {found.action or 'none'}.", markup=False)
    if len(hurt) > SHOWN_INCIDENTS:
        console.print(f"  … and {len(hurt) - SHOWN_INCIDENTS} more (--json, --report)", markup=False)
