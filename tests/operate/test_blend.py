"""A blend is the weighted mean of its models, as one ordinary model."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mainspring.core.errors import InputError
from mainspring.operate.blend import blend, pooled
from mainspring.operate.learner import SpanFits
from mainspring.package import build, verify
from tests.operate import worlds

if TYPE_CHECKING:
    import polars as pl

    from mainspring.core.task import Task
    from mainspring.train.model import Model

WEIGHTS = [0.2, 0.3, 0.5]


def members(frame: pl.DataFrame, task: Task) -> list[Model]:
    fits = SpanFits(frame, worlds.contract(task), window=60)
    return list(fits.at(1_000).models.values())[:3]


@pytest.mark.parametrize(
    ("frame", "task"),
    [(worlds.steady(), "binary"), (worlds.coloured(), "multiclass"), (worlds.rising(), "regression")],
)
def test_the_blend_answers_with_the_weighted_mean_of_raw_scores(frame: pl.DataFrame, task: Task) -> None:
    models = members(frame, task)
    assert len(models) == 3
    rows = frame[1_000:1_150]
    matrix = models[0].encoder.encode(rows)
    raw = sum(
        weight * model.estimator.booster_.predict(matrix, raw_score=True)
        for model, weight in zip(models, WEIGHTS, strict=True)
    )
    one = blend(models, WEIGHTS)
    np.testing.assert_allclose(one.estimator.booster_.predict(matrix, raw_score=True), raw, rtol=1e-9, atol=1e-9)
    together = pooled([model.predict(rows) for model in models], WEIGHTS)
    assert (one.predict(rows).values == together.values).mean() > 0.999 or task == "regression"
    ours, theirs = (p.values if p.scores is None else p.scores for p in (one.predict(rows), together))
    np.testing.assert_allclose(np.asarray(ours, float), np.asarray(theirs, float), rtol=1e-6, atol=1e-9)


def test_a_blend_is_packaged_and_verified_like_any_model() -> None:
    frame = worlds.steady()
    one = blend(members(frame, "binary"), WEIGHTS, meta={"memory": {"all": 1.0}})
    bundle = build(one, contract=worlds.contract(), holdout=frame[1_000:1_300])
    found: Any = verify(bundle)
    assert (found.equal, found.form) == (True, "onnx")
    assert bundle.model().meta["memory"] == {"all": 1.0}


def test_weights_are_normalised_and_tiny_ones_dropped() -> None:
    models = members(worlds.steady(), "binary")
    trees = [model.estimator.booster_.num_trees() for model in models]
    one = blend(models, [6.0, 0.001, 4.0])
    assert one.estimator.booster_.num_trees() == trees[0] + trees[2]
    assert blend(models, [0.0, 1.0, 0.0]).estimator is models[1].estimator


def test_what_does_not_fit_together_is_refused() -> None:
    models = members(worlds.steady(), "binary")
    with pytest.raises(InputError, match="at least one model with a weight above zero"):
        blend(models, [0.0, 0.0, 0.0])
    other = replace(models[1], classes=("maybe", "surely"))
    with pytest.raises(InputError, match="one encoder, the same classes and the same scale"):
        blend([models[0], other], [1.0, 1.0])
