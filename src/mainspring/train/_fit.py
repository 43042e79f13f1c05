"""One quick fit, without a search."""

from __future__ import annotations

import time
from contextlib import nullcontext
from functools import cache
from typing import TYPE_CHECKING, Any

from mainspring.core.errors import InputError
from mainspring.core.frames import as_frame
from mainspring.features.encoder import Encoder
from mainspring.train import threads
from mainspring.train.frameworks import Shape, framework
from mainspring.train.link import SMEAR_ROWS, Link
from mainspring.train.model import Model
from mainspring.train.target import Target

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import polars as pl

    from mainspring.contract import Contract

    Array = np.ndarray[Any, Any]

UNCOUNTED = {"linear", "hist_gradient_boosting"}
"""Kinds that take no thread count, so that the libraries below them have to be held."""


def fit(
    frame: pl.DataFrame,
    contract: Contract,
    *,
    kind: str = "lightgbm",
    params: Mapping[str, Any] | None = None,
    seed: int = 0,
    sample_weight: Sequence[float] | Array | None = None,
) -> Model:
    """Fit one model of *kind* (see ``mainspring.train.frameworks``) on every row of *frame* that has a target.

    The features are the contract's, or, where it declares no column, all but the target, time and entity columns.
    *sample_weight* has one number for each row of *frame*. Where no column can inform, the model is the baseline and
    says so in ``meta["notes"]``. Raises InputError for a missing column, a wrong type or an unusable target.
    """
    import numpy as np

    begun = time.perf_counter()
    frame = as_frame(frame)
    weight = None
    if sample_weight is not None:
        weight = np.asarray(sample_weight, np.float64)
        if weight.shape != (len(frame),):
            raise InputError(f"Expected one sample weight for each of {len(frame)} rows, got {weight.shape}.")
        import polars as pl

        weighted = frame.with_columns(pl.Series("__weight", weight))
        target = Target.of(weighted, contract)
        weight = target.frame["__weight"].to_numpy()
    else:
        target = Target.of(frame, contract)
    encoder = Encoder.fit(target.frame, features_of(frame, contract), contract.columns)
    model = fit_encoded(target, encoder, contract, kind=kind, params=params or {}, seed=seed, weight=weight)
    model.meta["seconds"] = time.perf_counter() - begun
    return model


def fit_encoded(
    target: Target,
    encoder: Encoder,
    contract: Contract,
    *,
    kind: str,
    params: Mapping[str, Any],
    seed: int = 0,
    weight: Array | None = None,
) -> Model:
    """Fit one model of *kind* on the rows of *target*, encoded by *encoder*."""
    notes = list(target.notes)
    if not encoder.outputs and kind != "baseline":
        kind, params = "baseline", {}
        notes.append("no column can inform: " + "; ".join(f"{name}: {why}" for name, why in encoder.dropped.items()))
    shape = Shape.of(encoder, contract.project.task, len(target.y), len(target.classes or ()))
    link = Link.fit(params.get("scale", "identity"), target.y) if shape.regression else Link()
    chosen = framework(kind)
    matrix = encoder.encode(target.frame)
    workers = threads.suited(matrix.size)
    estimator = chosen.build(shape, params, seed=seed, threads=workers)
    with threads.limited(workers) if kind in UNCOUNTED else nullcontext():
        chosen.learn(estimator, matrix, link.forward(target.y), shape=shape, params=params, weight=weight)
    if link.scale != "identity" and params.get("loss") != "absolute":  # the median needs no smearing
        some = slice(None, None, max(1, len(matrix) // SMEAR_ROWS))
        link = link.smeared(target.y[some], estimator.predict(matrix[some]))
    if hasattr(last_step(estimator), "n_jobs"):
        last_step(estimator).n_jobs = None  # of the machine it was fitted on, not of the model
    return Model(
        task=contract.project.task,
        target=contract.project.target,
        features=encoder.columns,
        classes=target.classes,
        encoder=encoder,
        estimator=estimator,
        link=link,
        meta={
            "kind": kind,
            "params": dict(params),
            "rows": len(target.y),
            "seed": seed,
            "notes": notes,
            "dropped": dict(encoder.dropped),
            "versions": dict(versions(kind)),
        },
    )


def last_step(estimator: Any) -> Any:
    """The model itself: the last step of a pipeline, or the estimator."""
    return estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator


def features_of(frame: pl.DataFrame, contract: Contract) -> tuple[str, ...]:
    """The contract's features, or every column but the target, time and entity where it declares no column."""
    if contract.columns:
        return contract.features
    roles = {contract.project.target, contract.project.time, contract.project.entity}
    return tuple(name for name in frame.columns if name not in roles)


@cache
def versions(kind: str) -> dict[str, str]:
    """The versions of the libraries that a model of *kind* was made with."""
    from importlib.metadata import version

    names = ["lightgbm", "scikit-learn"] if kind == "lightgbm" else ["scikit-learn"]
    return {name: version(name) for name in [*names, "numpy", "polars"]}
