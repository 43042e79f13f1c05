"""One turn of the loop: what it works with, the lease that fences what it writes, and where it tells what it did."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mainspring.core.errors import MainspringError
from mainspring.operate.live import acting as documents
from mainspring.operate.live import document
from mainspring.operate.live.desk import desk_of
from mainspring.operate.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from mainspring.contract import Contract
    from mainspring.ledger.ports.states import States
    from mainspring.operate.incident import Desk
    from mainspring.operate.live.acting import Acting
    from mainspring.operate.live.document import Memory
    from mainspring.operate.remedy import Pause
    from mainspring.project import Project
    from mainspring.workspace import Workspace


@dataclass(slots=True, kw_only=True)
class Turn:
    """One round. ``lines``: what was done, for people. ``order``: the pause that is in force, None where none is."""

    project: Project
    workspace: Workspace
    fence: tuple[str, int]
    told: Callable[[str], None]
    reached: Callable[[str], None]
    rest: float
    """While a challenger is built, rollouts and messages rest so many seconds between two looks."""
    seed: int = 0
    order: Pause | None = None
    lines: list[str] = field(default_factory=list)

    @property
    def contract(self) -> Contract:
        """The contract of the project."""
        return self.project.contract

    @property
    def model(self) -> str:
        """The name of the model."""
        return self.contract.project.name

    @property
    def policy(self) -> Policy:
        """What the contract lets the loop do."""
        return Policy.of(self.contract.retrain)

    @property
    def states(self) -> States:
        """The documents of the ledger."""
        return self.workspace.ledger.states

    @property
    def now(self) -> datetime:
        """The time."""
        return self.workspace.clock.now()

    def say(self, line: str) -> None:
        """Tell people what was done."""
        self.lines.append(line)
        self.told(line)

    def memory(self) -> Memory:
        """What the watch remembers."""
        return document.remembered(self.states, self.model)

    def write(self, acting: Acting) -> Acting:
        """Write down what the loop knows. Raises Refused where another loop has the lease by now, or wrote."""
        return documents.write(self.states, self.model, acting, self.fence)

    def desk(self) -> Desk:
        """The desk with the incidents that the watch keeps, as far as they are open."""
        return desk_of(self.workspace, self.model, self.memory().cases)


def why(error: Exception) -> str:
    """The error as people are told it: one that nobody foresaw in a line with its type, for its text may say little."""
    if isinstance(error, MainspringError):
        return str(error)
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}".removesuffix(": ")
