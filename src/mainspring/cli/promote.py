"""``mainspring promote``."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from mainspring.cli._workspace import Json, Where, opened


def promote(
    name: str,
    version: int,
    /,
    *,
    alias: Annotated[str, Parameter(help="What the version becomes.")] = "champion",
    reason: Annotated[str, Parameter(help="Why; the history shows it.")] = "",
    override: Annotated[str | None, Parameter(help="Why it may be champion although a must failed.")] = None,
    workspace: Where = None,
    json: Json = False,
) -> None:
    """Make a version the champion (or let another alias name it).

    While another version is being rolled out this is refused, unless --override says why; it then ends the rollout.
    """
    from mainspring.cli._output import emit_json, out
    from mainspring.operate.rollout import settle
    from mainspring.registry import Registry

    with opened(workspace) as place, place.ledger.together():
        change = Registry(place).promote(name, version, alias=alias, reason=reason, override=override)
        ended = settle(place, name)
    if json:
        emit_json(change)
    else:
        if ended is not None:
            out().print(f"The rollout of {name}/{ended.version} is {ended.status}.")
        before = f", before it was {name}/{change.before}" if change.before is not None else ""
        out().print(f"{name}/{change.after} is now the {change.alias}{before}.")
