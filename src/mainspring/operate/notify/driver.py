"""One round of telling people: notice what has happened, deliver what is due."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mainspring.core.errors import MainspringError, Refused
from mainspring.operate.notify import outbox
from mainspring.operate.notify.channel import Message, send
from mainspring.operate.notify.events import collect
from mainspring.operate.notify.failure import Undeliverable

if TYPE_CHECKING:
    from mainspring.contract import Contract, Notify
    from mainspring.ledger.ports.leases import Lease
    from mainspring.operate.notify.outbox import Delivery
    from mainspring.workspace import Workspace

LEASE_SECONDS = 60.0
ROUND_SECONDS = 20.0
"""After so long what is left waits for the next round: whoever tells people also has other work."""
SLOW = 2.0
"""An address that fails after more seconds than these is left alone for the rest of the round: others are waiting."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What a round did. ``waiting``: deliveries that are to be tried later. ``busy``: another process was at it."""

    noticed: int = 0
    delivered: int = 0
    failed: int = 0
    waiting: int = 0
    busy: bool = False


def tick(workspace: Workspace, contract: Contract, model: str) -> Sent:
    """Notice and deliver. Call it as often as you like; without ``[notify] urls`` it does nothing and asks nothing."""
    notify = contract.notify
    if not notify.urls:
        return Sent()
    noticed = collect(workspace, model, notify)
    return deliver(workspace, notify, model, noticed=noticed)


def deliver(workspace: Workspace, notify: Notify, model: str, *, noticed: int = 0) -> Sent:
    """Try what is due, of *model*."""
    states, leases = workspace.ledger.states, workspace.ledger.leases
    every = outbox.deliveries(states, model)
    outbox.tidy(states, every, workspace.clock.now())
    waiting = [each for each in every if each.status == "waiting"]
    # what was tried least comes first, so that an address that does not answer delays no other
    due = sorted(
        (each for each in waiting if outbox.is_due(each, workspace.clock.now())), key=lambda each: each.attempts
    )
    if not due:
        return Sent(noticed, waiting=len(waiting))
    lease = leases.acquire(f"notify/{model}", f"{socket.gethostname()}:{os.getpid()}", LEASE_SECONDS)
    if lease is None:
        return Sent(noticed, waiting=len(waiting), busy=True)
    done = failed = 0
    dead: set[str] = set()
    end = time.monotonic() + ROUND_SECONDS
    try:
        for each in due:
            begun = time.monotonic()
            if begun > end:
                break
            if each.url in dead:
                continue
            after = _try(workspace, notify, each, lease)
            done += after.status == "delivered"
            failed += after.status != "delivered"
            if after.status != "delivered" and time.monotonic() - begun > SLOW:
                dead.add(each.url)
    except Refused:
        pass  # this process was too slow: another one goes on
    finally:
        leases.release(lease)
    left = [each for each in outbox.deliveries(states, model) if each.status == "waiting"]
    return Sent(noticed, done, failed, len(left))


def _try(workspace: Workspace, notify: Notify, delivery: Delivery, lease: Lease) -> Delivery:
    states, fence = workspace.ledger.states, (lease.name, lease.token)
    tried = outbox.write(states, outbox.tried(delivery, workspace.clock.now()), fence=fence)
    message = Message(title=delivery.title, text=delivery.text, payload=delivery.payload, severity=delivery.severity)
    timestamp = int(workspace.clock.now().timestamp())
    try:
        send(delivery.url, message, notify, identity=delivery.id, timestamp=timestamp)
        after = outbox.delivered(tried, workspace.clock.now())
    except Undeliverable as why:
        after = outbox.failed(tried, workspace.clock.now(), str(why), final=why.final, after=why.after)
    except Exception as error:  # a plugin of apprise may raise anything, and its text may hold the address
        text = f"{type(error).__name__} while it was sent"
        after = outbox.failed(tried, workspace.clock.now(), text)
    after = outbox.write(states, after, fence=fence)
    if after.status == "given up":
        _complain(workspace, after)
    return after


def _complain(workspace: Workspace, delivery: Delivery) -> None:
    """Say in the incident's timeline that nobody could be told."""
    text = f"could not be announced at {delivery.url} after {delivery.attempts} tries: {delivery.error}"
    with suppress(MainspringError):  # the outbox says it, too
        workspace.ledger.incidents.append(delivery.incident, kind="note", text=text, data={"delivery": delivery.id})
