"""Doing one step: load its inputs, call the function, store what it returns. The same here as in another process."""

from __future__ import annotations

import os
import time
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mainspring.core.errors import NotFound, StoreError
from mainspring.core.recording import recording
from mainspring.core.scratch import scratch_in
from mainspring.flow.failure import Failure, failure_of
from mainspring.flow.step import CONTRACT
from mainspring.flow.witness import Witness
from mainspring.project.project import STATE_FOLDER

if TYPE_CHECKING:
    import inspect
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from mainspring.core.recording import Recorder
    from mainspring.flow.capture import Capture
    from mainspring.flow.filestate import FileStates
    from mainspring.flow.fingerprint import Fingerprint
    from mainspring.flow.step import Step
    from mainspring.project import Project
    from mainspring.store.deferred import Unsettled
    from mainspring.store.store import Store, Stored


@dataclass(frozen=True, kw_only=True)
class Task:
    """One call of one step.

    ``inputs``: parameter to the digest of the stored value it takes. ``settings``: parameters that are not left at
    their default. ``item``: position in the list that a mapped step goes through. ``log``: where its output goes.
    """

    step: str
    run: str
    fingerprint: Fingerprint
    inputs: Mapping[str, str]
    settings: Mapping[str, Any]
    log: Path
    item: int | None = None

    @property
    def label(self) -> str:
        """The step's name, with the item's position for a mapped step."""
        return self.step if self.item is None else f"{self.step}[{self.item}]"


@dataclass(frozen=True, kw_only=True)
class Done:
    """How a task ended: with a stored value, or with a failure.

    ``seen``: what the step looked at, see :mod:`mainspring.flow.witness`. ``printed``: bytes of output. ``damaged``: an
    input that could not be read back, so that the step was not called at all. ``unsettled``: what of the value is not
    on the disk yet, None where all of it is.
    """

    stored: Stored | None = None
    failure: Failure | None = None
    seen: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    printed: int = 0
    damaged: str | None = None
    unsettled: Unsettled | None = None


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """Where tasks are done. ``defers``: whether values are settled by whoever gets them, before they are recorded."""

    project: Project
    store: Store
    states: FileStates
    capture: Capture
    defers: bool = False


def perform(task: Task, step: Step, around: Surroundings, recorder: Recorder | None) -> Done:
    """Do *task*. Every failure of the step comes back as a value; only an interrupt from the keyboard is raised."""
    started = time.perf_counter()
    with around.capture.to(task.log) as log:
        done = _attempt(task, step, around, recording(recorder) if recorder else nullcontext())
    seconds = time.perf_counter() - started
    return replace(done, seconds=seconds, printed=log.written)


def _attempt(task: Task, step: Step, around: Surroundings, facts: AbstractContextManager[Any]) -> Done:
    from mainspring.store.deferred import deferring
    from mainspring.store.formats import save

    project = around.project
    os.chdir(project.root)  # an earlier step may have gone elsewhere
    try:
        values = _inputs(task, around.store)
    except _Damaged as error:
        return Done(damaged=str(error))
    contract = project.contract if CONTRACT in step.parameters else None
    try:
        with Witness(project.root, task.fingerprint, around.states, contract) as witness, facts, _scratch(project):
            if contract is not None:
                values[CONTRACT] = witness.contract
            value = _call(step, {**task.settings, **values})
        del values
        os.chdir(project.root)
        with deferring() if around.defers else nullcontext() as unsettled:
            stored = save(around.store, value, pickle=step.options.pickle)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever the user's code raises is told to the user
        return Done(failure=failure_of(task.label, error, project))
    return Done(stored=stored, seen=witness.parts(contract), unsettled=unsettled)


def _scratch(project: Project) -> AbstractContextManager[None]:
    """A place where a step keeps what it can go on from after a kill; none where nothing can be written."""
    folder = project.root / STATE_FOLDER / "scratch"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return nullcontext()
    return scratch_in(folder)


class _Damaged(Exception):
    """The digest of an input that cannot be read back."""


def _inputs(task: Task, store: Store) -> dict[str, Any]:
    from mainspring.store.formats import load

    values: dict[str, Any] = {}
    for name, digest in task.inputs.items():
        try:
            values[name] = load(store, digest, trusted_pickle=True)  # a step of this very project has written it
        except (StoreError, NotFound):
            raise _Damaged(digest) from None
    return values


def _call(step: Step, values: Mapping[str, Any]) -> Any:
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for name, parameter in step.parameters.items():
        if parameter.kind is parameter.POSITIONAL_ONLY:
            positional.append(values[name] if name in values else _default(parameter))
        elif name in values:
            named[name] = values[name]
    return step.function(*positional, **named)


def _default(parameter: inspect.Parameter) -> Any:
    return parameter.default
