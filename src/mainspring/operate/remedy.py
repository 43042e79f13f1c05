"""What people ask of the loop and the endpoint, as documents of the ledger's states.

=============  ===================  =========================================================================
kind           key                  value
=============  ===================  =========================================================================
``request``    ``<model>/retrain``  ``status`` waiting, taken, done or refused; ``by``, ``at``, ``reason``,
                                    ``incident`` (a number or null), ``outcome`` in words once it is answered
``pause``      ``<model>``          ``by``, ``at``, ``reason``, ``incident``, ``until`` (a time or null): while it
                                    is there and not over, the loop judges but does not act; a rollout goes no
                                    step further, though one that breaks is still taken back
``fallback``   ``<model>``          ``prediction`` (a label, or a number for a regression), ``by``, ``at``,
                                    ``reason``, ``incident``: while it is there, the endpoint answers every row
                                    with it. The traffic rule is set anew with it, as it was, so that the revision
                                    of `Endpoints.live` rises and no further question has to be asked
=============  ===================  =========================================================================

Times are ISO 8601 in UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime  # noqa: TC003  # documents are read by their types
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from mainspring.core.errors import Refused

if TYPE_CHECKING:
    from mainspring.contract import Contract
    from mainspring.ledger.ports.states import States
    from mainspring.workspace import Workspace

RequestStatus: TypeAlias = Literal["waiting", "taken", "done", "refused"]

REQUEST, PAUSE, FALLBACK = "request", "pause", "fallback"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A retrain that somebody asked for. ``revision`` is that of its document."""

    model: str
    by: str
    at: datetime
    reason: str = ""
    incident: int | None = None
    status: RequestStatus = "waiting"
    outcome: str = ""
    revision: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """The loop is to judge but not to act, ``until`` then or (None) until it is lifted."""

    model: str
    by: str
    at: datetime
    reason: str = ""
    incident: int | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """The endpoint is to answer ``prediction`` to everything."""

    model: str
    prediction: str | float
    by: str
    at: datetime
    reason: str = ""
    incident: int | None = None


def ask_retrain(workspace: Workspace, model: str, *, reason: str = "", incident: int | None = None) -> Request:
    """Ask the loop for a retrain. Asked again before it began, it stays one request: the first. Never done twice."""
    states, key = workspace.ledger.states, f"{model}/retrain"
    with workspace.ledger.together():
        before = last_request(states, model)
        if before is not None and before.status in ("waiting", "taken"):
            return before
        wanted = Request(
            model=model, by=workspace.actor, at=workspace.clock.now(), reason=reason, incident=incident
        )  # fmt: skip
        state = states.put(REQUEST, key, _value(wanted), expected=before.revision if before else 0)
    return replace(wanted, revision=state.revision)


def last_request(states: States, model: str) -> Request | None:
    """The last retrain that was asked for, whatever became of it."""
    state = states.get(REQUEST, f"{model}/retrain")
    return None if state is None else replace(_read(Request, model, state.value), revision=state.revision)


def waiting(states: States, model: str) -> Request | None:
    """The retrain that is asked for and not answered yet: nobody began it, or who did was killed before the end."""
    found = last_request(states, model)
    return found if found is not None and found.status in ("waiting", "taken") else None


def take(states: States, request: Request, *, fence: tuple[str, int] | None = None) -> Request:
    """Begin it. Raises Refused where another process did, or where the fence has fallen."""
    return _put(states, replace(request, status="taken"), fence)


def answer(
    states: States, request: Request, *, done: bool, outcome: str, fence: tuple[str, int] | None = None
) -> Request:
    """Say what became of it. Raises Refused where another process did, or where the fence has fallen."""
    return _put(states, replace(request, status="done" if done else "refused", outcome=outcome), fence)


def pause(
    workspace: Workspace, model: str, *, until: datetime | None = None, reason: str = "", incident: int | None = None
) -> Pause:
    """Let the loop judge *model* but not act on it."""
    order = Pause(
        model=model, by=workspace.actor, at=workspace.clock.now(), reason=reason, incident=incident, until=until
    )
    workspace.ledger.states.put(PAUSE, model, _value(order))
    return order


def paused(states: States, model: str, now: datetime) -> Pause | None:
    """The pause that is in force."""
    state = states.get(PAUSE, model)
    order = None if state is None else _read(Pause, model, state.value)
    return None if order is None or (order.until is not None and order.until <= now) else order


def fall_back(
    workspace: Workspace, contract: Contract, model: str, *, reason: str = "", incident: int | None = None
) -> Fallback:
    """Let the endpoint answer everything with what the contract declares.

    Raises Refused where it declares nothing.
    """
    said = contract.fallback.prediction
    if said is None:
        raise Refused(
            f"The contract of {model} declares nothing to fall back to. Add to mainspring.toml:\n"
            f'    [fallback]\n    prediction = "…"   # what is answered instead of the model'
        )
    order = Fallback(
        model=model,
        prediction=float(said) if contract.project.task == "regression" else said,
        by=workspace.actor,
        at=workspace.clock.now(),
        reason=reason,
        incident=incident,
    )
    with workspace.ledger.together():
        workspace.ledger.states.put(FALLBACK, model, _value(order))
        look_again(workspace, model, f"falls back to {order.prediction}")
    return order


def falling_back(states: States, model: str) -> Fallback | None:
    """The fallback that is in force."""
    state = states.get(FALLBACK, model)
    return None if state is None else _read(Fallback, model, state.value)


def resume(workspace: Workspace, model: str) -> tuple[str, ...]:
    """Lift a pause and a fallback; which of them were in force. A pause that has run out goes as well."""
    states = workspace.ledger.states
    with workspace.ledger.together():
        has_run_out = paused(states, model, workspace.clock.now()) is None
        lifted = tuple(kind for kind in (PAUSE, FALLBACK) if states.delete(kind, model))
        if has_run_out:
            lifted = tuple(kind for kind in lifted if kind != PAUSE)
        if FALLBACK in lifted:
            look_again(workspace, model, "answers by the model again")
    return lifted


def look_again(workspace: Workspace, model: str, reason: str) -> None:
    """Set the traffic rule as it was, so that every endpoint looks again at what it is to do.

    Part of the transaction that changes what there is to see. A running rollout watches the rule's revision: it goes on
    from the new one.
    """
    from mainspring.operate.rollout import document

    endpoints = workspace.ledger.endpoints
    rule = endpoints.get(model)
    if rule is None:
        rule = endpoints.set(model, reason=reason)
    else:
        rule = endpoints.set(model, shadow=rule.shadow, canary=rule.canary, percent=rule.percent, reason=reason)
    rollout = document.running(workspace.ledger.states, model)
    if rollout is not None and rollout.traffic == rule.revision - 1:
        workspace.ledger.states.put(document.KIND, model, document.as_value(replace(rollout, traffic=rule.revision)))


def _put(states: States, request: Request, fence: tuple[str, int] | None) -> Request:
    state = states.put(REQUEST, f"{request.model}/retrain", _value(request), expected=request.revision, fence=fence)
    return replace(request, revision=state.revision)


def _value(order: Request | Pause | Fallback) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(order)
    return {key: value for key, value in plain.items() if key not in ("model", "revision")}


def _read(kind: type[Any], model: str, value: Any) -> Any:
    return msgspec.convert({**value, "model": model}, kind)
