"""Mainspring keeps machine-learning models true in production.

The names below are the public surface of the package root; everything loads on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mainspring.core.version import VERSION

if TYPE_CHECKING:
    from mainspring.contract import Contract
    from mainspring.core.errors import MainspringError
    from mainspring.flow.step import step
    from mainspring.operate.backtest import backtest
    from mainspring.project import Project
    from mainspring.workspace import Workspace

__version__ = VERSION

_HOMES = {
    "Contract": "mainspring.contract",
    "MainspringError": "mainspring.core.errors",
    "Project": "mainspring.project",
    "Workspace": "mainspring.workspace",
    "backtest": "mainspring.operate.backtest",
    "step": "mainspring.flow.step",
}

__all__ = ["Contract", "MainspringError", "Project", "Workspace", "__version__", "backtest", "step"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mainspring' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
