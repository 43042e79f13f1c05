"""Mainspring's own part in a step: its version, and those of the libraries that the called layer computes with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainspring.core.version import VERSION
from mainspring.project.installed import installed

if TYPE_CHECKING:
    from collections.abc import Iterator

OURS = "mainspring"

_FRAMES = ("narwhals", "numpy", "polars", "pyarrow")
_NUMBERS = (*_FRAMES, "scikit-learn", "scipy")
COMPUTES_WITH: dict[str, tuple[str, ...]] = {
    "data": _NUMBERS,
    "features": _NUMBERS,
    "evaluate": (*_NUMBERS, "fairlearn"),
    "train": (*_NUMBERS, "lightgbm", "optuna"),
}
"""By layer, the distributions that decide what its functions return. A test holds this against the imports."""


def our_libraries(module: str) -> Iterator[tuple[str, str]]:
    """The distributions, with versions, behind a module of Mainspring.

    >>> dict(our_libraries("mainspring.core.errors"))
    {'mainspring': '...'}
    """
    yield OURS, VERSION
    layer = module.split(".")[1] if "." in module else ""
    for name in COMPUTES_WITH.get(layer, ()):
        yield name, installed().version(name) or "not installed"
