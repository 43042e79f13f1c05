"""Run by a test in a process of its own: drives a rollout and kills itself, with SIGKILL, at every statement in turn.

Arguments: the folder of a workspace in which version 1 is champion; a folder for the remains; "good" or "broken"; the
first n and the stride. For each n a copy of the workspace is made, and a child runs the whole rollout in it until its
n-th statement.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from datetime import timedelta
from itertools import count
from pathlib import Path

from sqlalchemy import event
from sqlalchemy.engine import Engine

from mainspring.contract import Contract
from mainspring.operate.rollout import Evidence, Judged, Rollout, start, tick
from mainspring.workspace import Workspace

CONTRACT = Contract.parse('[project]\nname = "shop"\ntask = "binary"\ntarget = "y"\n')


def good(_workspace: Workspace, _contract: Contract, _rollout: Rollout) -> Evidence:
    return Evidence(rows=1_000, champion=1)


def broken(_workspace: Workspace, _contract: Contract, rollout: Rollout) -> Evidence:
    """Good at first, surely broken from the second step on."""
    verdict = Judged(name="accuracy at least 0.9", result="fail", text="accuracy is 0.2", sure=True)
    return Evidence(rows=1_000, champion=1, required=(verdict,) if rollout.at else ())


GATHER = {"good": good, "broken": broken}


def whole(place: Path, kind: str) -> None:
    with Workspace.open(place, actor="driver", create=False) as workspace:
        start(workspace, CONTRACT, "shop", 2, hold=timedelta(0), minimum_rows=1)
        while tick(workspace, CONTRACT, "shop", gather=GATHER[kind]) is not None:
            pass


def child(place: Path, kind: str, number: int) -> None:
    seen = count(1)

    def on_statement(*_: object) -> None:
        if next(seen) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "before_cursor_execute", on_statement)
    whole(place, kind)


def main(template: Path, remains: Path, kind: str, first: int, stride: int) -> None:
    for number in count(first, stride):
        place = Path(shutil.copytree(template, remains / str(number)))
        process = os.fork()
        if not process:
            try:
                child(place, kind, number)
            except BaseException:
                import traceback

                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        if status == 0:
            return  # it came to its end before that statement
        if status != -signal.SIGKILL:
            sys.exit(f"statement {number}: the child left with {status}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], *map(int, sys.argv[4:]))
