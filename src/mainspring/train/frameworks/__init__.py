"""One file for each kind of estimator: how it is built and fitted, where its search begins and what it varies."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

from mainspring.core.errors import NotFound
from mainspring.train.frameworks._shape import Shape
from mainspring.train.threads import be_patient

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import optuna

KINDS = ("baseline", "linear", "forest", "hist_gradient_boosting", "lightgbm")

__all__ = ["KINDS", "Framework", "Shape", "framework"]


class Framework(Protocol):
    """What each file of this folder offers as plain functions.

    Only classes of scikit-learn and LightGBM may appear in what ``build`` returns, so that a model can be stored
    and converted without running code from a file.
    """

    def build(self, shape: Shape, params: Mapping[str, Any], *, seed: int, threads: int) -> Any:
        """An unfitted estimator for the float32 matrix; absent *params* take good defaults."""

    def learn(
        self,
        estimator: Any,
        X: np.ndarray[Any, Any],
        y: np.ndarray[Any, Any],
        *,
        shape: Shape,
        params: Mapping[str, Any],
        weight: np.ndarray[Any, Any] | None = None,
    ) -> Any:
        """Fit *estimator* in place and return it."""

    def starts(self, shape: Shape) -> list[dict[str, Any]]:
        """Well-known good parameters, tried before anything is searched; the first comes first."""

    def seconds(self, shape: Shape, params: Mapping[str, Any]) -> float:
        """Roughly what one fit takes on one thread of a small machine."""

    def suggest(self, trial: optuna.Trial, shape: Shape) -> dict[str, Any]:
        """Parameters chosen by *trial*."""


def framework(kind: str) -> Framework:
    """The framework called *kind*. Raises NotFound with the nearest one."""
    if kind not in KINDS:
        raise NotFound.among("kind of model", kind, KINDS)
    be_patient()
    return cast("Framework", import_module(f"mainspring.train.frameworks.{kind}"))
