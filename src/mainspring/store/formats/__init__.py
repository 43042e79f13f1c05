"""From Python values to named parts and back.

Rule: loading never runs code from the file; what may be made is listed here.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mainspring.store.formats.registry import Entry, register
    from mainspring.store.formats.value import load, save

_HOMES = {
    "Entry": "mainspring.store.formats.registry",
    "load": "mainspring.store.formats.value",
    "register": "mainspring.store.formats.registry",
    "save": "mainspring.store.formats.value",
}

__all__ = ["Entry", "load", "register", "save"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mainspring.store.formats' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
