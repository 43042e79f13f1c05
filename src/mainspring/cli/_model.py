"""A model as a command names it: a registered version, or a folder with a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

from cyclopts import Parameter

from mainspring.cli._workspace import opened

if TYPE_CHECKING:
    from mainspring.package import Bundle

ModelName: TypeAlias = Annotated[
    str, Parameter(help="Such as churn, churn/3, churn@challenger, models:/churn@champion, or a folder with a bundle.")
]


def bundle_of(model: str, workspace: Path | None) -> Bundle:
    """The bundle that *model* names."""
    from mainspring import package
    from mainspring.registry import Registry

    folder = Path(model)
    if (folder / "manifest.json").is_file():
        return package.read(folder)
    with opened(workspace) as place:
        return Registry(place).load(model)


def bundle_and_version(model: str, workspace: Path | None) -> tuple[Bundle, str, int | None]:
    """The bundle that *model* names, the model's name, and its version; None where it comes from a folder."""
    from mainspring import package
    from mainspring.registry import Registry

    folder = Path(model)
    if (folder / "manifest.json").is_file():
        bundle = package.read(folder)
        return bundle, bundle.manifest.name, None
    with opened(workspace) as place:
        registry = Registry(place)
        version = registry.resolve(model)
        return registry.load(version), version.name, version.version
