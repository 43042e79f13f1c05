"""``mainspring rollout``: put a version live step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from mainspring.cli._workspace import Json, Where, opened

if TYPE_CHECKING:
    from mainspring.operate.rollout import Decision, Rollout, Tick
    from mainspring.workspace import Workspace

LONGEST_WAIT = 5.0
"""Seconds between two looks, at most."""


def rollout(
    name: str,
    version: int | None = None,
    /,
    *,
    steps: Annotated[str | None, Parameter(help="Percents of the traffic, such as 5,25,100.")] = None,
    hold: Annotated[str | None, Parameter(help="How long each step is held, such as 10m.")] = None,
    minimum_rows: Annotated[int | None, Parameter(help="Rows answered at a step before the next.")] = None,
    reason: Annotated[str, Parameter(help="Why; the history shows it.")] = "",
    override: Annotated[str | None, Parameter(help="Why it may go live although a must failed.")] = None,
    detach: Annotated[
        bool, Parameter(negative=(), help="Only begin; `mainspring loop`, or this command again, goes on.")
    ] = False,
    abort: Annotated[bool, Parameter(negative=(), help="Stop the running rollout: the champion answers all.")] = False,
    status: Annotated[bool, Parameter(negative=(), help="Only show how it stands.")] = False,
    workspace: Where = None,
    json: Json = False,
) -> int:
    """Put a version live step by step, as long as the requirements hold on what it answers; else take it back.

    It goes on only when a step was held long enough, enough rows were answered, every must that can be measured is
    kept, and neither errors, refusals nor latency are worse than the champion's. What is surely broken is taken back at
    once.
    Called again while it runs, it goes on with it. Ends with 0 where the version became champion (or where it only
    began, or still runs), with 1 where it was taken back or stopped.
    """
    from mainspring.cli._contract import contract_of
    from mainspring.core.errors import InputError
    from mainspring.operate import rollout as rolling

    if abort + status + detach > 1:
        raise InputError("Choose one of --abort, --status and --detach.")
    if minimum_rows is not None and minimum_rows < 1:
        raise InputError(f"--minimum-rows is a number of rows from 1 on; got {minimum_rows}.")
    with opened(workspace) as place:
        if abort:
            found: Rollout | None = rolling.abort(place, name, reason=reason)
        elif status or version is None:
            place.ledger.models.versions(name)  # raises for a name that is not there
            found = rolling.last(place.ledger.states, name)
        else:
            settings = {"steps": steps, "hold": hold, "minimum_rows": minimum_rows, "override": override}
            found = _begin(place, name, version, settings, reason=reason, workspace=workspace)
            if not detach:
                found = _follow(place, name, found, workspace=workspace)
        next_ = None
        if found is not None and found.status == "running":
            contract = contract_of(place, name, version=found.version, workspace=workspace)
            next_ = rolling.outlook(place, contract, name)
        _show(place, name, found, next_, json=json)
    over = found is not None and found.status in ("rolled back", "aborted")
    return 1 if over and not (abort or status or version is None) else 0


def _begin(
    place: Workspace, name: str, version: int, settings: dict[str, Any], *, reason: str, workspace: Any
) -> Rollout:
    """The running rollout of this version, if it runs as asked; else a new one."""
    from mainspring.cli._contract import contract_of
    from mainspring.cli._span import span
    from mainspring.operate import rollout as rolling

    steps, hold, rows = settings["steps"], settings["hold"], settings["minimum_rows"]
    steps, hold = None if steps is None else _percents(steps), span("--hold", hold)
    current = rolling.running(place.ledger.states, name)
    if current is not None and current.version == version:
        _agreed(current, {"steps": steps, "hold": hold, "minimum_rows": rows, "override": settings["override"]})
        return current
    return rolling.start(
        place,
        contract_of(place, name, version=version, workspace=workspace),
        name,
        version,
        steps=steps,
        hold=hold,
        minimum_rows=rows,
        reason=reason,
        override=settings["override"],
    )


def _agreed(current: Rollout, asked: dict[str, Any]) -> None:
    """Raise InputError where something is asked for that is otherwise in the rollout that runs."""
    from mainspring.core.duration import format_duration
    from mainspring.core.errors import InputError, listed

    others = [name for name, value in asked.items() if value is not None and value != getattr(current, name)]
    if others:
        flags = listed([f"--{name.replace('_', '-')}" for name in others])
        steps = ", ".join(f"{step:g}" for step in current.steps)
        raise InputError(
            f"The rollout of {current.model}/{current.version} runs already, by steps of {steps} % held for "
            f"{format_duration(current.hold)} with at least {current.minimum_rows:,} rows, and keeps to that. "
            f"Leave out {flags} to go on with it, or stop it first: mainspring rollout {current.model} --abort"
        )


def _follow(place: Workspace, name: str, rollout: Rollout, *, workspace: Any) -> Rollout:
    """Drive it to its end, telling people what is decided."""
    import re
    import time

    from mainspring.cli._contract import contract_of
    from mainspring.cli._output import err
    from mainspring.operate import rollout as rolling

    contract = contract_of(place, name, version=rollout.version, workspace=workspace)
    console, told = err(), ""
    console.print(f"{rollout.model}/{rollout.version}: {rollout.percent:g} % of the traffic", markup=False)
    wait = min(LONGEST_WAIT, max(rollout.hold.total_seconds() / 20, 0.2))
    while (tick := rolling.tick(place, contract, name)) is not None:
        rollout = tick.rollout
        said = _said(tick)
        if (same := re.sub(r"\d[\d,.smhd ]*", "#", said)) != told:  # what only counts on is not said again
            console.print(said, markup=False)
            told = same
        if rollout.status == "running":
            time.sleep(wait)
    return rolling.last(place.ledger.states, name) or rollout


def _said(tick: Tick) -> str:
    """What was decided; what was seen is of the step before, where the decision led on."""
    after, action = tick.rollout, tick.decision.action
    went_on = action == "advance"
    percent = after.steps[after.at - went_on]
    to = f" to {after.percent:g} %" if went_on else ""
    return f"{percent:g} %: {action}{to}: {tick.decision.reason}"


def _percents(text: str) -> tuple[float, ...]:
    from mainspring.core.errors import InputError, quote
    from mainspring.operate.rollout.plan import LEAST_PERCENT

    try:
        steps = tuple(float(part) for part in text.split(","))
    except ValueError:
        steps = ()
    if not steps or list(steps) != sorted(set(steps)) or steps[0] <= 0 or steps[-1] != 100:
        raise InputError(f"--steps are rising percents that end at 100, such as 5,25,100; got {quote(text)}.")
    if steps[0] < LEAST_PERCENT:
        raise InputError(
            f"--steps begin with at least {LEAST_PERCENT:g} %, the least share of the traffic that is told apart; "
            f"got {quote(text)}."
        )
    return steps


def _show(place: Workspace, name: str, found: Rollout | None, next_: Decision | None, *, json: bool) -> None:
    from mainspring.cli._output import emit_json, out
    from mainspring.operate.rollout.document import as_value

    if json:
        emit_json({"model": name, "rollout": None if found is None else as_value(found), "next": next_})
        return
    console = out()
    if found is None:
        console.print(f"There was no rollout of {name} yet.", markup=False)
        return
    steps = " → ".join(
        f"[{step:g} %]" if place == found.at and found.status == "running" else f"{step:g} %"
        for place, step in enumerate(found.steps)
    )
    console.print(f"{name}/{found.version} beside {name}/{found.champion}: {found.status}  {steps}", markup=False)
    for note in found.notes:
        console.print(f"{note.time:%Y-%m-%d %H:%M:%S}  {note.action:<9} {note.text}", markup=False)
    if next_ is not None:
        console.print(f"Next: {next_.action}: {next_.reason}", markup=False)
        for one in found.required:
            console.print(f"  {one.result:<14} {one.text}", markup=False)
