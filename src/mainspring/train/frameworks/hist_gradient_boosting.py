"""Histogram gradient boosting of scikit-learn; category codes are numbers in order of frequency."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import optuna

    from mainspring.train.frameworks._shape import Shape


def build(shape: Shape, params: Mapping[str, Any], *, seed: int, threads: int) -> Any:
    """An estimator; *params*: rounds, rate, leaves, leaf (fewest rows), ridge, share (of columns), loss, balanced."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    common: dict[str, Any] = {
        "max_iter": int(params.get("rounds", 150)),
        "learning_rate": float(params.get("rate", 0.1)),
        "max_leaf_nodes": int(params.get("leaves", 31)),
        "min_samples_leaf": int(params.get("leaf", 20)),
        "l2_regularization": float(params.get("ridge", 0.0)),
        "max_features": float(params.get("share", 1.0)),
        "early_stopping": False,
        "random_state": seed,
        "categorical_features": None,
    }
    if shape.regression:
        loss = "absolute_error" if params.get("loss") == "absolute" else "squared_error"
        return HistGradientBoostingRegressor(**common, loss=loss)
    return HistGradientBoostingClassifier(**common, class_weight="balanced" if params.get("balanced") else None)


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
    """The defaults with half as many rounds again."""
    loss = {"loss": "absolute"} if shape.absolute else {}
    return [{"rounds": 150, "rate": 0.1, "leaves": 31, "leaf": 20, "ridge": 0.01, "share": 1.0, **loss}]


def seconds(shape: Shape, params: Mapping[str, Any]) -> float:
    """Roughly what one fit takes on one thread of a small machine."""
    histograms = 255 * shape.cells / max(shape.rows, 1) * int(params.get("leaves", 31))
    return int(params.get("rounds", 150)) * (8e-9 * shape.cells + 5e-9 * histograms)


def suggest(trial: optuna.Trial, shape: Shape) -> dict[str, Any]:
    """Vary speed, size and restraint."""
    params: dict[str, Any] = {
        "rounds": trial.suggest_int("rounds", 50, 400, log=True),
        "rate": trial.suggest_float("rate", 0.02, 0.3, log=True),
        "leaves": trial.suggest_int("leaves", 7, 127, log=True),
        "leaf": trial.suggest_int("leaf", 2, 100, log=True),
        "ridge": trial.suggest_float("ridge", 1e-3, 30.0, log=True),
        "share": trial.suggest_float("share", 0.3, 1.0),
    }
    if shape.absolute:
        params["loss"] = trial.suggest_categorical("loss", ["absolute", "squared"])
    return params
