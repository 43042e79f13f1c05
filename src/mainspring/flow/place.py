"""A step's place in a run: what it waits for, what has to be done for it, and what came of that."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mainspring.core.errors import PipelineError
from mainspring.flow.cache import seen_in
from mainspring.flow.perform import Task

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mainspring.flow.cache import Hit
    from mainspring.flow.fingerprint import Fingerprint
    from mainspring.flow.graph import Node
    from mainspring.flow.perform import Done
    from mainspring.flow.step import Options
    from mainspring.ledger.ports.steps import Output
    from mainspring.store.store import Store, Stored

ITEM = "item"
"""The part of a fingerprint that stands for the item of a mapped step."""


@dataclass(frozen=True, eq=False)
class Job:
    """One call of a step that has to be made, and how often it was tried already."""

    place: Place
    task: Task
    attempts: int = 0

    @property
    def needs_process(self) -> bool:
        """Whether it may not be done in the engine's own process."""
        return self.place.options.executor == "processes" or self.place.options.timeout is not None

    def again(self, log: Path) -> Job:
        """The next attempt."""
        return Job(self.place, replace(self.task, log=log), self.attempts + 1)

    def fingerprint(self, seen: Mapping[str, str]) -> Fingerprint:
        """The whole fingerprint, with what the step looked at."""
        return self.task.fingerprint.and_(seen)

    def log_of(self, done: Done) -> Path | None:
        """Where the output is; None where there was none."""
        return self.task.log if done.printed else None

    def seen_in(self, hit: Hit) -> dict[str, str]:
        """What the step had looked at when it made a reused value."""
        return {name: hit.fingerprint.parts[name] for name in seen_in(hit.fingerprint.parts)}


@dataclass(eq=False)
class Place:
    """A node of the graph during one run.

    ``own``: the step's fingerprint without inputs; ``complete``: with them. ``digests``: parameter to the digest of the
    input. ``results``: the finished items of a mapped step. ``remakes``: how often it had to be made anew because
    something could not be read back.
    """

    node: Node
    own: Fingerprint
    waits_for: set[str] = field(init=False)
    output: Output | None = None
    digests: dict[str, str] = field(default_factory=dict)
    results: dict[int, Output] = field(default_factory=dict)
    item_count: int = 0
    ran_items: int = 0
    seconds: float = 0.0
    seen: dict[str, str] = field(default_factory=dict)
    remakes: int = 0

    def __post_init__(self) -> None:
        """Wait for every input."""
        self.waits_for = set(self.node.inputs)
        self.complete = self.own

    @property
    def name(self) -> str:
        """The step's name."""
        return self.node.name

    @property
    def options(self) -> Options:
        """How the step is run."""
        return self.node.step.options

    @property
    def has_all_items(self) -> bool:
        """Whether every item of a mapped step is there."""
        return len(self.results) == self.item_count

    def take_inputs(self, outputs: Mapping[str, Output | None]) -> None:
        """Take the values of the steps before it."""
        self.digests = {name: output.digest for name, output in outputs.items() if output is not None}
        self.complete = self.own.and_({f"input {name}": digest for name, digest in self.digests.items()})
        self.results, self.seen, self.ran_items, self.seconds = {}, {}, 0, 0.0

    def job(self, run: str, log: Path) -> Job:
        """The call of a step that is not mapped."""
        task = Task(
            step=self.name,
            run=run,
            fingerprint=self.complete,
            inputs=self.digests,
            settings=self.node.settings,
            log=log,
        )
        return Job(self, task)

    def items(self, store: Store) -> list[Stored]:
        """The items that a mapped step goes through, each stored. Raises PipelineError where there is no list."""
        from mainspring.store.formats import load, save

        over = str(self.options.map)
        if over in self.digests:
            value: Any = load(store, self.digests[over], trusted_pickle=True)
        else:
            value = self.node.parameters.get(over)
        if not isinstance(value, list | tuple):
            raise PipelineError(f"it maps over {over}, which must be a list, but is of type {type(value).__name__}.")
        self.item_count = len(value)
        return [save(store, item, pickle=self.options.pickle) for item in value]

    def item_job(self, index: int, item: Stored, run: str, log: Path) -> Job:
        """The call for one item of a mapped step: its key has the item in place of the list."""
        over = str(self.options.map)
        left_out = {f"input {over}", f"parameter {over}"}
        parts = {name: part for name, part in self.complete.parts.items() if name not in left_out}
        task = Task(
            step=self.name, run=run, item=index, log=log,
            fingerprint=type(self.own)({**parts, ITEM: item.digest}, self.own.texts, self.own.folders),
            inputs={**self.digests, over: item.digest},
            settings={name: value for name, value in self.node.settings.items() if name != over},
        )  # fmt: skip
        return Job(self, task)

    def add_item(self, index: int, output: Output, done: Done) -> None:
        """Keep the value of one item."""
        self.results[index] = output
        self.ran_items += 1
        self.seconds += done.seconds
        self.seen |= done.seen

    def combined(self, store: Store) -> Stored:
        """The list of all items' values, stored."""
        from mainspring.store.formats import load, save

        values = [load(store, self.results[i].digest, trusted_pickle=True) for i in range(self.item_count)]
        return save(store, values, pickle=self.options.pickle)
