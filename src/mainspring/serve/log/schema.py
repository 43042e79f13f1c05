"""What the features of one version are, written into every spool so that nothing else is needed to read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mainspring.contract import Contract

Kind: TypeAlias = Literal["integer", "number", "category", "boolean", "text", "datetime", "date"]


class Feature(msgspec.Struct, frozen=True):
    """One feature: its name, the contract's type, and whether its values are masked."""

    name: str
    type: Kind
    personal: bool = False


class Schema(msgspec.Struct, frozen=True, kw_only=True):
    """The features of one model version in the order in which records hold them, and its classes in that of scores.

    ``label`` is the type of predictions and labels; ``entity_personal`` says that the entity is masked.
    """

    version: int
    features: tuple[Feature, ...]
    classes: tuple[str, ...] | None = None
    label: Kind = "text"
    entity_personal: bool = False


def schema_of(
    contract: Contract,
    *,
    version: int,
    features: Sequence[str],
    classes: Sequence[Any] | None,
) -> Schema:
    """The schema of a version with these *features* and *classes* (as its bundle names them) under its *contract*.

    A feature that the contract does not declare is kept as text.
    """
    declared = contract.columns
    kept = tuple(
        Feature(name, declared[name].type, declared[name].personal) if name in declared else Feature(name, "text")
        for name in features
    )
    entity = contract.project.entity
    return Schema(
        version=version,
        features=kept,
        classes=None if classes is None else tuple(_label(each) for each in classes),
        label=_label_kind(classes),
        entity_personal=entity is not None and entity in declared and declared[entity].personal,
    )


def _label_kind(classes: Sequence[Any] | None) -> Kind:
    if classes is None:
        return "number"
    if classes and all(isinstance(each, bool) for each in classes):
        return "boolean"
    if classes and all(isinstance(each, int) and not isinstance(each, bool) for each in classes):
        return "integer"
    return "text"


def _label(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
