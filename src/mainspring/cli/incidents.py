"""``mainspring incidents``: what went wrong, what is suspected, and what was done."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003  # the command line reads the annotations
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, get_args

from cyclopts import App, Parameter

from mainspring.cli._table import COUNT, add_plain, cell, print_table, table
from mainspring.cli._workspace import Json, Where, opened

if TYPE_CHECKING:
    from datetime import datetime

    from mainspring.contract import Contract
    from mainspring.ledger.ports import Incident
    from mainspring.workspace import Workspace

_LARGEST = 2**63 - 1


def _number(kind: object, value: int) -> None:
    """Raise NotFound for a number that no incident can have."""
    from mainspring.core.errors import NotFound

    del kind
    if not 0 < value <= _LARGEST:
        raise NotFound(f"No incident {value}. See which there are: mainspring incidents list")


Number: TypeAlias = Annotated[int, Parameter(validator=_number, help="The incident's number.")]

app = App(name="incidents", help="Incidents: what went wrong and what was done.", help_format="markdown")


@app.command(name="list")
def list_(
    *,
    model: Annotated[str | None, Parameter(help="Only of this model.")] = None,
    kind: Annotated[str | None, Parameter(help="Only this kind, such as drift or performance.")] = None,
    status: Annotated[Literal["open", "closed"] | None, Parameter(help="Only these.")] = None,
    limit: Annotated[int, Parameter(validator=COUNT, help="At most so many.")] = 20,
    workspace: Where = None,
    json: Json = False,
) -> None:
    """List incidents, the newest first."""
    from mainspring.cli._output import emit_json, out

    with opened(workspace) as place:
        found = place.ledger.incidents.search(model=model, kind=kind, status=status, limit=limit)
        now = place.clock.now()
        if not found:
            _known(place, model, kind)
    if json:
        emit_json([_plain(each) for each in found])
        return
    if not found:
        out().print("No incident.")
        return
    rows = table("#", "model", "kind", "severity", "status", "owner", "opened", "suspects", "summary", right=["#"])
    for each in found:
        suspects = cell(", ".join(suspect.name for suspect in each.suspects[:3]))
        rows.add_row(
            str(each.id), cell(each.model), cell(each.kind), _severity(each), _status(each, now),
            cell(each.owner), _when(each.opened), suspects, cell(each.summary),
        )  # fmt: skip
    print_table(rows)


@app.command
def show(
    number: Number,
    /,
    *,
    workspace: Where = None,
    json: Json = False,
) -> None:
    """Show one incident: suspects, what is advised, actions and the timeline."""
    from mainspring.cli._output import emit_json, out
    from mainspring.operate.action import advise

    with opened(workspace) as place:
        found = place.ledger.incidents.get(number)
        now = place.clock.now()
        advice = advise(place, _contract(place, found, workspace), found)
    if json:
        emit_json(_plain(found) | {"events": found.events, "advice": advice})
        return
    console = out()
    said = f"{cell(found.model)}  {cell(found.kind)}  {_severity(found)}  {_status(found, now)}"
    console.print(f"[bold]Incident {found.id}[/]  {said}")
    console.print(cell(found.summary))
    if found.action:
        console.print(f"Action: {cell(found.action)}")
    if found.owner:
        console.print(f"Owner: {cell(found.owner)}")
    if found.acknowledged:
        console.print(f"Acknowledged: {_when(found.acknowledged)}{_by(found)}")
    if _muted(found, now):
        console.print(f"Muted until: {_when(found.muted_until)}")
    if found.suspects:
        rows = table("suspect", "score", "", right=["score"])
        for suspect in found.suspects:
            rows.add_row(cell(suspect.name), f"{suspect.score:.3g}", cell(suspect.text))
        print_table(rows)
    if found.status == "open":
        console.print(cell(f"Advised: {advice.action}, because {advice.why}"))
        if advice.command:
            console.print(f"         {cell(advice.command)}")
    for event in found.events:
        console.print(
            f"[dim]{_when(event.time)}[/]  {cell(event.kind):<10} {cell(event.text)}  [dim]{cell(event.actor)}[/]"
        )


@app.command
def ack(
    number: Number,
    /,
    *,
    text: Annotated[str, Parameter(help="What is to be said with it.")] = "",
    workspace: Where = None,
    json: Json = False,
) -> None:
    """Say that you look after it."""
    with opened(workspace) as place:
        found = place.ledger.incidents.acknowledge(number, text=text)
    _tell(found, "acknowledged", json=json)


@app.command
def assign(
    number: Number,
    owner: Annotated[str, Parameter(help="Who looks after it.")],
    /,
    *,
    workspace: Where = None,
    json: Json = False,
) -> None:
    """Say who looks after it."""
    owner = _said("who looks after it, such as ann", owner)
    with opened(workspace) as place:
        ports = place.ledger.incidents
        with place.ledger.together():
            ports.update(number, owner=owner)
            ports.append(number, kind="assigned", text=f"assigned to {owner}", data={"owner": owner})
            found = ports.get(number)
    _tell(found, f"assigned to {owner}", json=json)


@app.command
def note(
    number: Number,
    text: Annotated[str, Parameter(help="What is to be written down.")],
    /,
    *,
    workspace: Where = None,
    json: Json = False,
) -> None:
    """Write something into the timeline, also of a closed incident."""
    text = _said("what is to be written down", text)
    with opened(workspace) as place:
        place.ledger.incidents.append(number, kind="note", text=text)
        found = place.ledger.incidents.get(number)
    _tell(found, "noted", json=json)


@app.command
def resolve(
    number: Number,
    /,
    *,
    text: Annotated[str, Parameter(help="What ended it.")] = "",
    workspace: Where = None,
    json: Json = False,
) -> None:
    """Close it. What comes of the same cause later is a new incident.

    Orders outlive it: a pause, a fallback or a column set aside that stands is named, with what lifts it.
    """
    from mainspring.cli._orders import print_orders
    from mainspring.cli._output import emit_json
    from mainspring.operate.orders import standing

    with opened(workspace) as place:
        found = place.ledger.incidents.close(number, text=text)
        orders = standing(place, found.model)
    if json:
        emit_json(_plain(found) | {"said": "closed", "orders": [order.as_dict() for order in orders]})
        return
    _tell(found, "closed", json=False)
    print_orders(orders)


@app.command
def mute(
    number: Number,
    /,
    *,
    span: Annotated[str | None, Parameter(name="--for", help="For so long, such as 8h.")] = None,
    until: Annotated[str | None, Parameter(help="Until this time, such as 2026-01-31T12:00.")] = None,
    off: Annotated[bool, Parameter(negative=(), help="Tell of it again.")] = False,
    text: Annotated[str, Parameter(help="Why.")] = "",
    workspace: Where = None,
    json: Json = False,
) -> None:
    """Tell nobody about it for a while. It is still watched."""
    from mainspring.core.errors import InputError

    if (span is not None) + (until is not None) + off != 1:
        raise InputError("Say for how long: --for 8h, --until 2026-01-31T12:00, or --off to end it.")
    with opened(workspace) as place:
        ends = None if off else _until(place.clock.now(), span, until)
        found = place.ledger.incidents.mute(number, ends, text=text)
    _tell(found, "no longer muted" if ends is None else f"muted until {ends:%Y-%m-%d %H:%M} UTC", json=json)


@app.command
def act(
    number: Number,
    action: Annotated[Literal["rollback", "retrain", "pause", "fallback", "resume"], Parameter(help="What to do.")],
    /,
    *,
    reason: Annotated[str, Parameter(help="Why; the timeline shows it.")] = "",
    span: Annotated[str | None, Parameter(name="--for", help="With pause: for so long, such as 2h.")] = None,
    workspace: Where = None,
    json: Json = False,
) -> None:
    """Do something about it, with one command that the timeline keeps.

    `rollback` takes champion and canary back at once; `retrain` asks the loop for one; `pause` lets the loop judge but
    not act; `fallback` lets the endpoint answer what the contract declares; `resume` lifts both, also when the incident
    is closed. Without an incident: `mainspring pause MODEL` and `mainspring resume MODEL`.
    """
    from mainspring.core.errors import InputError
    from mainspring.operate.action import act as do

    if span is not None and action != "pause":
        raise InputError(f"--for goes with pause, not with {action}.")
    with opened(workspace) as place:
        incident = place.ledger.incidents.get(number)
        contract = _contract(place, incident, workspace) if action == "fallback" else None
        until = None if span is None else _until(place.clock.now(), span, None)
        said = do(place, contract, incident, action, reason=reason, until=until)
        found = place.ledger.incidents.get(number)
    _tell(found, said, json=json)


@app.command
def postmortem(
    number: Number,
    /,
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"], help="Write it to this file.")] = None,
    workspace: Where = None,
    json: Json = False,
) -> None:
    """Write the post-mortem as Markdown: what happened, when it was found, the suspected cause, actions, effect."""
    from mainspring.cli._output import emit_json, visible
    from mainspring.core.files import write_atomic
    from mainspring.operate.postmortem import postmortem as written

    with opened(workspace) as place:
        found = place.ledger.incidents.get(number)
        now = place.clock.now()
        text = visible(
            written(
                found,
                now=now,
                transitions=place.ledger.models.transitions(found.model, alias="champion"),
                effect=_effect(place, found, now),
            )
        )
    if output is not None:
        write_atomic(output, text)
    if json:
        emit_json({"id": number, "file": output, "markdown": text})
    elif output is None:
        sys.stdout.write(text)


@app.command
def outbox(
    *,
    model: Annotated[str | None, Parameter(help="Only of this model.")] = None,
    send: Annotated[bool, Parameter(negative=(), help="Notice and deliver now what the loop would.")] = False,
    workspace: Where = None,
    json: Json = False,
) -> None:
    """Show who was told of what, what waits, and what could not be delivered."""
    from mainspring.cli._contract import contract_of
    from mainspring.cli._output import emit_json, out
    from mainspring.operate import notify

    with opened(workspace) as place:
        for name in (place.ledger.models.names() if model is None else (model,)) if send else ():
            notify.tick(place, contract_of(place, name, workspace=workspace), name)
        found = notify.deliveries(place.ledger.states, model)
    if json:
        emit_json([{name: getattr(each, name) for name in _OUTBOX} for each in found])
        return
    if not found:
        out().print("Nobody was to be told of anything lately.")
        return
    rows = table("incident", "what", "where", "status", "tries", "error", right=["incident", "tries"])
    for each in found:
        add_plain(rows, str(each.incident), each.event, each.url, each.status, str(each.attempts), each.error)
    print_table(rows)


_OUTBOX = ("id", "model", "incident", "event", "url", "status", "attempts", "error", "created", "next", "ended")


def _tell(incident: Incident, what: str, *, json: bool) -> None:
    from mainspring.cli._output import emit_json, out

    if json:
        emit_json(_plain(incident) | {"said": what})
    else:
        out().print(f"Incident {incident.id}: {what}.", markup=False)


def _known(place: Workspace, model: str | None, kind: str | None) -> None:
    """Raise NotFound with the nearest name where nothing was found for there is no such model, or no such kind."""
    from mainspring.core.errors import NotFound
    from mainspring.operate.fold import Kind

    incidents = place.ledger.incidents
    if kind is not None and kind not in get_args(Kind) and not incidents.search(kind=kind, limit=1):
        raise NotFound.among("kind of incident", kind, get_args(Kind))
    if model is not None and model not in place.ledger.models.names() and not incidents.search(model=model, limit=1):
        raise NotFound.among("model", model, place.ledger.models.names())


def _said(what: str, text: str) -> str:
    """The *text* without the space around it. Raises InputError where nothing is left."""
    from mainspring.core.errors import InputError, quote

    if not text.strip():
        raise InputError(f"Expected {what}, got {quote(text)}.")
    return text.strip()


def _until(now: datetime, span: str | None, until: str | None) -> datetime:
    from mainspring.cli._moment import moment
    from mainspring.cli._span import span as parsed

    length = parsed("--for", span)
    return moment(until or "") if length is None else now + length


def _contract(place: Workspace, incident: Incident, workspace: Path | None) -> Contract | None:
    """The contract of the model; None where it has none any more."""
    from mainspring.cli._contract import contract_of
    from mainspring.core.errors import NotFound, StoreError

    try:
        return contract_of(place, incident.model, workspace=workspace)
    except (NotFound, StoreError):
        return None


def _effect(place: Workspace, incident: Incident, now: datetime) -> Any:
    """How many predictions were answered while it lasted; None where no log can say."""
    import polars as pl

    from mainspring.core.errors import StoreError
    from mainspring.monitor.service import SHED
    from mainspring.operate.postmortem import Effect
    from mainspring.serve.log.read import ASKED, PredictionLog
    from mainspring.serve.log.record import TIMES, UNREAD

    log = PredictionLog(place, incident.model)
    try:
        if not log.segments():
            return None
        columns = ["version", "role", "status", "flags"]
        rows = log.scan(incident.opened, incident.closed or now, columns, roles=ASKED)
        # one row may stand for many requests that were turned away unread
        many = pl.when(pl.col("role") == UNREAD).then(pl.col("flags").str.strip_prefix(TIMES))
        times, status = many.cast(pl.Int64, strict=False).fill_null(1), pl.col("status")
        shed = status.is_in(SHED)
        counts = rows.group_by("version").agg(
            answered=times.filter(status < 400).sum(),
            failed=times.filter((status >= 500) & ~shed).sum(),
            shed=times.filter(shed).sum(),
        )
        found = counts.sort("version").collect(engine="streaming").rows()
    except StoreError:
        return None
    return Effect(
        answered=sum(row[1] for row in found),
        failed=sum(row[2] for row in found),
        shed=sum(row[3] for row in found),
        by_version=tuple((row[0], row[1]) for row in found if row[1]),
    )


def _plain(incident: Incident) -> dict[str, Any]:
    return {
        "id": incident.id,
        "model": incident.model,
        "kind": incident.kind,
        "severity": incident.severity,
        "status": incident.status,
        "summary": incident.summary,
        "opened": incident.opened,
        "updated": incident.updated,
        "closed": incident.closed,
        "action": incident.action,
        "owner": incident.owner,
        "acknowledged": incident.acknowledged,
        "muted_until": incident.muted_until,
        "suspects": incident.suspects,
        "details": incident.details,
    }


def _severity(incident: Incident) -> str:
    colour = {"info": "dim", "critical": "bold red"}.get(incident.severity, "yellow")
    return f"[{colour}]{incident.severity}[/]"


def _status(incident: Incident, now: datetime) -> str:
    """Open or closed, and for an open one what people have said about it."""
    if incident.status == "closed":
        return "[green]closed[/]"
    more = [", acknowledged"] if incident.acknowledged else []
    more += [", muted"] if _muted(incident, now) else []
    return f"[red]open[/]{''.join(more)}"


def _muted(incident: Incident, now: datetime) -> bool:
    return incident.status == "open" and incident.muted_until is not None and incident.muted_until > now


def _by(incident: Incident) -> str:
    who = next((event.actor for event in incident.events if event.kind == "acknowledged"), "")
    return f" by {cell(who)}" if who else ""


def _when(moment: Any) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
