"""What a packaged model needs to run: Python and the exact versions of the distributions in use."""

from __future__ import annotations

import platform
import sys
from importlib import metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SCORING = ("mainspring", "lightgbm", "numpy", "onnxruntime", "polars", "scikit-learn", "scipy", "skops")
"""What scoring may load, whether or not this process has loaded it."""


def python_version() -> str:
    """The interpreter's version.

    >>> python_version().count(".")
    2
    """
    return platform.python_version()


def locked(extra: Iterable[str] = ()) -> dict[str, str]:
    """Versions by distribution: what scoring may load, what this process has loaded, and *extra* names."""
    by_module = metadata.packages_distributions()
    loaded = {name for module in list(sys.modules) if "." not in module for name in by_module.get(module, ())}
    versions = {}
    for name in sorted({*SCORING, *extra, *loaded}, key=str.casefold):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue  # an extra that is not installed is not needed to score
    return versions


def requirements(versions: Mapping[str, str]) -> str:
    """The lock in the form that pip reads."""
    return "".join(f"{name}=={version}\n" for name, version in versions.items())


def changed(recorded: Mapping[str, str]) -> dict[str, tuple[str, str | None]]:
    """Distributions whose version here differs from the *recorded* one: name → (recorded, here or None).

    Only what scoring loads is compared: a newer plotting library does not change a prediction.
    """
    here = locked()
    return {
        name: (version, here.get(name))
        for name, version in recorded.items()
        if name in SCORING and here.get(name) != version
    }
