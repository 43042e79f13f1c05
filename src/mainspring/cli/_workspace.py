"""Which workspace a command looks at: the one it is told, or the project's around the current folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

from cyclopts import Parameter

if TYPE_CHECKING:
    from mainspring.workspace import Workspace

Where: TypeAlias = Annotated[Path | None, Parameter(name="--workspace", help="A workspace; default: the project's.")]
Json: TypeAlias = Annotated[
    bool, Parameter(name="--json", negative=(), show_default=False, help="Print one JSON object.")
]


def opened(where: Path | None) -> Workspace:
    """Open the workspace *where*, or that of the project around the current folder. Never makes a new one."""
    if where is not None:
        from mainspring.workspace import Workspace

        return Workspace.open(where, create=False)
    from mainspring.project import Project

    return Project.find().workspace(create=False)
