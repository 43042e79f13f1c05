"""Which columns the log of a model has, over all its versions: kept in the ledger, so that no file need be asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from mainspring.serve.log.columns import DTYPES, FEATURE, FIXED, SCORE, common, dtype

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from mainspring.ledger import Ledger
    from mainspring.serve.log.schema import Kind, Schema

STATE = "log"
"""The kind of the ledger's state that holds the shape of a model's log."""

_NAMES = {kind: name for name, kind in DTYPES.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The log of one model.

    ``columns`` has every column with its type, in order: fixed ones, ``prediction``, scores, features. ``label`` is the
    kind of predictions and labels, None as long as no version was declared; ``personal`` says that entities are masked.
    ``mixed`` says that segments hold a column in different types, and readers have to cast.
    """

    columns: Mapping[str, pl.DataType] = field(default_factory=dict)
    label: Kind | None = None
    personal: bool = False
    mixed: bool = False


def of(ledger: Ledger, model: str) -> Shape:
    """The shape of the log of *model*."""
    state = ledger.states.get(STATE, model)
    return _shape({} if state is None else state.value)


def declare(ledger: Ledger, model: str, schema: Schema) -> None:
    """Take a version into the shape, before any of its predictions is in the log."""
    seen = {FEATURE + each.name: dtype(each.type) for each in schema.features}
    seen |= {SCORE + name: DTYPES["number"] for name in schema.classes or ()}
    with ledger.together():
        widen(ledger, model, {"prediction": dtype(schema.label), **seen}, schema)


def widen(ledger: Ledger, model: str, seen: Mapping[str, pl.DataType], *schemas: Schema) -> None:
    """Take the columns *seen*, and what the *schemas* say, into the shape. Call it in a block of `Ledger.together`."""
    state = ledger.states.get(STATE, model)
    before: dict[str, Any] = {} if state is None else state.value
    old = _types(before)
    types = dict(old)
    mixed = bool(before.get("mixed"))
    for name, kind in seen.items():
        if name in FIXED:
            continue
        types[name] = common(types[name], kind) if name in types else kind
        mixed |= types[name] != kind or old.get(name, kind) != types[name]
    after = {
        "columns": [[name, _NAMES[kind]] for name, kind in types.items()],  # pairs: mappings lose their order there
        "label": _NAMES[types["prediction"]] if "prediction" in types else None,
        "personal": bool(before.get("personal")) or any(each.entity_personal for each in schemas),
        "mixed": mixed,
    }
    if after != before:
        ledger.states.put(STATE, model, after)


def _shape(value: Mapping[str, Any]) -> Shape:
    return Shape(
        columns=_ordered({**FIXED, "prediction": DTYPES["text"], **_types(value)}),
        label=cast("Kind | None", value.get("label")),
        personal=bool(value.get("personal")),
        mixed=bool(value.get("mixed")),
    )


def _types(value: Mapping[str, Any]) -> dict[str, pl.DataType]:
    return {name: DTYPES[kind] for name, kind in value.get("columns", ())}


def _ordered(types: dict[str, pl.DataType]) -> dict[str, pl.DataType]:
    def place(name: str) -> int:
        if name in FIXED:
            return 0 if name in ("id", "time", "version", "role", "entity") else 4
        return 2 if name.startswith(SCORE) else 3 if name.startswith(FEATURE) else 1

    return dict(sorted(types.items(), key=lambda item: place(item[0])))
