"""The rollout as a document of the ledger: kind ``rollout``, one for each model, the running or the last one.

Key: the model's name. Value: the fields of `Rollout`; spans of time as ISO 8601 durations. The registry reads
``status``, ``version`` and ``steps`` to refuse the promotion of another version meanwhile.
Earlier ones: kind ``rollouts``, key ``<model>/<time it was started>``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.operate.rollout.plan import Rollout

if TYPE_CHECKING:
    from mainspring.ledger.ports.states import State, States

KIND = "rollout"
EARLIER = "rollouts"


def as_value(rollout: Rollout) -> dict[str, Any]:
    """As plain JSON values."""
    plain: dict[str, Any] = msgspec.to_builtins(rollout)
    return plain


def of_value(value: Any) -> Rollout:
    """From plain JSON values. Raises msgspec.ValidationError where they are none."""
    return msgspec.convert(value, Rollout, strict=False)


def last(states: States, model: str) -> Rollout | None:
    """The running or the last rollout of *model*."""
    state = states.get(KIND, model)
    return None if state is None else of_value(state.value)


def running(states: States, model: str) -> Rollout | None:
    """The running rollout of *model*, None where none runs."""
    found = last(states, model)
    return found if found is not None and found.status == "running" else None


def keep_earlier(states: States, state: State | None) -> None:
    """Put the document of a finished rollout away, for another is to take its place."""
    if state is not None:
        states.put(EARLIER, f"{state.key}/{of_value(state.value).started:%Y%m%dT%H%M%S.%fZ}", state.value)
