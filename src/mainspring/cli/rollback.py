"""``mainspring rollback``."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from mainspring.cli._workspace import Json, Where, opened


def rollback(
    name: str,
    /,
    *,
    reason: Annotated[str, Parameter(help="Why; the history shows it.")] = "",
    workspace: Where = None,
    json: Json = False,
) -> None:
    """Make the champion before the present one the champion again. Repeated, it goes further back.

    The traffic of a canary is taken back with it, and a running rollout is stopped; to stop only that, use
    `mainspring rollout MODEL --abort`. Endpoints follow at once.
    """
    from dataclasses import asdict

    from mainspring.cli._output import emit_json, out
    from mainspring.operate.rollout import rollback as roll_back

    with opened(workspace) as place:
        change, stopped = roll_back(place, name, reason=reason)
        champion = place.ledger.models.aliases(name).get("champion")
    if json:
        said = {"name": name, "before": champion, "after": champion} if change is None else asdict(change)
        emit_json(said | {"stopped": None if stopped is None else stopped.version})
        return
    if stopped is not None:
        out().print(f"The rollout of {name}/{stopped.version} is stopped: no traffic goes to it any more.")
    if change is not None:
        out().print(f"{name}/{change.after} is the champion again, {name}/{change.before} is not.")
    else:
        out().print(f"{name}/{champion} stays the champion (none came before it) and answers everything.")
