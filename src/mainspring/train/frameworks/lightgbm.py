"""LightGBM (Ke et al., LightGBM: a highly efficient gradient boosting decision tree, 2017)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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
MOST_ROUNDS = 2_000
USUAL_ROUNDS = 400
MANY_COLUMNS = 300


def build(shape: Shape, params: Mapping[str, Any], *, seed: int, threads: int) -> Any:
    """An estimator; *params*: keys of NAMES, ``native`` (it splits categories itself), ``loss``, ``balanced``."""
    import lightgbm

    wanted = {**DEFAULTS, "bins": _bins(shape), **params}
    settings = {NAMES[name]: value for name, value in wanted.items() if name in NAMES}
    if settings.get("subsample", 1.0) < 1.0:
        settings["subsample_freq"] = 1
    # A table with few rows must still be able to split: a leaf needs at most a twentieth of the rows.
    settings["min_child_samples"] = max(1, min(int(settings["min_child_samples"]), shape.rows // 20))
    settings |= {"random_state": seed, "n_jobs": threads, "verbosity": -1, "deterministic": True}
    settings["force_col_wise" if shape.columns * 20 > shape.rows else "force_row_wise"] = True
    if shape.regression:
        objective = "regression_l1" if wanted.get("loss") == "absolute" else "regression"
        return lightgbm.LGBMRegressor(**settings, objective=objective)
    return lightgbm.LGBMClassifier(**settings, class_weight="balanced" if params.get("balanced") else None)


def learn(
    estimator: Any,
    X: np.ndarray[Any, Any],
    y: np.ndarray[Any, Any],
    *,
    shape: Shape,
    params: Mapping[str, Any],
    weight: np.ndarray[Any, Any] | None = None,
    **watched: Any,
) -> Any:
    """Fit in place; *watched* (eval_X, eval_y, callbacks) lets a search follow the rounds."""
    native = list(shape.categorical) if params.get("native") else "auto"
    return estimator.fit(X, y, sample_weight=weight, categorical_feature=native, **watched)


def follow(
    estimator: Any,
    X: np.ndarray[Any, Any],
    y: np.ndarray[Any, Any],
    judged: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]],
    *,
    shape: Shape,
    params: Mapping[str, Any],
    metric: str,
    late: Callable[[], bool],
) -> list[float]:
    """Fit in place, many rounds, until the *judged* rows show no gain for a while or it is *late*.

    Gives the loss on the judged rows after each round (less is better), on the learning scale.
    """
    import lightgbm
    import numpy as np

    rate = float(estimator.learning_rate)
    own = _watched(metric, shape)
    estimator.set_params(n_estimators=min(MOST_ROUNDS, max(100, int(80 / rate))), metric=own)

    def stop(environment: Any) -> None:
        if late():
            raise lightgbm.callback.EarlyStopException(environment.iteration, environment.evaluation_result_list)

    patient = lightgbm.early_stopping(max(20, int(3 / rate)), verbose=False)
    truth = judged[1]
    if shape.classes:  # LightGBM numbers the classes it learns from, but takes those in eval_y as they are
        truth = np.searchsorted(np.unique(y), truth)
    learn(estimator, X, y, shape=shape, params=params, eval_X=judged[0], eval_y=truth, callbacks=[patient, stop])
    (history,) = (values[own] for values in estimator.evals_result_.values())
    return [-value for value in history] if own in {"auc", "average_precision"} else list(history)


def _watched(metric: str, shape: Shape) -> str:
    """LightGBM's own metric that stands for ours while rounds are added."""
    if shape.regression:
        return {"mae": "l1", "median_absolute_error": "l1", "mape": "mape"}.get(metric, "l2")
    if shape.task == "multiclass":
        return "multi_logloss"
    return {"roc_auc": "auc", "average_precision": "average_precision"}.get(metric, "binary_logloss")


def starts(shape: Shape) -> list[dict[str, Any]]:
    """From all-round over cautious (noisy tables) to eager (clean tables with fine structure)."""
    usual: dict[str, Any] = {"rate": 0.06, "leaves": 31, "leaf": 20, "ridge": 1.0, "share": 0.8, "draw": 1.0}
    starts = [
        usual,
        usual | {"rate": 0.04, "leaves": 15, "leaf": 60, "ridge": 10.0, "share": 0.4, "draw": 0.8},
        usual | {"rate": 0.05, "leaves": 95, "leaf": 8, "ridge": 3.0, "share": 0.5, "draw": 0.8},
    ]
    extras: dict[str, Any] = {"native": False} if shape.categorical else {}
    if shape.skewed:
        extras["scale"] = "identity"
        starts.insert(1, usual | {"scale": "log1p"})
    if shape.absolute:
        extras["loss"] = "absolute"
        starts.insert(2, starts[1] | {"loss": "squared"})
    if shape.categorical:
        starts.append(starts[1] | {"native": True})
    return [extras | start for start in starts]


def seconds(shape: Shape, params: Mapping[str, Any]) -> float:
    """Roughly what one fit takes on one thread of a small machine."""
    histograms = _bins(shape) * shape.cells / max(shape.rows, 1) * int(params.get("leaves", 31))
    return USUAL_ROUNDS * (6e-9 * shape.cells + 5e-9 * histograms)


def _bins(shape: Shape) -> int:
    """Histograms of fewer bins where there are many columns: they, not the rows, then take the time."""
    return 63 if shape.columns > MANY_COLUMNS else 255


def suggest(trial: optuna.Trial, shape: Shape) -> dict[str, Any]:
    """Vary size and restraint; the rounds are found by following the folds."""
    params: dict[str, Any] = {
        "rate": trial.suggest_float("rate", 0.03, 0.15, log=True),
        "leaves": trial.suggest_int("leaves", 6, 255, log=True),
        "leaf": trial.suggest_int("leaf", 2, 200, log=True),
        "ridge": trial.suggest_float("ridge", 1e-2, 100.0, log=True),
        "share": trial.suggest_float("share", 0.2, 1.0),
        "draw": trial.suggest_float("draw", 0.5, 1.0),
    }
    if shape.categorical:
        params["native"] = trial.suggest_categorical("native", [False, True])
    if shape.absolute:
        params["loss"] = trial.suggest_categorical("loss", ["absolute", "squared"])
    if shape.skewed:
        params["scale"] = trial.suggest_categorical("scale", ["identity", "log1p"])
    return params
