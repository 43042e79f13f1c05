"""LightGBM (Ke et al., LightGBM: a highly efficient gradient boosting decision tree, 2017)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import optuna

    from mainspring.train.frameworks._shape import Shape

NAMES = {
    "rounds": "n_estimators",
    "rate": "learning_rate",
    "leaves": "num_leaves",
    "leaf": "min_child_samples",
    "ridge": "reg_lambda",
    "share": "colsample_bytree",
    "draw": "subsample",
    "smooth": "cat_smooth",
    "category_ridge": "cat_l2",
    "depth": "max_depth",
    "bins": "max_bin",
}
"""Our words for the parameters and LightGBM's."""
DEFAULTS: dict[str, Any] = {"rounds": 200, "rate": 0.06, "leaves": 31, "leaf": 20, "ridge": 1.0, "share": 0.8}


def build(shape: Shape, params: Mapping[str, Any], *, seed: int, threads: int) -> Any:
    """An estimator; *params* are the keys of NAMES, ``native`` (it splits categories itself), ``balanced``."""
    import lightgbm

    wanted = {**DEFAULTS, **params}
    settings = {NAMES[name]: value for name, value in wanted.items() if name in NAMES}
    if settings.get("subsample", 1.0) < 1.0:
        settings["subsample_freq"] = 1
    # A table with few rows must still be able to split: a leaf needs at most a twentieth of the rows.
    settings["min_child_samples"] = max(1, min(int(settings["min_child_samples"]), shape.rows // 20))
    settings |= {"random_state": seed, "n_jobs": threads, "verbosity": -1, "deterministic": True}
    settings["force_col_wise" if shape.columns * 20 > shape.rows else "force_row_wise"] = True
    if shape.regression:
        return lightgbm.LGBMRegressor(**settings)
    return lightgbm.LGBMClassifier(**settings, class_weight="balanced" if params.get("balanced") else None)


def learn(
    estimator: Any,
    X: np.ndarray[Any, Any],
    y: np.ndarray[Any, Any],
    *,
    shape: Shape,
    params: Mapping[str, Any],
    weight: np.ndarray[Any, Any] | None = None,
    callbacks: list[Any] | None = None,
    **watched: Any,
) -> Any:
    """Fit in place; *watched* (eval_X, eval_y, eval_metric) lets a search follow the rounds."""
    return estimator.fit(
        X,
        y,
        sample_weight=weight,
        categorical_feature=list(shape.categorical) if params.get("native") else "auto",
        callbacks=callbacks,
        **watched,
    )


def starts(shape: Shape) -> list[dict[str, Any]]:
    """Good defaults."""
    return [dict(DEFAULTS)]


def suggest(trial: optuna.Trial, shape: Shape) -> dict[str, Any]:
    """Vary size and restraint; the rounds are found by following the folds."""
    return {
        "rate": trial.suggest_float("lightgbm.rate", 0.02, 0.15, log=True),
        "leaves": trial.suggest_int("lightgbm.leaves", 7, 255, log=True),
        "leaf": trial.suggest_int("lightgbm.leaf", 3, 200, log=True),
        "ridge": trial.suggest_float("lightgbm.ridge", 1e-2, 100.0, log=True),
        "share": trial.suggest_float("lightgbm.share", 0.2, 1.0),
        "draw": trial.suggest_float("lightgbm.draw", 0.5, 1.0),
    }
