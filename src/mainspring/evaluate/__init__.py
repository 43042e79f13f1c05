"""Metrics, slices, fairness, calibration, business value. Rule: pure; truth and predictions in, estimates out."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mainspring.evaluate.assess import evaluate
    from mainspring.evaluate.evaluation import Evaluation
    from mainspring.evaluate.metric import difference, measure
    from mainspring.evaluate.requirements import verdicts

_HOMES = {
    "Evaluation": "mainspring.evaluate.evaluation",
    "difference": "mainspring.evaluate.metric",
    "evaluate": "mainspring.evaluate.assess",
    "measure": "mainspring.evaluate.metric",
    "verdicts": "mainspring.evaluate.requirements",
}

__all__ = ["Evaluation", "difference", "evaluate", "measure", "verdicts"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mainspring.evaluate' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
