"""Why a step ran, will run, or is reused: the parts of its fingerprint that differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from mainspring.flow.cache import Cache, seen_in
from mainspring.flow.filestate import FileStates
from mainspring.flow.fingerprint import fingerprint
from mainspring.flow.pipeline import load_graph
from mainspring.flow.source import Sources
from mainspring.flow.witness import look_again

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mainspring.flow.fingerprint import Fingerprint
    from mainspring.flow.graph import Graph
    from mainspring.ledger.ports.steps import StepRecord
    from mainspring.project import Project
    from mainspring.workspace import Workspace

State: TypeAlias = Literal["never ran", "will run", "ran", "reused"]

RESULT = "result"
"""The part that stands for the step's own value: not made yet, or gone."""


@dataclass(frozen=True, slots=True)
class Change:
    """One part that differs; None where it is not there."""

    part: str
    before: str | None
    now: str | None


@dataclass(frozen=True)
class Explanation:
    """Why *step* is in its *state*.

    ``will run``: *changes* since the last result; ``ran``: the changes that made it run last time, nothing has changed
    since; ``reused``: none. ``record`` is the last result, ``earlier`` the one before it that *changes* refer to.
    """

    step: str
    state: State
    changes: tuple[Change, ...]
    record: StepRecord | None = None
    earlier: StepRecord | None = None


def why(project: Project, step: str, settings: Mapping[str, Any] | None = None, *, workspace: Workspace) -> Explanation:
    """Explain *step* under *settings*. Runs nothing. Raises NotFound for an unknown step."""
    with project.active():
        graph = load_graph(project, settings)
        graph = graph.upto([graph[step].name])
        survey = _Survey(project, graph, workspace)
        return survey.explain(step)


class _Survey:
    """Walks the steps before one in order and works out which of them would be reused, and with which values."""

    def __init__(self, project: Project, graph: Graph, workspace: Workspace) -> None:
        self._project = project
        self._graph = graph
        self._ledger = workspace.ledger
        self._states = FileStates(project.state / "files.json")
        self._contract = project.contract if any(node.takes_contract for node in graph) else None
        self._cache = Cache(
            workspace.ledger, workspace.store, project=project, states=self._states, contract=self._contract
        )
        sources = Sources(project.finder)
        self._prints = {node.name: fingerprint(node, sources) for node in graph}

    def explain(self, step: str) -> Explanation:
        outputs: dict[str, str | None] = {}
        for name in self._graph.ancestors(step):
            complete = self._with_inputs(name, outputs)
            hit = self._cache.lookup(name, complete) if complete and self._graph[name].step.options.cache else None
            outputs[name] = hit.record.outputs[0].digest if hit else None
        return self._compare(step, outputs)

    def _with_inputs(self, name: str, outputs: Mapping[str, str | None]) -> Fingerprint | None:
        inputs = self._graph[name].inputs
        if any(outputs[one] is None for one in inputs):
            return None
        return self._prints[name].and_({f"input {one}": str(outputs[one]) for one in inputs})

    def _compare(self, step: str, outputs: Mapping[str, str | None]) -> Explanation:
        record = next((one for one in self._cache.history(step) if one.status != "failed"), None)
        if record is None:
            return Explanation(step, "never ran", (Change(RESULT, None, "not made yet"),))
        if not self._graph[step].step.options.cache:
            always = Change("cache", None, "off: the step runs every time")
            return Explanation(step, "will run", (always,), record)
        complete = self._with_inputs(step, outputs)
        if complete is not None:
            hit = self._cache.lookup(step, complete)
            if hit is not None:
                return self._reused(step, hit.fingerprint.key, record)
        unknown = {f"input {one}": "will be made again" for one in self._graph[step].inputs if outputs[one] is None}
        known = {
            f"input {one}": digest for one, digest in outputs.items() if digest and one in self._graph[step].inputs
        }
        now = {**self._prints[step].parts, **known, **unknown}
        now |= look_again(self._project.root, sorted(seen_in(record.parts)), self._states, self._contract)
        changes = differences(record.parts, now)
        if not changes:
            changes = (Change(RESULT, record.outputs[0].digest, "missing or damaged"),)
        return Explanation(step, "will run", changes, record)

    def _reused(self, step: str, key: str, record: StepRecord) -> Explanation:
        """Nothing is to be done: say why something was done last time, if it was."""
        if record.status != "ran" or record.key != key:
            return Explanation(step, "reused", (), record)
        earlier = self._ledger.steps.latest(step, before=record.run)
        if earlier is None:
            return Explanation(step, "ran", (Change(RESULT, None, "made for the first time"),), record)
        changes = differences(earlier.parts, record.parts)
        if not changes:
            changes = (Change(RESULT, "missing, damaged or not wanted from the cache", "made again"),)
        return Explanation(step, "ran", changes, record, earlier)


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[Change, ...]:
    """The parts that differ, the step's own source first, then by name."""
    parts = [part for part in {**before, **now} if before.get(part) != now.get(part)]
    return tuple(
        Change(part, before.get(part), now.get(part)) for part in sorted(parts, key=lambda p: (p != "source", p))
    )
