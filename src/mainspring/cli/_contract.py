"""The contract that a command goes by: the project's, or the one that a model was made under."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.contract import Contract
    from mainspring.workspace import Workspace


def contract_of(place: Workspace, model: str, *, version: int | None = None, workspace: Path | None = None) -> Contract:
    """The contract of the project around the current folder, if it is that of *model*; else that in the bundle.

    *workspace* is what the command was told: where somebody names one, the project around is not asked. Raises NotFound
    for a model that is not there.
    """
    from mainspring.contract import Contract
    from mainspring.core.errors import InputError
    from mainspring.project import Project
    from mainspring.registry import Registry

    try:
        project = None if workspace is not None else Project.find()
    except InputError:
        project = None
    if project is not None and project.contract.project.name == model:
        return project.contract
    registry = Registry(place)
    number = version or registry.versions(model)[0].version
    bundle = registry.load(f"{model}/{number}")
    return Contract.from_dict(bundle.json("contract.json"), source=f"the contract of {model}/{number}")
