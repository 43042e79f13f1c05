"""Tables: read, profile, check, clean, split, diff, propose. Rule: pure; frames in, frames and findings out."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mainspring.data.check import check
    from mainspring.data.clean import clean
    from mainspring.data.diff import diff
    from mainspring.data.profile import profile
    from mainspring.data.propose import propose
    from mainspring.data.read import read
    from mainspring.data.split import Split, split

__all__ = ["Split", "check", "clean", "diff", "profile", "propose", "read", "split"]


class _Verbs(ModuleType):
    """A package whose files are named after the verb they hold.

    Importing ``mainspring.data.check`` would bind the *module* as ``check`` here; the verb is bound in its place, so
    that ``from mainspring.data import check`` gives the function whatever was imported before.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if name in __all__ and isinstance(value, ModuleType):
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Verbs


def __getattr__(name: str) -> Any:
    """Load a verb on first use: none of them is needed to import the package."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{name.lower()}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
