"""``mainspring models``: versions, who is live, and who made it so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter
from rich.markup import escape

from mainspring.cli._workspace import Json, Where, opened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mainspring.ledger.ports.models import ModelVersion, Transition
    from mainspring.operate.orders import Order

app = App(name="models", help="Models: versions, who is live, and who made it so.", help_format="markdown")

_GOOD, _BAD = "[green]passed[/]", "[red]failed[/]"


def _row(version: ModelVersion, orders: Sequence[Order]) -> dict[str, Any]:
    return {
        "name": version.name,
        "version": version.version,
        "aliases": list(version.aliases),
        "metrics": {name: estimate.value for name, estimate in version.metrics.items()},
        "created": version.created,
        "passed": version.passed,
        "run": version.run,
        "orders": [order.as_dict() for order in orders],
    }


def _headline(version: ModelVersion) -> str:
    """The metric that the contract asks about first, else the first one there is."""
    asked = [verdict["metric"] for verdict in version.evidence.get("verdicts", [])]
    name = next((metric for metric in (*asked, *version.metrics) if metric in version.metrics), None)
    return "" if name is None else f"{name} {version.metrics[name].value:.4g}"


@app.command(name="list")
def list_(
    name: Annotated[str | None, Parameter(help="Only this model.")] = None,
    /,
    *,
    workspace: Where = None,
    json: Json = False,
) -> None:
    """List every version of every model, newest first, and the orders that stand, such as a fallback."""
    from rich.table import Table

    from mainspring.cli._orders import print_orders
    from mainspring.cli._output import emit_json, out
    from mainspring.operate.orders import standing
    from mainspring.registry import Registry

    with opened(workspace) as place:
        registry = Registry(place)
        versions = [v for each in ([name] if name else registry.names()) for v in registry.versions(each)]
        orders = {each: standing(place, each) for each in dict.fromkeys(version.name for version in versions)}
    if json:
        emit_json([_row(version, orders[version.name]) for version in versions])
        return
    if not versions:
        out().print("No model is registered yet. Make one with: mainspring run")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for header in ("model", "version", "alias", "musts", "headline", "created"):
        table.add_column(header, justify="right" if header == "version" else "left")
    for version in versions:
        alias = ", ".join(version.aliases)
        musts = _GOOD if version.passed else _BAD
        created = f"{version.created:%Y-%m-%d %H:%M}"
        table.add_row(version.name, str(version.version), alias, musts, _headline(version), created)
    out().print(table)
    print_orders(order for each in orders.values() for order in each)


@app.command
def show(
    model: Annotated[str, Parameter(help="Such as churn, churn/3 or churn@challenger.")],
    /,
    *,
    workspace: Where = None,
    json: Json = False,
) -> None:
    """Show one version: metrics with intervals, verdicts, forms, where it came from, and orders about its model."""
    from rich.table import Table

    from mainspring.cli._orders import print_orders
    from mainspring.cli._output import emit_json, out
    from mainspring.operate.orders import standing
    from mainspring.registry import Registry

    with opened(workspace) as place:
        registry = Registry(place)
        version = registry.resolve(model)
        manifest = registry.load(version).manifest
        orders = standing(place, version.name)
    verdicts = version.evidence.get("verdicts", [])
    if json:
        emit_json(
            _row(version, orders)
            | {"metrics": dict(version.metrics), "verdicts": verdicts, "form": manifest.form, "forms": manifest.forms}
            | {"digest": version.digest, "kind": manifest.kind, "features": manifest.features, "tags": version.tags}
        )
        return
    console = out()
    console.print(
        f"[bold]{version.name}/{version.version}[/]  {', '.join(version.aliases)}  {_GOOD if version.passed else _BAD}"
    )
    console.print(
        f"{manifest.kind}, {len(manifest.features)} features, scored as {manifest.form}, run {version.run or '–'}"
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    for header in ("metric", "value", "low", "high", "rows"):
        table.add_column(header, justify="left" if header == "metric" else "right")
    for name, e in version.metrics.items():
        table.add_row(name, *(f"{x:.4g}" if x is not None else "–" for x in (e.value, e.low, e.high)), f"{e.rows:,}")
    console.print(table)
    for verdict in verdicts:
        colour = {"pass": "green", "fail": "red"}.get(verdict["result"], "yellow")
        console.print(f"[{colour}]{verdict['result']:>14}[/]  {escape(_said(verdict))}")
    print_orders(orders)


def _said(verdict: Mapping[str, Any]) -> str:
    value = "" if verdict["value"] is None else f": {verdict['value']:.4g} on {verdict['rows']:,} rows"
    reason = f", {verdict['reason']}" if verdict["reason"] else ""
    return f"{verdict['requirement']} ({verdict['priority']}){value}{reason}"


@app.command
def history(name: str, /, *, workspace: Where = None, json: Json = False) -> None:
    """Show every change of every alias: who, when, why."""
    from rich.table import Table

    from mainspring.cli._output import emit_json, out
    from mainspring.registry import Registry

    with opened(workspace) as place:
        registry = Registry(place)
        registry.versions(name)  # raises for a name that is not there
        changes = registry.history(name)
    if json:
        emit_json(list(changes))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for header in ("time", "alias", "from", "to", "actor", "reason"):
        table.add_column(header)
    for change in changes:
        table.add_row(*_cells(change))
    out().print(table if changes else f"Nothing was ever promoted in {name}.")


def _cells(change: Transition) -> tuple[str, ...]:
    before, after = (str(version) if version is not None else "–" for version in (change.before, change.after))
    reason = escape(change.reason)
    if change.override:
        reason = f"{reason} [yellow]override: {escape(change.override)}[/]".strip()
    return f"{change.time:%Y-%m-%d %H:%M:%S}", change.alias, before, after, escape(change.actor), reason


@app.command
def at(
    date: Annotated[str, Parameter(help="A date or time in ISO 8601; a date means its end, in UTC.")],
    name: str,
    /,
    *,
    workspace: Where = None,
    json: Json = False,
) -> None:
    """Say which version was champion at a time, and who had approved it."""
    from mainspring.cli._moment import moment
    from mainspring.cli._output import emit_json, out
    from mainspring.registry import Registry

    when = moment(date)
    with opened(workspace) as place:
        registry = Registry(place)
        registry.versions(name)  # raises for a name that is not there
        version = registry.at(name, when)
        change = place.ledger.models.at(name, when)
    if json:
        emit_json({"name": name, "at": when, "version": version and version.version, "transition": change})
    elif version is None or change is None:
        out().print(f"{name} had no champion at {when:%Y-%m-%d %H:%M:%S} UTC.")
    else:
        out().print(
            f"{name}/{version.version} was champion at {when:%Y-%m-%d %H:%M:%S} UTC: "
            f"promoted {change.time:%Y-%m-%d %H:%M:%S} by {change.actor}{', ' + change.reason if change.reason else ''}"
            f"{'. Override: ' + change.override if change.override else ''}",
            markup=False,
        )
