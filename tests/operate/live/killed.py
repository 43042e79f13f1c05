"""A loop that is killed: run as a program, it kills itself (-9) where its environment says.

``KILL_AT``: the point that was reached last (see `LiveLoop`). ``KILL_PUT``: before the so-many-th document is written,
which lies inside a transaction. The number of documents written is printed where it was not killed.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from mainspring.core.clock import SimulatedClock
from mainspring.ledger.sql.states import SqlStates
from mainspring.operate.live.loop import LiveLoop
from mainspring.project import Project
from mainspring.workspace import Workspace


def main(root: Path, now: datetime) -> None:
    project = Project(root)
    place = Workspace.open(root / ".mainspring", clock=SimulatedClock(now), actor="test")
    wanted, number = os.environ.get("KILL_AT"), int(os.environ.get("KILL_PUT", "0"))
    put, count = SqlStates.put, 0

    def killing(self: SqlStates, *given: Any, **settings: Any) -> Any:
        nonlocal count
        count += 1
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return put(self, *given, **settings)

    SqlStates.put = killing  # type: ignore[method-assign]

    def reached(point: str) -> None:
        if point == wanted:
            os.kill(os.getpid(), signal.SIGKILL)

    LiveLoop(project, place, reached=reached).once()
    sys.stdout.write(f"{count}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), datetime.fromisoformat(sys.argv[2]))
