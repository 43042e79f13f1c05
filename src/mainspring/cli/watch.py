"""``mainspring watch``: judge what a served model answered since the last time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mainspring.cli._workspace import Json  # noqa: TC001  # cyclopts reads the annotations

if TYPE_CHECKING:
    from mainspring.operate.live.watch import Watched
    from mainspring.operate.notify import Sent
    from mainspring.project import Project
    from mainspring.workspace import Workspace

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

    What left its band opens an incident or is added to one, and whom [notify] names is told. Nothing is judged or told
    twice, however often this is called; it acts on nothing (that is what `mainspring loop` does).
    """
    from mainspring.cli._orders import print_orders
    from mainspring.cli._output import emit_json, out
    from mainspring.cli._progress import shown
    from mainspring.cli._span import span
    from mainspring.operate.live.watch import watch as look
    from mainspring.operate.live.watch import with_opened
    from mainspring.operate.live.windows import GRACE
    from mainspring.operate.orders import standing
    from mainspring.project import Project

    project = Project.find()
    wait = span("--grace", grace)
    with project.workspace(create=False) as place:
        with shown():
            found = look(project, place, grace=GRACE if wait is None else wait)
        compared = None
        if skew:
            from mainspring.operate.live.skew import check

            with shown():
                compared = check(project, place)
            found = with_opened(found, place, compared.opened)
        sent = _notify(project, place)
        orders = standing(place, found.model)
    if json:
        more = {} if compared is None else {"skew": compared.as_dict()}
        notified = None if sent is None else {name: getattr(sent, name) for name in ("delivered", "failed", "waiting")}
        emit_json(found.as_dict() | {"orders": [one.as_dict() for one in orders], "notified": notified} | more)
        return 0
    if compared is not None:
        out().print(compared.words, markup=False)
    _print(found)
    print_orders(orders)
    if sent is not None and sent.delivered + sent.failed:
        failed = f", {sent.failed:,} tried in vain: see mainspring incidents outbox" if sent.failed else ""
        out().print(f"Messages: {sent.delivered:,} delivered{failed}.", markup=False)
    return 0


def _notify(project: Project, place: Workspace) -> Sent | None:
    """Tell whom ``[notify]`` names, as the loop does; None where it names nobody, or nobody could be told."""
    from mainspring.cli._output import err
    from mainspring.core.errors import MainspringError
    from mainspring.operate import notify

    contract = project.contract
    try:
        return notify.tick(place, contract, contract.project.name) if contract.notify.urls else None
    except MainspringError as why:  # what was found is shown all the same
        err().print(f"Nobody could be told of incidents: {why}", markup=False)
        return None


def _print(found: Watched) -> None:
    from mainspring.cli._output import out

    console = out()
    for line in found.service[-SHOWN:]:
        console.print(f"Service: {line}", markup=False)
    if not found.windows and not found.judged:
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
    judged = f"{found.new:,} new, {len(found.again):,} again, {found.windows:,} in all"
    judged += f"; {found.silent:,} without a row" if found.silent else ""
    judged += f"; {found.unread:,} not readable" if found.unread else ""
    opened = ", ".join(f"#{one.id}" for one in found.opened)
    console.print(
        f"Windows: {judged}. " + (f"Opened: {opened}." if opened else "No incident was opened."), markup=False
    )
    if found.incidents:
        numbers = ", ".join(f"#{one}" for one in found.incidents)
        console.print(f"Open: {numbers}. See: mainspring incidents show {found.incidents[-1]}", markup=False)
