"""Resampling, search spaces, search, frameworks (one file each). Rule: pure but for the fit."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mainspring.train._fit import fit
    from mainspring.train._search import search
    from mainspring.train.model import Model
else:

    def search(frame: Any, contract: Any, **options: Any) -> Any:
        """Find the best model for a table. All of it is in `mainspring.train._search.search`.

        A pipeline names it on every run, also on those where nothing has to be trained: it loads when it is called.
        """
        from mainspring.train._search import search as find

        return find(frame, contract, **options)


_HOMES = {"fit": "mainspring.train._fit", "Model": "mainspring.train.model"}

__all__ = ["Model", "fit", "search"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
