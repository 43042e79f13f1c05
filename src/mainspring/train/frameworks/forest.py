"""Random forest (Breiman, Random forests, 2001) on imputed numbers and category codes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import optuna

    from mainspring.train.frameworks._shape import Shape

ROWS_PER_TREE = 20_000
"""Each tree draws at most so many rows: beyond that, trees cost time and memory and hardly learn more."""


def build(shape: Shape, params: Mapping[str, Any], *, seed: int, threads: int) -> Any:
    """A pipeline; *params*: ``trees``, ``leaf`` (fewest rows), ``share`` (of columns at a split), ``balanced``."""
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline

    common: dict[str, Any] = {
        "n_estimators": int(params.get("trees", 100)),
        "min_samples_leaf": int(params.get("leaf", 2)),
        "max_features": float(params.get("share", 0.4)),
        "max_samples": min(1.0, ROWS_PER_TREE / max(shape.rows, 1)),
        "random_state": seed,
        "n_jobs": threads,
    }
    if shape.regression:
        model: Any = RandomForestRegressor(**common)
    else:
        model = RandomForestClassifier(**common, class_weight="balanced" if params.get("balanced") else None)
    return Pipeline([("impute", SimpleImputer(strategy="median", keep_empty_features=True)), ("model", model)])


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
    return estimator.fit(X, y, model__sample_weight=weight)


def starts(shape: Shape) -> list[dict[str, Any]]:
    """A forest of moderate size."""
    return [{"trees": 100, "leaf": 2, "share": 0.4}]


def suggest(trial: optuna.Trial, shape: Shape) -> dict[str, Any]:
    """Vary leaves and the columns at a split."""
    return {
        "trees": 150,
        "leaf": trial.suggest_int("forest.leaf", 1, 30, log=True),
        "share": trial.suggest_float("forest.share", 0.1, 1.0),
    }
