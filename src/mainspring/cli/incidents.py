"""``mainspring incidents``: what went wrong, what is suspected, and what was done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from mainspring.cli._table import print_table, table
from mainspring.cli._workspace import Json, Where, opened

if TYPE_CHECKING:
    from datetime import datetime

    from mainspring.ledger.ports import Incident

app = App(name="incidents", help="Incidents: what went wrong and what was done.", help_format="markdown")


@app.command(name="list")
def list_(
    *,
    model: Annotated[str | None, Parameter(help="Only of this model.")] = None,
    kind: Annotated[str | None, Parameter(help="Only this kind, such as drift or performance.")] = None,
    status: Annotated[Literal["open", "closed"] | None, Parameter(help="Only these.")] = None,
    limit: Annotated[int, Parameter(help="At most so many.")] = 20,
    workspace: Where = None,
    json: Json = False,
) -> None:
    """List incidents, the newest first."""
    from rich.markup import escape

    from mainspring.cli._output import emit_json, out

    with opened(workspace) as place:
        found = place.ledger.incidents.search(model=model, kind=kind, status=status, limit=limit)
        now = place.clock.now()
    if json:
        emit_json([_plain(each) for each in found])
        return
    if not found:
        out().print("No incident.")
        return
    rows = table("#", "model", "kind", "severity", "status", "owner", "opened", "suspects", "summary", right=["#"])
    for each in found:
        suspects = escape(", ".join(suspect.name for suspect in each.suspects[:3]))
        rows.add_row(
            str(each.id), escape(each.model), escape(each.kind), _severity(each), _status(each, now),
            escape(each.owner), _when(each.opened), suspects, escape(each.summary),
        )  # fmt: skip
    print_table(rows)


@app.command
def show(
    number: Annotated[int, Parameter(help="The incident's number.")],
    /,
    *,
    workspace: Where = None,
    json: Json = False,
) -> None:
    """Show one incident: suspects, actions and the timeline."""
    from rich.markup import escape

    from mainspring.cli._output import emit_json, out

    with opened(workspace) as place:
        found = place.ledger.incidents.get(number)
        now = place.clock.now()
    if json:
        emit_json(_plain(found) | {"events": found.events})
        return
    console = out()
    said = f"{escape(found.model)}  {escape(found.kind)}  {_severity(found)}  {_status(found, now)}"
    console.print(f"[bold]Incident {found.id}[/]  {said}")
    console.print(escape(found.summary))
    if found.action:
        console.print(f"Action: {escape(found.action)}")
    if found.owner:
        console.print(f"Owner: {escape(found.owner)}")
    if found.acknowledged:
        console.print(f"Acknowledged: {_when(found.acknowledged)}{_by(found)}")
    if _muted(found, now):
        console.print(f"Muted until: {_when(found.muted_until)}")
    if found.suspects:
        rows = table("suspect", "score", "", right=["score"])
        for suspect in found.suspects:
            rows.add_row(escape(suspect.name), f"{suspect.score:.3g}", escape(suspect.text))
        print_table(rows)
    for event in found.events:
        console.print(
            f"[dim]{_when(event.time)}[/]  {event.kind:<10} {escape(event.text)}  [dim]{escape(event.actor)}[/]"
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
    from rich.markup import escape

    who = next((event.actor for event in incident.events if event.kind == "acknowledged"), "")
    return f" by {escape(who)}" if who else ""


def _when(moment: Any) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
