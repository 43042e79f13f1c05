"""Logistic and ridge regression on scaled numbers and one-hot categories, selected where they are many."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    import optuna

    from mainspring.train.frameworks._shape import Shape


MANY_COLUMNS = 50
"""From so many columns on, keeping only those that tell most by themselves is tried too."""


def build(shape: Shape, params: Mapping[str, Any], *, seed: int, threads: int) -> Any:
    """A pipeline; *params*: ``strength`` of the ridge penalty relative to one row (default 1), ``kept``, ``balanced``.

    ``kept`` is the share of the prepared columns that are kept, by their F statistic (default: all).
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.feature_selection import SelectPercentile, f_classif, f_regression
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
    steps: list[tuple[str, Any]] = [("prepare", ColumnTransformer(parts))]
    if (kept := float(params.get("kept", 1.0))) < 1.0:
        telling = f_regression if shape.regression else f_classif
        steps.append(("select", SelectPercentile(telling, percentile=100 * kept)))
    strength = float(params.get("strength", 1.0))
    if shape.regression:
        return Pipeline([*steps, ("model", Ridge(alpha=strength, random_state=seed))])
    balanced = "balanced" if params.get("balanced") else None
    model = LogisticRegression(C=1.0 / strength, max_iter=200, class_weight=balanced, random_state=seed)
    return Pipeline([*steps, ("model", model)])


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
    with quiet():
        return estimator.fit(X, y, model__sample_weight=weight)


@contextmanager
def quiet() -> Iterator[None]:
    """Without the warnings that a fit has not fully converged, or that a selected-from column is constant."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "Features .* are constant", UserWarning)
        warnings.filterwarnings("ignore", "invalid value encountered", RuntimeWarning)
        warnings.filterwarnings("ignore", "divide by zero encountered", RuntimeWarning)
        yield


def starts(shape: Shape) -> list[dict[str, Any]]:
    """A light penalty on all columns; where they are many, a firm one on a fifth of them."""
    if shape.columns < MANY_COLUMNS:
        return [{"strength": 1.0}]
    return [{"strength": 1.0, "kept": 1.0}, {"strength": 30.0, "kept": 0.2}]


def seconds(shape: Shape, params: Mapping[str, Any]) -> float:
    """Roughly what one fit takes on one thread of a small machine."""
    return 1e-7 * shape.cells


def suggest(trial: optuna.Trial, shape: Shape) -> dict[str, Any]:
    """Vary the penalty, and what is kept of many columns."""
    params = {"strength": trial.suggest_float("strength", 1e-2, 1e4, log=True)}
    if shape.columns >= MANY_COLUMNS:
        params["kept"] = trial.suggest_float("kept", 0.02, 1.0, log=True)
    return params
