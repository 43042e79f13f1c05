"""``mainspring runs``: what was tried, what came out, and what differs between two."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from mainspring.cli._table import add_plain, print_table, table
from mainspring.cli._workspace import Json, Where, opened

if TYPE_CHECKING:
    from rich.console import Console

    from mainspring.ledger import Ledger
    from mainspring.ledger.ports import DatasetVersion, Run, StepRecord

app = App(name="runs", help="Runs: what was tried, what came out, and what differs.", help_format="markdown")

SHORT = 12
"""So many digits of a run's id are shown; fewer are enough to name it."""
_COLOURS = {"finished": "green", "failed": "red", "killed": "red", "running": "yellow", "pruned": "dim"}
_LATEST = "latest"
_FIRST = ("roc_auc", "rmse", "accuracy")
"""Of many metrics these are shown in the list: the ones that models of the three tasks are chosen by."""

Name = Annotated[str, Parameter(help="A run's id or the beginning of one, or 'latest'.")]


@app.command(name="list")
def list_(
    *,
    experiment: Annotated[str | None, Parameter(help="Only this experiment.")] = None,
    kind: Annotated[str | None, Parameter(help="Only this kind, such as pipeline or trial.")] = None,
    status: Annotated[
        Literal["running", "finished", "failed", "pruned", "killed"] | None, Parameter(help="Only these.")
    ] = None,
    parent: Annotated[
        str | None, Parameter(help="Only the children of this run, such as the trials of a search.")
    ] = None,
    order: Annotated[
        str | None, Parameter(help="A metric to sort by, highest first; prefix - for lowest first.")
    ] = None,
    limit: Annotated[int, Parameter(help="At most so many.")] = 20,
    every: Annotated[bool, Parameter(name="--all", negative=(), help="Children too, such as trials.")] = False,
    workspace: Where = None,
    json: Json = False,
) -> None:
    """List runs, the newest first."""
    from mainspring.cli._output import emit_json, out
    from mainspring.ledger.ports import RunQuery

    with opened(workspace) as place:
        above = None if parent is None else _find(place.ledger, parent).id
        query = RunQuery(
            experiment=experiment,
            kind=kind,
            status=status,
            parent=above,
            roots=not (every or kind or above),
            order="started" if order is None else f"metric:{order.removeprefix('-')}",
            descending=order is None or not order.startswith("-"),
            limit=limit,
        )
        page = place.ledger.runs.search(query)
    if json:
        emit_json({"runs": [_plain(run) for run in page.runs], "total": page.total})
        return
    if not page.runs:
        out().print("No run fits." if page.total == 0 else "No run on this page.")
        return
    _print_runs(page.runs)
    if page.total > len(page.runs):
        out().print(f"[dim]{len(page.runs)} of {page.total:,}; see more with --limit[/]")


@app.command
def show(run: Name = _LATEST, /, *, workspace: Where = None, json: Json = False) -> None:
    """Show one run: parameters, metrics, steps, what it made and which code it ran."""
    from mainspring.cli._output import emit_json, out
    from mainspring.ledger.ports import RunQuery

    with opened(workspace) as place:
        ledger = place.ledger
        found = _find(ledger, run)
        steps = _steps(ledger, found)
        artifacts = ledger.artifacts.of_run(found.id)
        data = _data(ledger, found)
        children = ledger.runs.search(RunQuery(parent=found.id, limit=0)).total
    if json:
        made = [{"name": a.name, "type": a.type, "digest": a.digest, "size": a.size} for a in artifacts]
        tables = [{"name": v.name, "version": v.version, "rows": v.rows, "digest": v.digest} for v in data.values()]
        rest = {"steps": [_step(each) for each in steps], "data": tables, "artifacts": made, "children": children}
        emit_json(_plain(found) | rest)
        return
    _print_run(out(), found, steps, data, children)


@app.command
def diff(before: Name, after: Name = _LATEST, /, *, workspace: Where = None, json: Json = False) -> None:
    """Show what differs between two runs: code, environment, parameters, data, steps and metrics."""
    from mainspring.cli._output import emit_json, out

    with opened(workspace) as place:
        one, other = _find(place.ledger, before), _find(place.ledger, after)
        found = _differences(place.ledger, one, other)
    if json:
        emit_json({"before": one.id, "after": other.id, "differences": found})
        return
    console = out()
    console.print(f"[bold]{one.id[:SHORT]}[/] {_when(one)}  →  [bold]{other.id[:SHORT]}[/] {_when(other)}")
    if not found:
        console.print("Nothing differs.")
        return
    rows = table("what", "name", "before", "after")
    for each in found:
        add_plain(rows, each["what"], each["name"], _short(each["before"]), _short(each["after"]))
    print_table(rows)


def _find(ledger: Ledger, name: str) -> Run:
    from mainspring.core.errors import NotFound
    from mainspring.ledger.ports import RunQuery

    if name != _LATEST:
        return ledger.runs.get(name)
    newest = ledger.runs.search(RunQuery(roots=True, limit=1)).runs
    if not newest:
        raise NotFound("There is no run yet. Make one with: mainspring run")
    return newest[0]


