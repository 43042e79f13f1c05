"""Bytes: content-addressed objects on any object store; formats by type.

Rule: only here is the object-store client imported.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mainspring.store.formats import load, save
    from mainspring.store.store import Damage, Parts, Store, Stored, open_store
    from mainspring.store.sweep import Sweep

_HOMES = {
    "Damage": "mainspring.store.store",
    "Parts": "mainspring.store.store",
    "Store": "mainspring.store.store",
    "Stored": "mainspring.store.store",
    "Sweep": "mainspring.store.sweep",
    "load": "mainspring.store.formats",
    "open_store": "mainspring.store.store",
    "save": "mainspring.store.formats",
}

__all__ = ["Damage", "Parts", "Store", "Stored", "Sweep", "load", "open_store", "save"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mainspring.store' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
