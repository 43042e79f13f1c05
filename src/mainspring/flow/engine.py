"""Running a pipeline: reuse what holds, do the rest in this process or in others, keep what is finished at once.

The thread that calls :func:`run` does steps itself, one after the other, so that trivial ones cost next to nothing.
Where further steps could run beside a step that takes long, they go to worker processes: at once if they are known to
take long, or else when the step in this process has kept them waiting for a moment.
"""

from __future__ import annotations

import bisect
import contextvars
import os
import sys
import threading
import time
from contextlib import ExitStack, closing
from functools import partial
from typing import TYPE_CHECKING, Any

from mainspring.core.digest import digest_bytes
from mainspring.core.errors import MainspringError, PipelineError
from mainspring.core.progress import progress
from mainspring.flow.cache import Cache
from mainspring.flow.capture import Capture, tail
from mainspring.flow.facts import Description, GitState, RunFacts, StepRecorder, plain_params
from mainspring.flow.failure import Failure
from mainspring.flow.filestate import FileStates
from mainspring.flow.fingerprint import fingerprint
from mainspring.flow.lock import RunLock
from mainspring.flow.perform import Done, Surroundings, perform
from mainspring.flow.pipeline import load_graph
from mainspring.flow.place import Job, Place
from mainspring.flow.result import FlowResult, Status, StepOutcome
from mainspring.flow.source import Sources
from mainspring.flow.tables import series_of
from mainspring.ledger.identity import new_id
from mainspring.ledger.ports.runs import Provenance, RunQuery
from mainspring.ledger.ports.steps import Output, StepRecord
from mainspring.ledger.provenance import environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mainspring.flow.cache import Hit
    from mainspring.flow.executors.processes import Processes
    from mainspring.flow.fingerprint import Fingerprint
    from mainspring.flow.graph import Graph
    from mainspring.project import Project
    from mainspring.store.store import Stored
    from mainspring.workspace import Workspace

