"""``mainspring pause``: the loop is to judge a model, and to do nothing else."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from mainspring.cli._workspace import Json, Where, opened


def pause(
    model: str,
    /,
    *,
    span: Annotated[
        str | None, Parameter(name="--for", help="For so long, such as 2h; default: until resumed.")
    ] = None,
    reason: Annotated[str, Parameter(help="Why; whoever looks at the loop is told.")] = "",
    workspace: Where = None,
    json: Json = False,
) -> None:
    """Let the loop judge MODEL, and do nothing else: no retrain, no promotion, no further step of a rollout.

    A rollout that breaks is still taken back. `mainspring resume MODEL` ends it.
    """
    from dataclasses import asdict

    from mainspring.cli._output import emit_json, out
    from mainspring.cli._span import span as parsed
    from mainspring.operate import remedy

    length = parsed("--for", span)
    with opened(workspace) as place:
        place.ledger.models.versions(model)  # raises NotFound for a name that nobody has
        until = None if length is None else place.clock.now() + length
        order = remedy.pause(place, model, until=until, reason=reason)
    if json:
        emit_json(asdict(order))
        return
    ends = f" until {until:%Y-%m-%d %H:%M} UTC" if until else ""
    out().print(f"The loop only judges {model}{ends}. To lift it: mainspring resume {model}", markup=False)
