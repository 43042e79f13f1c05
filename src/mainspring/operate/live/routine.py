"""What every round does whatever else goes wrong, also while a challenger is built: rollouts, and telling people."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mainspring.operate import notify
from mainspring.operate import rollout as rolling
from mainspring.operate.live.turn import why

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mainspring.operate.live.turn import Turn


def rollouts(turn: Turn) -> None:
    """Take a running rollout a step further, where it is due."""
    try:
        tick = rolling.tick(turn.workspace, turn.contract, turn.model)
    except Exception as error:  # what else there is to do must not wait for it
        turn.say(f"the rollout could not be looked at: {why(error)}")
        return
    if tick is not None and tick.decision.action != "hold":
        turn.say(f"rollout of version {tick.rollout.version}: {tick.decision.action}, {tick.decision.reason}")


def messages(turn: Turn) -> None:
    """Tell people what there is to tell."""
    try:
        notify.tick(turn.workspace, turn.contract, turn.model)
    except Exception as error:  # what else there is to do must not wait for it
        turn.say(f"nobody could be told of incidents: {why(error)}")


@contextmanager
def meanwhile(turn: Turn) -> Iterator[None]:
    """Go on with both in a thread while the block lasts. A workspace bears several threads; each has its own lease."""
    over = threading.Event()

    def go_on() -> None:
        while not over.wait(turn.rest):
            rollouts(turn)
            messages(turn)

    thread = threading.Thread(target=go_on, name=f"routine of {turn.model}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
