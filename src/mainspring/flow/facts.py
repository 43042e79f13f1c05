"""What the ledger learns of a run: the run itself, what each step did, and what steps report of their own work."""

from __future__ import annotations

import logging
import queue
import subprocess
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mainspring.core.errors import MainspringError
from mainspring.core.recording import Silent
from mainspring.flow.tables import keep_table
from mainspring.ledger.recorder import RunRecorder
from mainspring.store.bucket import settle

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    from mainspring.core.recording import Param, Recorder
    from mainspring.ledger import Ledger
    from mainspring.ledger.ports.runs import Provenance, RunStatus
    from mainspring.ledger.ports.steps import StepRecord
    from mainspring.store.deferred import Unsettled

PIPELINE = "pipeline"
"""The kind of a run that the engine makes."""
STEP = "step"
"""The kind of a child run in which a step reports facts of its own."""

_GIT_PATIENCE = 2.0
_log = logging.getLogger(__name__)


class GitState:
    """Which commit the project's folder is at, asked while other work goes on."""

    def __init__(self, root: Path) -> None:
        """Ask Git about *root*."""
        self._process: subprocess.Popen[str] | None = None
        command = ["git", "--no-optional-locks", "status", "--porcelain=v2", "--branch", "--", "."]
        with suppress(OSError):
            self._process = subprocess.Popen(
                command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )

    def close(self) -> None:
        """Wait for nothing more."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            self._process.communicate()

    def answer(self) -> tuple[str | None, bool | None]:
        """The commit and whether files differ from it; None twice outside a repository."""
        if self._process is None:
            return None, None
        try:
            text, _ = self._process.communicate(timeout=_GIT_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            return None, None
        lines = text.splitlines()
        commit = next((line.rpartition(" ")[2] for line in lines if line.startswith("# branch.oid ")), None)
        if self._process.returncode or commit is None or commit == "(initial)":
            return None, None
        return commit, any(not line.startswith("#") for line in lines)


@dataclass(frozen=True, kw_only=True)
class Description:
    """What a run is, apart from what its steps do."""

    name: str
    started: datetime
    provenance: Provenance
    params: Mapping[str, Param]
    tags: Mapping[str, str]


class RunFacts:
    """The facts of one run. Records are written by a thread of their own, many in one commit, in the order given."""

    def __init__(self, ledger: Ledger, run: str, describe: Callable[[], Description], *, series: str = "") -> None:
        """Record for the run with the id *run*. *describe* is asked once, when there is a first fact to keep.

        *series*: what the names of datasets begin with, see :mod:`mainspring.flow.tables`.
        """
        self.run = run
        self._series = series
        self._ledger = ledger
        self._describe = describe
        self._opened = False
        self._queue: queue.SimpleQueue[tuple[StepRecord, Unsettled | None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self._later: list[StepRecord] = []

    def open(self) -> None:
        """Create the run, if that is not done yet. Before this nothing of it is visible."""
        if not self._opened:
            self._opened = True
            what = self._describe()
            self._ledger.runs.create(
                id=self.run, name=what.name, kind=PIPELINE, experiment=what.name, params=what.params,
                tags=what.tags, provenance=what.provenance, started=what.started,
            )  # fmt: skip

    def add(self, record: StepRecord, unsettled: Unsettled | None = None) -> None:
        """Record what a step did, once its *unsettled* value is on the disk.

        Raises the error of an earlier record that could not be written.
        """
        self._check()
        if self._thread is None:
            self._thread = threading.Thread(target=self._write, daemon=True)
            self._thread.start()
        self._queue.put((record, unsettled))

    def add_later(self, record: StepRecord) -> None:
        """Record at the end: nothing is lost with a record of what was merely reused."""
        self._later.append(record)

    def finish(self, status: RunStatus) -> None:
        """Write what is outstanding and close the run. Raises where something could not be written."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None
        self._check()
        with self._ledger.together():
            self.open()
            for record in self._later:
                self._keep(record)
            self._ledger.runs.finish(self.run, status=status)
        self._later.clear()

    def _keep(self, record: StepRecord) -> None:
        self._ledger.steps.record(record)
        keep_table(self._ledger, record, self._series)

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _write(self) -> None:
        ended = False
        while not ended:
            batch = [self._queue.get()]
            while not self._queue.empty():
                batch.append(self._queue.get())
            ended = None in batch
            done = [one for one in batch if one is not None]
            if not done or self._error is not None:
                continue
            try:
                for _, unsettled in done:
                    if unsettled is not None:
                        settle(unsettled)
                with self._ledger.together():
                    for record, _ in done:
                        self._keep(record)
            except Exception as error:  # handed to the engine, which stops
                self._error = error


class StepRecorder:
    """Where a running step's own facts go: a child run, which is created when there is a first fact."""

    def __init__(self, ledger: Ledger, *, run: str, name: str, experiment: str) -> None:
        """Facts of the step *name* in the run *run*."""
        self._ledger = ledger
        self._experiment = experiment
        self._run = run
        self._name = name
        self._guard = threading.Lock()
        self._inner: RunRecorder | Silent | None = None

    def log_params(self, params: Mapping[str, Param]) -> None:
        """Record parameters."""
        self._recorder().log_params(params)

    def log_metric(self, name: str, value: float, *, step: int = 0) -> None:
        """Append one point."""
        self._recorder().log_metric(name, value, step=step)

    def log_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags."""
        self._recorder().log_tags(tags)

    def child(self, name: str) -> Recorder:
        """Open a child run."""
        return self._recorder().child(name)

    def finish(self, status: str = "finished") -> None:
        """Nothing: the engine closes the run when the step has ended."""

    def close(self, *, failed: bool) -> None:
        """Close the child run, if there is one, and see that its facts are kept."""
        if isinstance(self._inner, RunRecorder):
            self._inner.finish("failed" if failed else "finished")
            self._inner.close()

    def _recorder(self) -> RunRecorder | Silent:
        with self._guard:
            if self._inner is None:
                self._inner = self._open()
            return self._inner

    def _open(self) -> RunRecorder | Silent:
        try:
            run = self._ledger.runs.create(name=self._name, kind=STEP, parent=self._run, experiment=self._experiment)
        except MainspringError as error:  # a step does not fail because its facts cannot be kept
            _log.warning("What step %s reports is not kept: %s", self._name, error)
            return Silent()
        return RunRecorder(self._ledger, run.id, experiment=self._experiment)


def plain_params(settings: Mapping[str, Any]) -> dict[str, Param]:
    """Settings as a ledger keeps them: numbers, texts and truth values as they are, anything else as its repr."""
    return {
        name: value if value is None or isinstance(value, str | int | float | bool) else repr(value)
        for name, value in settings.items()
    }
