"""Logistic and ridge regression on scaled numbers and one-hot categories."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import optuna

    from mainspring.train.frameworks._shape import Shape


def build(shape: Shape, params: Mapping[str, Any], *, seed: int, threads: int) -> Any:
    """A pipeline; *params*: ``strength`` of the ridge penalty relative to one row (default 1), ``balanced``."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = Pipeline(
        [("impute", SimpleImputer(strategy="median", keep_empty_features=True)), ("scale", StandardScaler())]
    )
    parts: list[tuple[str, Any, list[int]]] = []
    if shape.numeric:
        parts.append(("numbers", numbers, list(shape.numeric)))
    if shape.categorical:
        parts.append(("categories", OneHotEncoder(handle_unknown="ignore"), list(shape.categorical)))
    strength = float(params.get("strength", 1.0))
    if shape.regression:
        model: Any = Ridge(alpha=strength, random_state=seed)
    else:
        balanced = "balanced" if params.get("balanced") else None
        model = LogisticRegression(C=1.0 / strength, max_iter=200, class_weight=balanced, random_state=seed)
    return Pipeline([("prepare", ColumnTransformer(parts)), ("model", model)])


def learn(
    estimator: Any,
    X: np.ndarray[Any, Any],
    y: np.ndarray[Any, Any],
    *,
    shape: Shape,
    params: Mapping[str, Any],
    weight: np.ndarray[Any, Any] | None = None,
) -> Any:
    """Fit in place. A fit that has not fully converged is kept: the folds judge it."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(X, y, model__sample_weight=weight)


def starts(shape: Shape) -> list[dict[str, Any]]:
    """A light penalty."""
    return [{"strength": 1.0}]


def seconds(shape: Shape, params: Mapping[str, Any]) -> float:
    """Roughly what one fit takes on one thread of a small machine."""
    return 1e-7 * shape.cells


def suggest(trial: optuna.Trial, shape: Shape) -> dict[str, Any]:
    """Vary the penalty."""
    return {"strength": trial.suggest_float("strength", 1e-2, 1e4, log=True)}
