"""The whole contract as one typed value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mainspring.contract.policy import Fallback, Monitor, Notify, Retrain, Rollout, Slo

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mainspring.contract.column import Column
    from mainspring.contract.project import ProjectSection
    from mainspring.contract.requirement import Requirement


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What a model must do: its columns, its requirements and how the loop may act.

    ``columns`` keeps the declared order. ``cost`` maps (truth, prediction) labels to a cost in money, empty where no
    cost matrix is declared. ``path`` is the file it came from, None for a contract made in code.
    """

    project: ProjectSection
    columns: Mapping[str, Column] = field(default_factory=dict)
    requirements: tuple[Requirement, ...] = ()
    monitor: Monitor = field(default_factory=Monitor)
    retrain: Retrain = field(default_factory=Retrain)
    rollout: Rollout = field(default_factory=Rollout)
    slo: Slo = field(default_factory=Slo)
    fallback: Fallback = field(default_factory=Fallback)
    notify: Notify = field(default_factory=Notify)
    cost: Mapping[tuple[str, str], float] = field(default_factory=dict)
    path: Path | None = None

    @property
    def features(self) -> tuple[str, ...]:
        """The columns a model may learn from, in declared order."""
        roles = {self.project.target, self.project.time, self.project.entity}
        return tuple(name for name, column in self.columns.items() if column.role == "feature" and name not in roles)

    @property
    def sensitive(self) -> tuple[str, ...]:
        """The columns whose groups must be treated alike."""
        return tuple(name for name, column in self.columns.items() if column.sensitive)

    @property
    def personal(self) -> tuple[str, ...]:
        """The columns that say who someone is."""
        return tuple(name for name, column in self.columns.items() if column.personal)

    @classmethod
    def load(cls, path: Path) -> Contract:
        """Read ``mainspring.toml``. Raises ContractError with file, line and nearest match."""
        from mainspring.contract.parse import load

        return load(path)

    @classmethod
    def parse(cls, text: str, *, source: str = "mainspring.toml") -> Contract:
        """Read a contract from TOML *text*; *source* is named in errors."""
        from mainspring.contract.parse import parse

        return parse(text, source=source)

    @classmethod
    def from_dict(cls, tree: Mapping[str, Any], *, source: str = "the contract") -> Contract:
        """The contract that :meth:`as_dict` made *tree* of, without its path; *source* is named in errors."""
        from mainspring.contract.parse import read_tree

        return read_tree(dict(tree), source=source)

    def as_dict(self) -> dict[str, Any]:
        """The contract as plain JSON values, in the shape of the TOML file; equal contracts give equal dicts."""
        from mainspring.contract.render import as_dict

        return as_dict(self)
