"""``mainspring watch``: judge what a served model answered since the last time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mainspring.cli._workspace import Json  # noqa: TC001  # cyclopts reads the annotations

if TYPE_CHECKING:
    from mainspring.operate.live.watch import Watched

SHOWN = 12


def watch(
    *,
    grace: Annotated[str | None, Parameter(help="How long a window waits for late rows; default 30s.")] = None,
    skew: Annotated[
        bool, Parameter(negative=(), help="Also compare served features with those the pipeline makes now.")
    ] = False,
    json: Json = False,
) -> int:
    """Judge every window of the prediction log that is new, or whose rows or labels have changed since.

    What left its band opens an incident or is added to one. Nothing is judged twice, however often this is called; it
    acts on nothing (that is what `mainspring loop` does).
    """
    from mainspring.cli._output import emit_json
    from mainspring.cli._progress import shown
    from mainspring.cli._span import span
    from mainspring.operate.live.watch import watch as look
    from mainspring.operate.live.windows import GRACE
    from mainspring.project import Project

    project = Project.find()
    wait = span("--grace", grace)
    with project.workspace() as place:
        with shown():
            found = look(project, place, grace=GRACE if wait is None else wait)
        if skew:
            from mainspring.operate.live.skew import check

            with shown():
                compared = check(project, place)
            if not json:
                _print_skew(compared.words)
        else:
            compared = None
    if json:
        emit_json(found.as_dict() | ({} if compared is None else {"skew": compared.as_dict()}))
    else:
        _print(found)
    return 0


def _print(found: Watched) -> None:
    from mainspring.cli._output import out

    console = out()
    for line in found.service[-SHOWN:]:
        console.print(f"Service: {line}", markup=False)
    if not found.windows:
        console.print(
            f"No window of {found.model} has ended yet. `mainspring serve {found.model}` fills its log.", markup=False
        )
        return
    for one in (*found.judged, *found.again)[-SHOWN:]:
        alerts = "; ".join(one.alerts) or "nothing unusual"
        rows = f"{one.rows:,} rows, {one.labelled:,} labelled" if one.rows else "no row"
        console.print(f"{one.window.words}  {rows}: {alerts}", markup=False)
    if len(found.judged) + len(found.again) > SHOWN:
        console.print(f"… and {len(found.judged) + len(found.again) - SHOWN:,} earlier ones", markup=False)
    judged = f"{len(found.judged):,} new, {len(found.again):,} again, {found.windows:,} in all"
    opened = ", ".join(f"#{one.id}" for one in found.opened)
    console.print(
        f"Windows: {judged}. " + (f"Opened: {opened}." if opened else "No incident was opened."), markup=False
    )
    if found.incidents:
        numbers = ", ".join(f"#{one}" for one in found.incidents)
        console.print(f"Open: {numbers}. See: mainspring incidents show {found.incidents[-1]}", markup=False)


def _print_skew(words: str) -> None:
    from mainspring.cli._output import out

    out().print(words, markup=False)
