"""Resampling, search spaces, search, frameworks (one file each). Rule: pure but for the fit."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mainspring.train._fit import fit
    from mainspring.train._search import search
    from mainspring.train.model import Model

_HOMES = {"fit": "mainspring.train._fit", "Model": "mainspring.train.model", "search": "mainspring.train._search"}

__all__ = ["Model", "fit", "search"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
