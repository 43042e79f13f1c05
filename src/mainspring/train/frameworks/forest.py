"""Random forest (Breiman, Random forests, 2001) on imputed numbers and category codes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import optuna

    from mainspring.train.frameworks._shape import Shape

ROWS_PER_TREE = 12_000
"""Each tree draws at most so many rows: beyond that, trees cost time and memory and hardly learn more."""


def build(shape: Shape, params: Mapping[str, Any], *, seed: int, threads: int) -> Any:
    """A pipeline; *params*: ``trees``, ``leaf`` (fewest rows), ``share`` (of columns at a split), ``balanced``."""
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline

    common: dict[str, Any] = {
        "n_estimators": int(params.get("trees", 100)),
        "min_samples_leaf": int(params.get("leaf", 2)),
        "max_features": float(params.get("share", _share(shape))),
        "max_samples": min(1.0, ROWS_PER_TREE / max(shape.rows, 1)),
        "random_state": seed,
        "n_jobs": threads,
    }
    if shape.regression:
        model: Any = RandomForestRegressor(**common)
    else:
        model = RandomForestClassifier(**common, class_weight="balanced" if params.get("balanced") else None)
    return Pipeline([("impute", SimpleImputer(strategy="median", keep_empty_features=True)), ("model", model)])


def _share(shape: Shape) -> float:
    """Two fifths of few columns, three times the square root of many."""
    return min(0.4, 3.0 / math.sqrt(max(shape.columns, 1)))


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
    """A forest of moderate size, with small leaves for numbers and larger ones for chances."""
    return [{"leaf": 1 if shape.regression else 3, "share": _share(shape)}]


def seconds(shape: Shape, params: Mapping[str, Any]) -> float:
    """Roughly what one fit takes on one thread of a small machine."""
    rows = min(shape.rows, ROWS_PER_TREE)
    looked_at = rows * max(1.0, float(params.get("share", _share(shape))) * shape.columns)
    return 4e-8 * int(params.get("trees", 100)) * looked_at * math.log2(rows + 2)


def suggest(trial: optuna.Trial, shape: Shape) -> dict[str, Any]:
    """Vary leaves and the columns at a split."""
    return {
        "leaf": trial.suggest_int("leaf", 1, 30, log=True),
        "share": trial.suggest_float("share", 0.02, 1.0, log=True),
    }