def _plain(run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "name": run.name,
        "kind": run.kind,
        "status": run.status,
        "experiment": run.experiment,
        "parent": run.parent,
        "started": run.started,
        "finished": run.finished,
        "seconds": run.seconds,
        "actor": run.actor,
        "commit": run.provenance.commit,
        "dirty": run.provenance.dirty,
        "environment": run.provenance.environment,
        "params": run.params,
        "metrics": run.metrics,
        "tags": run.tags,
    }


def _step(record: StepRecord) -> dict[str, Any]:
    return {
        "name": record.step,
        "status": record.status,
        "seconds": record.seconds,
        "key": record.key,
        "error": record.error,
    }


def _differences(ledger: Ledger, one: Run, other: Run) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []

    def compare(what: str, before: dict[str, Any], after: dict[str, Any]) -> None:
        for name in sorted(before.keys() | after.keys()):
            left, right = before.get(name), after.get(name)
            if left != right and not (_is_nan(left) and _is_nan(right)):
                found.append({"what": what, "name": name, "before": left, "after": right})

    code = ({"commit": run.provenance.commit, "uncommitted changes": run.provenance.dirty} for run in (one, other))
    compare("code", *code)
    compare("environment", {"digest": one.provenance.environment}, {"digest": other.provenance.environment})
    compare("parameter", dict(one.params), dict(other.params))
    data = ({name: f"{name}/{table.version}" for name, table in _data(ledger, run).items()} for run in (one, other))
    compare("data", *data)
    steps = [{each.step: each for each in _steps(ledger, run)} for run in (one, other)]
    compare("step", *({name: each.status for name, each in part.items()} for part in steps))
    for name in sorted(steps[0].keys() & steps[1].keys()):
        compare(f"step {name}", dict(steps[0][name].parts), dict(steps[1][name].parts))
    compare("metric", dict(one.metrics), dict(other.metrics))
    compare("tag", dict(one.tags), dict(other.tags))
    return found


def _steps(ledger: Ledger, run: Run) -> tuple[StepRecord, ...]:
    """What the pipeline's steps did, without what the release notes for itself under a name that no step can have."""
    return tuple(each for each in ledger.steps.of_run(run.id) if not each.step.startswith("("))


def _data(ledger: Ledger, run: Run) -> dict[str, DatasetVersion]:
    """The dataset versions that the run read or made, by the name of the dataset."""
    made = {each.digest for each in ledger.artifacts.of_run(run.id)}
    versions = (each for name in ledger.datasets.names() for each in reversed(ledger.datasets.versions(name)))
    return {each.name: each for each in versions if each.digest in made}


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _print_runs(runs: tuple[Run, ...]) -> None:
    rows = table("run", "name", "kind", "status", "started", "seconds", "metrics", right=["seconds"])
    for run in runs:
        names = [name for name in dict.fromkeys([*_FIRST, *run.metrics]) if name in run.metrics]
        metrics = "  ".join(f"{name} {run.metrics[name]:.4g}" for name in names[:3])
        rows.add_row(run.id[:SHORT], run.name, run.kind, _status(run), _when(run), _seconds(run), metrics)
    print_table(rows)


def _print_run(
    console: Console, run: Run, steps: tuple[StepRecord, ...], data: dict[str, DatasetVersion], children: int
) -> None:
    from rich.markup import escape

    code = run.provenance
    commit = f"commit {code.commit[:SHORT]}{' with changes' if code.dirty else ''}" if code.commit else "no commit"
    console.print(f"[bold]{escape(run.name)}[/]  {run.id}  {_status(run)}")
    console.print(
        f"{run.kind} of {escape(run.experiment)}, by {escape(run.actor)}, {_when(run)}, {_seconds(run)} s, {commit}"
    )
    if run.parent:
        console.print(f"part of {run.parent[:SHORT]}")
    if children:
        console.print(f"{children:,} children: mainspring runs list --parent {run.id[:SHORT]}")
    for title, facts in (("parameters", run.params), ("metrics", run.metrics), ("tags", run.tags)):
        if facts:
            rows = table(title, "")
            for name, value in facts.items():
                rows.add_row(escape(name), escape(_short(value)))
            print_table(rows)
    if data:
        rows = table("data", "rows", "from", right=["rows"])
        for version in data.values():
            rows.add_row(f"{escape(version.name)}/{version.version}", f"{version.rows:,}", escape(version.source))
        print_table(rows)
    if steps:
        rows = table("step", "status", "seconds", "key", "", right=["seconds"])
        for each in steps:
            rows.add_row(each.step, each.status, f"{each.seconds:.3f}", each.key[:SHORT], escape(each.error or ""))
        print_table(rows)


def _status(run: Run) -> str:
    return f"[{_COLOURS[run.status]}]{run.status}[/]"


def _when(run: Run) -> str:
    return f"{run.started:%Y-%m-%d %H:%M}"


def _seconds(run: Run) -> str:
    return "–" if run.seconds is None else f"{run.seconds:,.2f}" if run.seconds < 10 else f"{run.seconds:,.0f}"


def _short(value: object) -> str:
    if value is None:
        return "–"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 60 else text[:59] + "…"
