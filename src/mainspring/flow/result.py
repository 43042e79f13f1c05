"""What a run of the pipeline came to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from mainspring.core.errors import NotFound, PipelineError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mainspring.flow.failure import Failure
    from mainspring.flow.graph import Graph
    from mainspring.ledger.ports.steps import Output
    from mainspring.workspace import Workspace

Status: TypeAlias = Literal["ran", "reused", "failed"]


@dataclass(frozen=True, kw_only=True)
class StepOutcome:
    """How one step fared. ``seconds``: what it took in this run. ``log``: where its output is, if it had any."""

    name: str
    status: Status
    seconds: float
    key: str
    log: Path | None = None


@dataclass(frozen=True, kw_only=True)
class FlowResult:
    """A run, how each step fared (in the order they ended), and the values they left, which load when asked for.

    ``failures`` is empty for a run that went through; steps that were not reached do not occur.
    """

    run: str
    steps: tuple[StepOutcome, ...]
    outputs: Mapping[str, Output]
    failures: tuple[Failure, ...]
    graph: Graph
    workspace: Workspace

    @property
    def is_complete(self) -> bool:
        """Whether every step that was asked for has its value."""
        return not self.failures

    def value(self, step: str) -> Any:
        """The value of *step*, read from the store. Raises NotFound for a step that left none."""
        from mainspring.store.formats import load

        if step not in self.outputs:
            raise NotFound.among("finished step", step, list(self.outputs))
        return load(self.workspace.store, self.outputs[step].digest, trusted_pickle=True)

    def check(self) -> None:
        """Raise PipelineError with what went wrong, where something did."""
        if self.failures:
            kept = sum(step.status != "failed" for step in self.steps)
            told = "\n".join(map(str, self.failures))
            raise PipelineError(f"{told}\n{_kept(kept)}")


def _kept(count: int) -> str:
    if not count:
        return "No step had finished before."
    return f"{count} step{'s' if count > 1 else ''} finished and will be reused; mend this one and run again."
