"""The log's spools brought in by a process of their own, ``python -m mainspring.serve.compaction WORKSPACE MODEL``.

Tables take memory that the endpoint should not hold on to, and processor time that requests come before: the process
gives way to whoever else wants a processor, until so much waits that it may not any longer.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from mainspring.core.errors import MainspringError
from mainspring.serve.log import spool

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

LOOK = 2.0
"""Seconds between two looks at what waits."""
SOON = 128 * 1024 * 1024
"""So many bytes of finished spools are brought in at once; fewer wait for `LATER` seconds: to start the process costs
as much as some hundred thousand rows."""
TOO_MUCH = 512 * 1024 * 1024
"""So many are brought in eagerly: what requests leave of the processors was not enough."""
LATER = 8.0
"""Rows are in the log `mainspring.serve.log.writer.AGE` + `LOOK` + `LATER` seconds after they were answered, and what
two of these processes take: windows are judged when that is over (`mainspring.operate.live.windows.GRACE`)."""
PATIENCE = 300.0
LAST_WORDS = 2000
"""Of what a process that failed has said so many bytes are looked at."""


def follow(root: Path, model: str, stop: Event, told: Callable[[str | None], None]) -> None:
    """Bring in what waits, until *stop*; after each time *told* why it failed, or None."""
    last = time.monotonic()
    while not stop.wait(LOOK):
        waiting = finished(root, model)
        if waiting >= SOON or (waiting and time.monotonic() - last >= LATER):
            told(run(root, model, stop, eager=waiting >= TOO_MUCH))
            last = time.monotonic()


def finished(root: Path, model: str) -> int:
    """The bytes of finished spools of *model* in the workspace's folder *root*."""
    size = 0
    for path in (root / "spool" / spool.escape(model)).glob(f"*/*{spool.SUFFIX}"):
        with suppress(OSError):
            size += path.stat().st_size
    return size


def run(root: Path, model: str, stop: Event | None = None, *, eager: bool = False) -> str | None:
    """Bring in what waits, once; why it failed, or None. Given up when *stop* is set: nothing is lost by that.

    *eager*: nearly as if it were a request.
    """
    command = [sys.executable, "-m", "mainspring.serve.compaction", str(root), model]
    with tempfile.TemporaryFile() as errors:  # a pipe that nobody empties would hold it up
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors)
        _give_way(process.pid, 5 if eager else 19)
        until = time.monotonic() + PATIENCE
        while process.poll() is None:
            if time.monotonic() > until or (stop is not None and stop.is_set()):
                process.kill()
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.1)
        said = b"" if process.stdout is None else process.stdout.read()
        if process.stdout is not None:
            process.stdout.close()
        if process.returncode == 0 or (stop is not None and stop.is_set()):
            return None
        return said.decode("utf-8", "replace").strip() or _died(process.returncode, _last_line(errors))


def _died(code: int, last: str) -> str:
    how = f"ended with exit code {code}" if code >= 0 else f"was ended by signal {-code}"
    return f"the compaction {how}: {last}" if last else f"the compaction {how}"


def _last_line(errors: IO[bytes]) -> str:
    """What a process said last: of a traceback the error."""
    errors.seek(max(errors.seek(0, os.SEEK_END) - LAST_WORDS, 0))
    lines = errors.read().decode("utf-8", "replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _give_way(process: int, nice: int) -> None:
    """From its first instruction on: what it imports takes a third of its time."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process, nice)
        with suppress(OSError):
            os.sched_setscheduler(process, os.SCHED_BATCH, os.sched_param(0))


def main(arguments: list[str]) -> int:
    """Do it here."""
    gc.disable()  # it finds nothing among millions of values, and takes a third of the time for that
    from mainspring.serve.log.compact import compact
    from mainspring.workspace import Workspace

    root, model = arguments
    try:
        with Workspace.open(Path(root), create=False) as workspace:
            compact(workspace, model)
    except (MainspringError, OSError) as error:
        sys.stdout.write(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
