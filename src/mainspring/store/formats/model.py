"""A train.Model as named parts: its state as JSON, its estimator by :mod:`mainspring.store.formats.estimator`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.core.json import plain
from mainspring.store.formats import estimator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mainspring.train.model import Model

STATE = "model.json"


def dump(model: Model) -> dict[str, bytes]:
    """The *model* as parts. Raises StoreError where its estimator cannot be written safely."""
    return {STATE: msgspec.json.encode(model.state(), enc_hook=plain), **estimator.dump(model.estimator)}


def load(parts: Mapping[str, bytes]) -> Model:
    """The model of :func:`dump`; nothing in *parts* is run."""
    from mainspring.train.model import Model

    return Model.restore(msgspec.json.decode(parts[STATE]), estimator.load(parts))


class _Models:
    """The store's format for models."""

    def dump(self, value: Model) -> dict[str, bytes]:
        """See :func:`dump`."""
        return dump(value)

    def load(self, parts: Mapping[str, bytes]) -> Model:
        """See :func:`load`."""
        return load(parts)

    def describe(self, value: Model) -> dict[str, Any]:
        """Task, target, kind and width."""
        return {"task": value.task, "target": value.target, "kind": value.kind, "columns": len(value.encoder.columns)}


MODEL = _Models()
