"""A real endpoint in processes of its own, for tests: started on a free port, ended by its own pid."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@dataclass
class Live:
    """A running ``mainspring serve``. ``lines`` are what it wrote to standard error so far."""

    process: subprocess.Popen[str]
    url: str
    lines: list[str] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def events(self, name: str) -> list[dict[str, Any]]:
        """The lines of its journal that are about *name*."""
        found = [json.loads(line) for line in list(self.lines) if line.startswith("{")]
        return [each for each in found if each["event"] == name]

    def workers(self) -> list[int]:
        """The pids of its workers, from the system."""
        import psutil

        found = []
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):  # one that has just died is no worker
                if "mainspring.serve.worker" in child.cmdline():
                    found.append(child.pid)
        return found

    def end(self, how: int = signal.SIGTERM) -> int:
        """Ask it to end; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(30)


def until(true: Callable[[], Any], seconds: float = 10.0, *, every: float = 0.02) -> Any:
    """What *true* gives once that is something; fails after so many *seconds*."""
    last = time.monotonic() + seconds
    while True:
        found = true()
        if found:
            return found
        assert time.monotonic() < last, "waited in vain"
        time.sleep(every)


@contextmanager
def serving(model: str, *options: str, workspace: Path | None = None, **environment: str) -> Iterator[Live]:
    """``mainspring serve MODEL`` on a free port of this machine until the block ends."""
    command = [sys.executable, "-m", "mainspring", "serve", model, "--port", "0", *options]
    if workspace is not None:
        command += ["--workspace", str(workspace)]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env={**os.environ, **environment}
    )
    live = Live(process, "")
    ready = threading.Event()

    def read() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            live.lines.append(line.rstrip("\n"))
            if found := re.search(r"answers at (http://\S+)", line):
                live.url = f"http://127.0.0.1:{found[1].rsplit(':', 1)[1]}"
                ready.set()
        ready.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        assert ready.wait(60), "it did not start"
        assert live.url, "\n".join(live.lines)
        yield live
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(35)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        reader.join(5)
        if process.stderr is not None:
            process.stderr.close()


def client(live: Live, **options: Any) -> httpx.Client:
    """A client of the endpoint."""
    return httpx.Client(base_url=live.url, timeout=30, **options)
