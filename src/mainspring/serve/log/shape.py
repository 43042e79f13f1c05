"""Which columns the log of a model has, over all its versions: kept in the ledger, so that no file need be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainspring.serve.log.columns import DTYPES, FEATURE, FIXED, SCORE, common

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

    from mainspring.ledger import Ledger

STATE = "log"
"""The kind of the ledger's state that holds the columns of a model's log."""

_NAMES = {kind: name for name, kind in DTYPES.items()}


def of(ledger: Ledger, model: str) -> dict[str, pl.DataType]:
    """The columns of the log of *model* with their types, in order: fixed ones, ``prediction``, scores, features.

    ``prediction`` is missing as long as the log is empty.
    """
    state = ledger.states.get(STATE, model)
    own: dict[str, pl.DataType] = {} if state is None else _types(state.value["columns"])
    return _ordered({**FIXED, **own})


def widen(ledger: Ledger, model: str, seen: Mapping[str, pl.DataType]) -> None:
    """Take the columns *seen* into the log's. Call it in the transaction that adds the rows."""
    state = ledger.states.get(STATE, model)
    before = {} if state is None else _types(state.value["columns"])
    after = dict(before)
    for name, kind in seen.items():
        if name not in FIXED:
            after[name] = common(after[name], kind) if name in after else kind
    if after != before:
        columns = [[name, _NAMES[kind]] for name, kind in after.items()]  # the ledger does not keep a mapping's order
        ledger.states.put(STATE, model, {"columns": columns}, expected=state.revision if state else 0)


def _types(columns: Sequence[Sequence[str]]) -> dict[str, pl.DataType]:
    return {name: DTYPES[kind] for name, kind in columns}


def _ordered(types: dict[str, pl.DataType]) -> dict[str, pl.DataType]:
    def place(name: str) -> int:
        if name in FIXED:
            return 0 if name in ("id", "time", "version", "role", "entity") else 4
        return 2 if name.startswith(SCORE) else 3 if name.startswith(FEATURE) else 1

    return dict(sorted(types.items(), key=lambda item: place(item[0])))
