"""What is to be delivered, as documents of the ledger: kind ``outbox``, key the delivery's id.

A delivery is written in the transaction that notices the event, and its id follows from the event: noticed twice, it is
one. It is counted as tried before it is tried, so that a kill does not make the number of tries endless; who is killed
between the answer and the note of it delivers a second time, under the same id, which the receiver sees in the header
``webhook-id``. Addresses are kept as the references that the contract has.
"""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from mainspring.core.digest import digest_text
from mainspring.core.errors import Refused

if TYPE_CHECKING:
    from mainspring.ledger.ports.states import States

KIND = "outbox"

DeliveryStatus: TypeAlias = Literal["waiting", "delivered", "given up"]

ATTEMPTS = 10
"""Tries, at most."""
WITHIN = timedelta(hours=24)
"""After so long nothing is tried any more."""
FIRST_WAIT, LONGEST_WAIT = 5.0, 3_600.0
"""Seconds after the first try; seconds between two tries at most."""
KEPT = timedelta(days=7)
"""For so long what is over is kept, for people to look at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message for one address. ``url``: the reference or address as the contract has it. ``next``: tried then."""

    id: str
    model: str
    incident: int
    event: str
    url: str
    title: str
    text: str
    severity: str
    created: datetime
    next: datetime
    payload: dict[str, Any] = field(default_factory=dict)
    attempts: int = 0
    status: DeliveryStatus = "waiting"
    error: str = ""
    ended: datetime | None = None
    revision: int = 0


def identity(*parts: object) -> str:
    """The id of a delivery, from what makes it the one it is."""
    return "msg_" + digest_text("\x1f".join(map(str, parts)))[:26]


def deliveries(states: States, model: str | None = None) -> tuple[Delivery, ...]:
    """Everything in the outbox, the oldest first; of one *model* where given."""
    found = [replace(msgspec.convert(state.value, Delivery), revision=state.revision) for state in states.search(KIND)]
    mine = (each for each in found if model in (None, each.model))
    return tuple(sorted(mine, key=lambda each: (each.created, each.incident, each.id)))


def put_in(states: States, delivery: Delivery) -> bool:
    """Put *delivery* in unless it is there already; whether it was new. Call it in the transaction that noticed."""
    if states.get(KIND, delivery.id) is not None:
        return False
    states.put(KIND, delivery.id, _value(delivery), expected=0)
    return True


def is_due(delivery: Delivery, now: datetime) -> bool:
    """Whether it is to be tried now.

    What was never tried always is: a clock that was ahead when it was put in holds nothing back. For the same reason a
    wait that is longer than any does not count.
    """
    longest = timedelta(seconds=1.5 * LONGEST_WAIT)
    return not delivery.attempts or not timedelta() < delivery.next - now <= longest


def tried(delivery: Delivery, now: datetime, *, jitter: float | None = None) -> Delivery:
    """The delivery as it stands once it is being tried: with the time of the next try, should this one fail.

    The wait doubles from try to try and is spread by a *jitter* from 0 to 1, so that receivers that were away are not
    met by everybody at once.
    """
    wait = min(FIRST_WAIT * 2**delivery.attempts, LONGEST_WAIT)
    spread = random.random() if jitter is None else jitter  # noqa: S311  # not for secrets
    return replace(delivery, attempts=delivery.attempts + 1, next=now + timedelta(seconds=wait * (0.5 + spread)))


def failed(delivery: Delivery, now: datetime, error: str, *, final: bool = False, after: float = 0.0) -> Delivery:
    """The delivery after a try that failed: given up where another cannot help, or where there were enough."""
    over = final or delivery.attempts >= ATTEMPTS or now - delivery.created >= WITHIN
    if over:
        return replace(delivery, status="given up", error=error, ended=now)
    asked = now + timedelta(seconds=min(after, LONGEST_WAIT))
    return replace(delivery, error=error, next=max(delivery.next, asked))


def delivered(delivery: Delivery, now: datetime) -> Delivery:
    """The delivery after a try that did not fail."""
    return replace(delivery, status="delivered", error="", ended=now)


def write(states: States, delivery: Delivery, *, fence: tuple[str, int] | None = None) -> Delivery:
    """Keep *delivery*. Raises Refused where somebody else changed it, or where the *fence* has fallen."""
    state = states.put(KIND, delivery.id, _value(delivery), expected=delivery.revision, fence=fence)
    return replace(delivery, revision=state.revision)


def tidy(states: States, found: tuple[Delivery, ...], now: datetime) -> None:
    """Forget what has been over for long."""
    for each in found:
        if each.ended is not None and now - each.ended > KEPT:
            with suppress(Refused):  # another process is tidying, too
                states.delete(KIND, each.id, expected=each.revision)


def _value(delivery: Delivery) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(delivery)
    del plain["revision"]
    return plain
