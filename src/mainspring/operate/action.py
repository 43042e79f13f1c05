"""What a person may have done about an incident with one command, and what is advised.

An action and its entry in the timeline are one transaction: what the timeline says was done was done.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from mainspring.core.duration import format_duration
from mainspring.core.errors import NotFound, Refused
from mainspring.operate import remedy
from mainspring.operate.rollout import rollback, running

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from mainspring.contract import Contract
    from mainspring.ledger.ports.incidents import Incident
    from mainspring.ledger.ports.models import Transition
    from mainspring.workspace import Workspace

Action: TypeAlias = Literal["rollback", "retrain", "pause", "fallback", "resume"]
ACTIONS: tuple[Action, ...] = get_args(Action)

LATELY = timedelta(days=1)
"""A version that went live so shortly before an incident is looked at first."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What is advised: an action with its command, or a word without one, and why."""

    action: str
    why: str
    command: str = ""


def act(
    workspace: Workspace,
    contract: Contract | None,
    incident: Incident,
    action: str,
    *,
    reason: str = "",
    until: datetime | None = None,
) -> str:
    """Do *action* about the model of *incident*, and write it into the timeline. Gives what was done, in words.

    ``rollback`` takes the champion and a canary back at once; ``retrain`` asks the loop for one; ``pause`` lets the
    loop only judge, *until* then or until ``resume``; ``fallback`` lets the endpoint answer what the contract declares,
    until ``resume``, which can be said of a closed incident, too. Only ``fallback`` needs the *contract*. Raises
    NotFound for an action that there is not, Refused where it cannot be done or the incident is closed.
    """
    if action not in ACTIONS:
        raise NotFound.among("action", action, ACTIONS)
    with workspace.ledger.together():
        text = _do(workspace, contract, incident, action, reason=reason, until=until)
        if action != "resume" or workspace.ledger.incidents.get(incident.id).status == "open":
            # what was ordered outlives the incident, and has to be lifted then
            workspace.ledger.incidents.update(incident.id, action=action)
        said = f"{text}: {reason}" if reason else text
        workspace.ledger.incidents.append(incident.id, kind="action", text=said, data={"action": action})
    return text


def _do(
    workspace: Workspace,
    contract: Contract | None,
    incident: Incident,
    action: str,
    *,
    reason: str,
    until: datetime | None,
) -> str:
    model, number = incident.model, incident.id
    because = reason or f"incident {number}"
    match action:
        case "rollback":
            change, stopped = rollback(workspace, model, reason=because)
            said = f"the rollout of version {stopped.version} is stopped" if stopped else ""
            if change is None:
                return said or "the canary gets no traffic any more"
            back = f"rolled back from version {change.before} to version {change.after}"
            return f"{back}; {said}" if said else back
        case "retrain":
            asked = remedy.ask_retrain(workspace, model, reason=because, incident=number)
            already = asked.incident != number or asked.reason != because
            return "a retrain was asked for before and is still to come" if already else "asked the loop for a retrain"
        case "pause":
            remedy.pause(workspace, model, until=until, reason=because, incident=number)
            ends = f" until {until:%Y-%m-%d %H:%M} UTC" if until else " until it is resumed"
            return f"the loop only judges{ends}"
        case "fallback":
            if contract is None:
                raise Refused(f"No contract of {model} is there to say what may be answered instead.")
            order = remedy.fall_back(workspace, contract, model, reason=because, incident=number)
            return f"the endpoint answers {order.prediction} to everything until it is resumed"
        case _:
            lifted = remedy.resume(workspace, model)
            return f"lifted: {' and '.join(lifted)}" if lifted else "there was nothing to lift"


def advise(workspace: Workspace, contract: Contract | None, incident: Incident) -> Advice:
    """What to do about *incident*, from what the ledger knows now."""
    model = incident.model
    rollout = running(workspace.ledger.states, model)
    return suggestion(
        incident,
        champions=workspace.ledger.models.transitions(model, alias="champion"),
        rolling=None if rollout is None else rollout.version,
        can_fall_back=contract is not None and contract.fallback.prediction is not None,
    )


def suggestion(
    incident: Incident,
    *,
    champions: Sequence[Transition] = (),
    rolling: int | None = None,
    can_fall_back: bool = False,
) -> Advice:
    """The advice: the release that came just before first, then by the kind of the incident. Pure."""
    if incident.status == "closed":
        return Advice("none", "it is over")
    command = f"mainspring incidents act {incident.id}"
    if incident.action in ACTIONS:
        return Advice("wait", f"{incident.action} was done; see whether it helps")
    if rolling is not None:
        stop = f"mainspring rollout {incident.model} --abort"
        return Advice("stop the rollout", f"version {rolling} is being rolled out", stop)
    before = [change for change in champions if change.time <= incident.opened and change.after is not None]
    if len(before) > 1 and incident.opened - before[-1].time <= LATELY:
        change = before[-1]
        ago = format_duration(timedelta(minutes=(incident.opened - change.time) // timedelta(minutes=1)))
        return Advice("rollback", f"version {change.after} went live {ago} before", f"{command} rollback")
    names = ", ".join(suspect.name for suspect in incident.suspects[:3])
    if incident.kind == "data quality":
        what = names or "the data"
        return Advice("mend the source", f"{what} broke upstream; a retrain would learn it so", f"{command} pause")
    if incident.kind == "service":
        if can_fall_back:
            return Advice("fallback", "answers fail or come late; the contract says what may be answered instead",
                          f"{command} fallback")  # fmt: skip
        return Advice("look at the endpoint", "answers fail or come late")
    if incident.kind == "performance":
        return Advice(
            "retrain", f"the model does worse{f', with {names} moved' if names else ''}", f"{command} retrain"
        )
    return Advice("watch", "the data moved, but nothing is shown to be worse yet")
