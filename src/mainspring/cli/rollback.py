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
    """Make the champion before the present one the champion again. Repeated, it goes further back."""
    from mainspring.cli._output import emit_json, out
    from mainspring.registry import Registry

    with opened(workspace) as place:
        change = Registry(place).rollback(name, reason=reason)
    if json:
        emit_json(change)
    else:
        out().print(f"{name}/{change.after} is the champion again, {name}/{change.before} is not.")
