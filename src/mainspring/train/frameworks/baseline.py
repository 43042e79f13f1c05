"""The trivial model: class shares, or the mean. Whatever is learned must beat it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import optuna

    from mainspring.train.frameworks._shape import Shape


def build(shape: Shape, params: Mapping[str, Any], *, seed: int, threads: int) -> Any:
    """A dummy estimator; ``statistic`` of *params* is mean (default) or median."""
    from sklearn.dummy import DummyClassifier, DummyRegressor

    if shape.regression:
        return DummyRegressor(strategy=params.get("statistic", "mean"))
    return DummyClassifier(strategy="prior")


def learn(
    estimator: Any,
    X: np.ndarray[Any, Any],
    y: np.ndarray[Any, Any],
    *,
    shape: Shape,
    params: Mapping[str, Any],
    weight: np.ndarray[Any, Any] | None = None,
) -> Any:
    """Fit in place."""
    return estimator.fit(X, y, sample_weight=weight)


def starts(shape: Shape) -> list[dict[str, Any]]:
    """One way only."""
    return [{}]


def seconds(shape: Shape, params: Mapping[str, Any]) -> float:
    """Roughly what one fit takes on one thread of a small machine."""
    return 0.0


def suggest(trial: optuna.Trial, shape: Shape) -> dict[str, Any]:
    """Nothing to vary."""
    return {}