LONG = 0.5
"""A step that took so many seconds last time is worth a process of its own when others can run beside it."""
SPILL = 0.3
"""After so many seconds of a step in this process, others that wait are given to processes."""
MOST_REMAKES = 2
"""A value that cannot be read back is made again so many times in one run."""
LOOK_AHEAD = 16
"""So many waiting steps are considered for processes at a time."""
KEPT_LOGS = 50
"""The logs of so many runs are kept."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0
"""Seconds before the first retry; the pause doubles each time up to the longest."""


def run(
    project: Project,
    targets: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    *,
    workspace: Workspace | None = None,
    lock: RunLock | None = None,
    workers: int | None = None,
) -> FlowResult:
    """Bring *targets* (default: every step) up to date and say how each step fared.

    *settings* maps ``parameter`` or ``step.parameter`` to a value. *workspace* defaults to the project's own, which the
    result then keeps open. *lock* is given by a caller that holds the project's lock already. *workers* is the most
    processes used at once (default: the number of cores).

    Raises before anything runs: PipelineError for an unusable pipeline, InputError for a wrong setting, NotFound for an
    unknown target, Refused where another run is at work. A step that fails is no exception but in the result.
    """
    given = dict(settings or {})
    with ExitStack() as stack:
        held = lock or stack.enter_context(RunLock(project.state / "run.lock"))
        git = stack.enter_context(closing(GitState(project.root)))
        opened = workspace or project.workspace()
        stack.enter_context(project.active())
        capture = stack.enter_context(closing(Capture()))
        graph = load_graph(project, given).upto(targets)
        _bury(opened, held)
        driver = _Driver(project, graph, opened, capture, workers or os.cpu_count() or 1)
        driver.introduce(held, git, {"targets": " ".join(targets)} if targets else {}, plain_params(given))
        return driver.drive()


def _bury(workspace: Workspace, lock: RunLock) -> None:
    """Close the run of a process that was killed, and what ran below it."""
    if lock.stale is None or not lock.stale.run:
        return
    runs, left = workspace.ledger.runs, [lock.stale.run]
    try:
        while left:
            runs.finish(left[0], status="killed")
            left += [child.id for child in runs.search(RunQuery(parent=left.pop(0), status="running")).runs]
    except MainspringError:  # the run was never created, or is another workspace's
        return


class _Driver:
    """One run. Its state is guarded by ``_turn``, since workers answer in threads of their own."""

    def __init__(self, project: Project, graph: Graph, workspace: Workspace, capture: Capture, workers: int) -> None:
        self.project = project
        self.graph = graph
        self.workspace = workspace
        self.run = new_id()
        self._workers = workers
        state = project.state
        states = FileStates(state / "files.json")
        takes_contract = any(node.takes_contract for node in graph)
        self._around = Surroundings(project=project, store=workspace.store, states=states, capture=capture, defers=True)
        self._cache = Cache(
            workspace.ledger, workspace.store, project=project, states=states,
            contract=project.contract if takes_contract else None,
        )  # fmt: skip
        sources = Sources(project.finder)
        self._places = {node.name: Place(node, fingerprint(node, sources)) for node in graph}
        self._position = {name: index for index, name in enumerate(self._places)}
        self._logs = state / "logs" / f"{time.strftime('%Y%m%d-%H%M%S')}-{self.run[:8]}"
        self._context = contextvars.copy_context()
        self._turn = threading.Condition()
        self._runnable: list[Job] = []
        self._for_processes: list[Job] = []
        self._delayed: list[tuple[float, Job]] = []
        self._away: set[Job] = set()
        self._inline: Job | None = None
        self._inline_since = 0.0
        self._timer: threading.Timer | None = None
        self._outcomes: list[StepOutcome] = []
        self._failures: list[Failure] = []
        self._error: BaseException | None = None
        self._processes: Processes | None = None

    def introduce(self, lock: RunLock, git: GitState, tags: Mapping[str, str], params: Mapping[str, Any]) -> None:
        """Say what the run is, for the ledger and for whoever waits for the lock."""
        started = self.workspace.clock.now()

        def describe() -> Description:
            lock.describe(self.run)
            commit, dirty = git.answer()
            facts = "\n".join(environment()).encode()
            digest = digest_bytes(facts)
            if not self.workspace.store.has(digest):
                self.workspace.store.put(facts)
            return Description(
                name=self.project.contract.project.name, started=started, params=params, tags=tags,
                provenance=Provenance(commit=commit, dirty=dirty, environment=digest),
            )  # fmt: skip

        self._facts = RunFacts(self.workspace.ledger, self.run, describe, series=series_of(self.project))

    # -- the loop --------------------------------------------------------------------------------------------------

    def drive(self) -> FlowResult:
        """Do everything there is to do."""
        status: Any = "killed"
        try:
            with self._turn:
                for place in [one for one in self._places.values() if not one.waits_for]:
                    self._begin(place)
                self._loop()
            status = "failed" if self._failures else "finished"
        except MainspringError:
            status = "failed"
            raise
        finally:
            self._close(status)
        return FlowResult(
            run=self.run, steps=tuple(self._outcomes), failures=tuple(self._failures), graph=self.graph,
            outputs={name: place.output for name, place in self._places.items() if place.output is not None},
            workspace=self.workspace,
        )  # fmt: skip

    def _loop(self) -> None:
        while True:
            if self._error is not None:
                raise self._error
            self._send_away()
            job = self._take()
            if job is not None:
                self._do_here(job)
            elif self._away or self._delayed:
                self._turn.wait(self._pause())
                self._wake_delayed()
            else:
                return

    def _do_here(self, job: Job) -> None:
        """Do a step in this thread; workers go on beside it."""
        self._inline, self._inline_since = job, time.monotonic()
        if self._runnable:
            self._timer = threading.Timer(SPILL, self._spill)
            self._timer.daemon = True
            self._timer.start()
        self._turn.release()
        try:
            recorder = StepRecorder(
                self.workspace.ledger, run=self.run, name=job.task.label, experiment=self.project.contract.project.name
            )
            done = perform(job.task, job.place.node.step, self._around, recorder)
            recorder.close(failed=done.failure is not None)
        finally:
            self._turn.acquire()
            self._inline = None
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        self._finish(job, done)

    def _take(self) -> Job | None:
        """The next job that this thread may do: the first in the order of the graph."""
        return self._runnable.pop(0) if self._runnable else None

    def _send_away(self) -> None:
        """Give jobs to processes where that is asked for or pays."""
        mine = 0 if self._inline else 1  # the first is for this thread
        candidates = [
            *self._for_processes,
            *(job for job in self._runnable[mine : LOOK_AHEAD + mine] if self._pays(job)),
        ]
        room = max(1, self._workers - bool(self._inline or self._runnable)) - len(self._away)
        for job in candidates[: max(0, room)]:
            (self._for_processes if job.needs_process else self._runnable).remove(job)
            self._away.add(job)
            try:
                self._pool().submit(job.task, partial(self._answered, job), timeout=job.place.options.timeout)
            except PipelineError as error:
                self._away.discard(job)
                self._fail(job, Done(failure=Failure(job.task.label, str(error), may_pass=False)))

    def _pays(self, job: Job) -> bool:
        if job.place.options.executor == "inline":
            return False
        if self._inline is not None and time.monotonic() - self._inline_since >= SPILL:
            return True
        seconds = self._cache.known_seconds(job.task.label)
        return seconds is not None and seconds >= LONG

    def _spill(self) -> None:
        with self._turn:
            self._guarded(self._send_away)

    def _answered(self, job: Job, done: Done) -> None:
        """A worker is through with *job*. Called from the worker's thread."""

        def go_on() -> None:
            self._finish(job, done)
            self._send_away()

        with self._turn:
            self._away.discard(job)
            self._guarded(go_on)
            self._turn.notify_all()

    def _guarded(self, work: Any) -> None:
        """Hand whatever goes wrong in another thread to the one that drives."""
        try:
            work()
        except BaseException as error:
            self._error = self._error or error
            self._turn.notify_all()

    def _pool(self) -> Processes:
        if self._processes is None:
            from mainspring.flow.executors.processes import Processes
            from mainspring.flow.executors.wire import Hello

            hello = Hello(
                root=self.project.root, workspace=self.workspace.root, path=tuple(sys.path),
                digests=self.project.finder.digests, states=self.project.state / "files.json",
            )  # fmt: skip
            self._processes = Processes(hello, limit=self._workers, moved=self._show)
        return self._processes

    # -- from ready to done ----------------------------------------------------------------------------------------

    def _begin(self, place: Place) -> None:
        """All inputs of a step are there: reuse its value, or queue what has to be done."""
        if self._failures:
            return
        started = time.perf_counter()
        place.take_inputs({name: self._places[name].output for name in place.node.inputs})
        hit = self._lookup(place.name, place.complete, place)
        if hit is not None:
            self._reuse(place, hit, time.perf_counter() - started)
        elif place.options.map is None:
            self._queue(place.job(self.run, self._log(place.name)))
        else:
            self._expand(place)

    def _lookup(self, label: str, complete: Any, place: Place, like: str | None = None) -> Hit | None:
        if not place.options.cache or place.remakes:
            return None
        return self._cache.lookup(label, complete, like=like)

    def _expand(self, place: Place) -> None:
        """Queue one job for each item of a mapped step that is not known yet."""
        try:
            items = place.items(self.workspace.store)
        except MainspringError as error:
            self._failed_at(place, Failure(place.name, str(error), may_pass=False), 0.0)
            return
        for index, stored in enumerate(items):
            job = place.item_job(index, stored, self.run, self._log(f"{place.name}[{index}]"))
            hit = self._lookup(job.task.label, job.task.fingerprint, place, like=f"{place.name}[0]")
            if hit is None:
                self._queue(job)
            else:
                place.results[index] = hit.record.outputs[0]
                place.seen |= job.seen_in(hit)
        if place.has_all_items:
            self._combine(place)

    def _queue(self, job: Job) -> None:
        self._facts.open()
        self._enqueue(job)
        if job.task.item is None:
            self._show(job.place.name, 0, None, "running")

    def _enqueue(self, job: Job) -> None:
        if job.needs_process:
            self._for_processes.append(job)
        else:
            bisect.insort(self._runnable, job, key=self._order)

    def _order(self, job: Job) -> tuple[int, int]:
        return self._position[job.place.name], job.task.item or 0

    def _finish(self, job: Job, done: Done) -> None:
        place = job.place
        if done.damaged is not None:
            self._mend(job, done.damaged)
        elif done.failure is not None:
            if done.failure.may_pass and job.attempts < place.options.retries and not self._failures:
                self._retry(job, done.failure)
            else:
                self._fail(job, done)
        elif done.stored is not None:
            output, complete = _output(place, done.stored), job.fingerprint(done.seen)
            record = self._record(job.task.label, complete, job.task.inputs, done.seconds, outputs=(output,))
            self._facts.add(record, done.unsettled)
            if job.task.item is None:
                self._end(place, output, "ran", done.seconds, complete.key, job.log_of(done))
            else:
                place.add_item(job.task.item, output, done)
                if place.has_all_items:
                    self._combine(place)
                else:
                    self._show(place.name, len(place.results), place.item_count)

    def _combine(self, place: Place) -> None:
        """All items of a mapped step are there: its value is the list of them."""
        started = time.perf_counter()
        try:
            stored = place.combined(self.workspace.store)
        except MainspringError as error:
            self._failed_at(place, Failure(place.name, str(error), may_pass=False), place.seconds)
            return
        output = _output(place, stored)
        seconds = place.seconds + time.perf_counter() - started
        complete = place.complete.and_(place.seen)
        self._facts.open()
        self._facts.add(self._record(place.name, complete, place.digests, seconds, outputs=(output,)))
        self._end(place, output, "ran" if place.ran_items else "reused", seconds, complete.key, None)

    def _reuse(self, place: Place, hit: Hit, seconds: float) -> None:
        outputs = hit.record.outputs
        record = self._record(place.name, hit.fingerprint, place.digests, seconds, outputs=outputs, status="reused")
        self._facts.add_later(record)
        self._end(place, outputs[0], "reused", seconds, record.key, None)

    def _record(
        self, label: str, complete: Fingerprint, inputs: Mapping[str, str], seconds: float,
        *, outputs: tuple[Output, ...] = (), status: Status = "ran", error: str | None = None,
    ) -> StepRecord:  # fmt: skip
        return StepRecord(
            key=complete.key, step=label, run=self.run, outputs=outputs, inputs=inputs, parts=complete.parts,
            seconds=seconds, status=status, finished=self.workspace.clock.now(), error=error,
        )  # fmt: skip

    def _end(self, place: Place, output: Output, status: Status, seconds: float, key: str, log: Path | None) -> None:
        """A step has its value: those that waited for it may begin."""
        place.output = output
        self._outcomes = [one for one in self._outcomes if one.name != place.name]  # one that was made again
        self._outcomes.append(StepOutcome(name=place.name, status=status, seconds=seconds, key=key, log=log))
        self._show(place.name, 1, 1, "reused" if status == "reused" else f"ran in {seconds:.2g} s")
        for name in self.graph.takers(place.name):
            taker = self._places[name]
            if taker.output is None and place.name in taker.waits_for:
                taker.waits_for.discard(place.name)
                if not taker.waits_for:
                    self._begin(taker)

    # -- when something goes wrong ---------------------------------------------------------------------------------

    def _retry(self, job: Job, failure: Failure) -> None:
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**job.attempts)
        again = job.again(self._log(f"{job.task.label}.{job.attempts + 2}"))
        self._show(job.place.name, 0, None, f"{failure.reason.splitlines()[0]}; attempt {again.attempts + 1} follows")
        self._delayed.append((time.monotonic() + pause, again))

    def _fail(self, job: Job, done: Done) -> None:
        if done.failure is None:
            return
        failure = done.failure
        log = job.log_of(done)
        if log is not None:
            said = [f"    {line}" for line in tail(log)]
            lines = (*failure.lines, f"  Its last output ({self.project.shown(log)}):", *said)
            failure = Failure(failure.step, failure.reason, lines, may_pass=failure.may_pass)
        self._failed_at(job.place, failure, done.seconds, job)

    def _failed_at(self, place: Place, failure: Failure, seconds: float, job: Job | None = None) -> None:
        self._failures.append(failure)
        self._runnable.clear()
        self._for_processes.clear()
        self._delayed.clear()
        tried = job.task.fingerprint if job else place.complete
        self._facts.open()
        self._facts.add(self._record(place.name, tried, place.digests, seconds, status="failed", error=str(failure)))
        if all(one.name != place.name for one in self._outcomes):
            self._outcomes.append(StepOutcome(name=place.name, status="failed", seconds=seconds, key=tried.key))
        self._show(place.name, 1, 1, "failed")

    def _mend(self, job: Job, digest: str) -> None:
        """An input could not be read back: have its step make it again, then go on."""
        place = job.place
        makers = [name for name in place.node.inputs if place.digests.get(name) == digest]
        if place.remakes >= MOST_REMAKES:
            failure = Failure(
                place.name, f"its input {digest[:12]} cannot be read back from the store.", may_pass=False
            )
            self._failed_at(place, failure, 0.0, job)
            return
        place.remakes += 1
        place.waits_for = set(makers)
        for name in makers:
            maker = self._places[name]
            if maker.output is not None:
                maker.output = None
                maker.remakes += 1
                self._begin(maker)
        if not makers:  # an item of a list: cut the list again
            self._begin(place)

    def _pause(self) -> float | None:
        if not self._delayed:
            return None
        return max(0.0, min(due for due, _ in self._delayed) - time.monotonic())

    def _wake_delayed(self) -> None:
        now = time.monotonic()
        for due, job in self._delayed:
            if due <= now:
                self._enqueue(job)
        self._delayed = [(due, job) for due, job in self._delayed if due > now]

    # -- around it -------------------------------------------------------------------------------------------------

    def _close(self, status: Any) -> None:
        if self._processes is not None:
            self._processes.close()
        self._facts.finish(status)
        self._around.states.save()
        self._cache.save()
        _tidy(self._logs.parent)

    def _log(self, label: str) -> Path:
        return self._logs / f"{label}.log"

    def _show(self, task: str, done: float, total: float | None, text: str = "") -> None:
        self._context.copy().run(progress, task, done, total, text)


def _output(place: Place, stored: Stored) -> Output:
    return Output(digest=stored.digest, type=stored.type, size=stored.size, name=place.name, meta=stored.meta)


def _tidy(folder: Path) -> None:
    """Remove the logs of old runs."""
    import shutil

    try:
        old = sorted(os.listdir(folder))[:-KEPT_LOGS]  # noqa: PTH208  # names are enough
    except OSError:
        return
    for name in old:
        shutil.rmtree(folder / name, ignore_errors=True)
