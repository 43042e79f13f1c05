"""Holding a lease while one works, with a heartbeat: who is killed loses it within seconds, who works long keeps it."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mainspring.core.errors import LedgerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mainspring.ledger.ports import Lease
    from mainspring.workspace import Workspace

SECONDS = 15.0
_BEATS = 3


@contextmanager
def held(workspace: Workspace, name: str, *, seconds: float = SECONDS) -> Iterator[Lease | None]:
    """Hold the lease *name* in the block, None where somebody else does. It is given back at the end."""
    leases = workspace.ledger.leases
    lease = leases.acquire(name, f"{socket.gethostname()}:{os.getpid()}", seconds)
    if lease is None:
        yield None
        return
    over = threading.Event()

    def beat() -> None:
        while not over.wait(seconds / _BEATS):
            try:
                if leases.renew(lease, seconds) is None:
                    return  # somebody else has it: what we write from now on is refused by its token
            except LedgerError:
                continue  # the ledger is busy or away: try again before the lease runs out

    heart = threading.Thread(target=beat, name=f"lease {name}", daemon=True)
    heart.start()
    try:
        yield lease
    finally:
        over.set()
        heart.join()
        leases.release(lease)
