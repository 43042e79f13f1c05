"""``mainspring store``: whether the bytes are whole, and getting rid of those nobody needs."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from mainspring.cli._workspace import Json, Where, opened

app = App(name="store", help="The bytes: whether they are whole, and which nobody needs.", help_format="markdown")

LISTED = 20
"""So many names are shown to people; --json gives them all."""


@app.command
def verify(*, workspace: Where = None, json: Json = False) -> int:
    """Read every object and name what is damaged. Exit code 1 where something is."""
    from mainspring.cli._output import emit_json, out
    from mainspring.core.progress import progress

    with opened(workspace) as place:
        count = 0

        def seen(number: int) -> None:
            nonlocal count
            count = number
            progress("verify", number, None, f"{number:,} objects read")

        damages = list(place.store.verify(seen=seen))
        broken = place.ledger.audit.verify()
    if json:
        trail = None if broken is None else {"number": broken.number, "reason": broken.reason}
        named = [{"name": each.name, "reason": each.reason} for each in damages]
        emit_json({"objects": count, "damaged": named, "audit": trail})
    else:
        for each in damages:
            out().print(f"[red]{each.name}[/]\n  {each.reason}", markup=True)
        if broken is not None:
            out().print(f"[red]The audit trail does not hold: {broken.reason}.[/]")
        verdict = "all as they were written" if not damages else f"{len(damages):,} damaged or missing"
        out().print(f"{count:,} objects read: {verdict}.")
    return 1 if damages or broken is not None else 0


@app.command
def gc(
    *,
    dry_run: Annotated[bool, Parameter(negative=(), help="Only say what would go.")] = False,
    grace: Annotated[float, Parameter(help="Keep what was written or used in the last so many hours.")] = 1.0,
    workspace: Where = None,
    json: Json = False,
) -> None:
    """Remove the bytes that no run, dataset, model or prediction log refers to."""
    from mainspring.cli._output import emit_json, out
    from mainspring.operate.live.document import counts

    with opened(workspace) as place:
        needed = {*place.ledger.artifacts.live(), *counts(place.ledger.states)}
        sweep = place.store.gc(needed, dry_run=dry_run, grace=grace * 3600)
    if json:
        removed = [{"name": name, "bytes": size} for name, size in sweep.removed]
        emit_json(
            {
                "dry_run": dry_run,
                "removed": removed,
                "bytes": sweep.bytes,
                "repacked": sweep.repacked,
                "kept": sweep.kept,
            }
        )
        return
    console = out()
    for name, size in sweep.removed[:LISTED]:
        console.print(f"{size:>14,}  {name}")
    if len(sweep.removed) > LISTED:
        console.print(f"[dim]{'':>14}  and {len(sweep.removed) - LISTED:,} more[/]")
    verb = "would be removed" if dry_run else "removed"
    console.print(f"{len(sweep.removed):,} {verb}, {sweep.bytes:,} bytes. {sweep.kept:,} objects stay.")
