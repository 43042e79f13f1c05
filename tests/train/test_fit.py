"""One quick fit of each kind."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest

from mainspring.core.errors import InputError, NotFound
from mainspring.core.task import TASKS, Task
from mainspring.evaluate.metric import measure
from mainspring.train import Model, fit
from mainspring.train.frameworks import KINDS
from tests.train.tables import contract, table

METRIC = {"binary": "roc_auc", "multiclass": "accuracy", "regression": "r2"}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_learns_every_task_and_beats_the_baseline(kind: str, task: Task) -> None:
    learn, judge = table(task), table(task, seed=1)
    model = fit(learn, contract(task), kind=kind)
    predictions = model.predict(judge)
    value = measure(METRIC[task], judge["y"], predictions, confidence=None).value
    usual = float((judge["y"] == learn["y"].mode()[0]).mean())
    trivial = {"binary": 0.5, "multiclass": usual, "regression": 0.0}[task]
    assert value > trivial + 0.2 if kind != "baseline" else value == pytest.approx(trivial, abs=0.02)
    assert model.kind == kind
    assert model.features == ("a", "b", "noise", "level")
    if task != "regression":
        assert predictions.scores is not None
        assert predictions.scores.sum(axis=1) == pytest.approx(1)
        assert set(predictions.values) <= set(learn["y"])
    assert len(model.predict(judge.head(0))) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_only_standard_classes_are_in_the_estimator(kind: str) -> None:
    """What is not scikit-learn's or LightGBM's own could not be stored without code."""
    model = fit(table("binary"), contract("binary"), kind=kind)
    seen = [model.estimator]
    for part in seen:
        assert type(part).__module__.split(".")[0] in {"sklearn", "lightgbm"}
        nested = [step for _, step in getattr(part, "steps", [])]
        nested += [step[1] for step in getattr(part, "transformers", [])]
        seen += nested


@pytest.mark.parametrize("kind", KINDS)
def test_the_state_is_json_and_restores_the_model(kind: str) -> None:
    learn = table("multiclass")
    model = fit(learn, contract("multiclass"), kind=kind)
    again = Model.restore(json.loads(json.dumps(model.state())), model.estimator)
    assert np.allclose(again.predict(learn).scores, model.predict(learn).scores)  # type: ignore[arg-type]
    assert again.state() == model.state()


@pytest.mark.parametrize("kind", ["linear", "forest", "hist_gradient_boosting", "lightgbm"])
def test_weights_count(kind: str) -> None:
    learn = table("binary")
    heavy = np.where(learn["y"] == "yes", 20.0, 1.0)
    short = {"rounds": 20, "leaf": 20}  # long boosting reproduces the rows it learned from, whatever their weight
    plain, weighted = (
        fit(learn, contract("binary"), kind=kind, params=short, sample_weight=weight) for weight in (None, heavy)
    )
    fresh = table("binary", seed=1)
    assert weighted.predict(fresh).positive.mean() > plain.predict(fresh).positive.mean() + 0.05
    with pytest.raises(InputError, match="one sample weight for each of 300 rows"):
        fit(learn, contract("binary"), sample_weight=[1.0])


def test_labels_keep_their_type() -> None:
    frame = table("regression")
    for values, kinds in (
        (frame["y"] > 0, bool),
        ((frame["y"] > 0).cast(pl.Int64), int),
        ((frame["y"] > 0).cast(pl.String), str),
        ((frame["y"] > 0).cast(pl.String).cast(pl.Categorical), str),
        ((frame["y"] > 0).cast(pl.Float64), float),
    ):
        model = fit(frame.with_columns(values.alias("y")), contract("binary"), kind="linear")
        assert model.classes is not None
        assert [type(label) for label in model.classes] == [kinds, kinds]
        assert set(model.predict(frame).values.tolist()) == set(model.classes)


def test_the_positive_class_comes_second() -> None:
    model = fit(table("binary"), contract("binary", positive="no"), kind="linear")
    assert model.classes == ("yes", "no")
    first, second = fit(table("binary"), contract("binary"), kind="linear"), model
    assert np.allclose(first.predict(table("binary")).positive, 1 - second.predict(table("binary")).positive, atol=1e-3)
    with pytest.raises(InputError, match="counts 'maybe' as positive; target 'y' has no, yes"):
        fit(table("binary"), contract("binary", positive="maybe"))


def test_rows_without_a_target_are_left_out_with_a_note() -> None:
    frame = table("regression").with_columns(
        pl.when(pl.int_range(300) < 3).then(None).when(pl.int_range(300) == 5).then(np.inf).otherwise("y").alias("y")
    )
    model = fit(frame, contract("regression"), kind="linear")
    assert model.meta["rows"] == 296
    assert model.meta["notes"] == ["4 of 300 rows have no target and were left out"]
    weights = np.ones(300)
    assert fit(frame, contract("regression"), sample_weight=weights).meta["rows"] == 296


@pytest.mark.parametrize(
    ("task", "values", "message"),
    [
        ("binary", None, "Column 'y' is needed and missing"),
        ("binary", [None] * 20, "'y' has no value in 20 rows"),
        ("binary", ["a"] * 20, "'y' is 'a' in all 20 rows"),
        ("regression", [1.5] * 20, "'y' is 1.5 in all 20 rows"),
        ("binary", ["a", "b", "c", "a"] * 5, "must have two values, got 3: a, b, c"),
        ("multiclass", [f"c{i}" for i in range(20)], "too many for classes"),
        ("regression", ["much", "little"] * 10, "must hold numbers for a regression, got String such as 'much'"),
        ("regression", [date(2026, 1, 1), date(2026, 1, 2)] * 10, "must hold numbers for a regression"),
    ],
)
def test_a_target_that_cannot_be_learned_is_explained(task: Task, values: Any, message: str) -> None:
    frame = pl.DataFrame({"a": range(20)}) if values is None else pl.DataFrame({"a": range(20), "y": values})
    with pytest.raises(InputError, match=message):
        fit(frame, contract(task))


def test_an_unknown_kind_is_named_with_the_nearest() -> None:
    with pytest.raises(NotFound, match=r"No kind of model named 'lightgmb'. Did you mean lightgbm?"):
        fit(table("binary"), contract("binary"), kind="lightgmb")


def test_where_nothing_informs_the_model_is_the_baseline() -> None:
    frame = pl.DataFrame({"same": ["x"] * 20, "empty": [None] * 20, "y": [0, 1] * 10})
    model = fit(frame, contract("binary"))
    assert model.kind == "baseline"
    assert "no column can inform" in model.meta["notes"][0]
    assert model.predict(frame).positive.tolist() == [0.5] * 20


@pytest.mark.parametrize("kind", KINDS)
def test_awkward_tables_are_learned(kind: str) -> None:
    random = np.random.default_rng(0)
    awkward = pl.DataFrame(
        {
            "infinite": np.where(random.random(40) < 0.3, np.inf, random.normal(size=40)),
            "huge": random.normal(size=40) * 1e300,
            "constant": [1.0] * 40,
            "sparse": [None] * 38 + [1.0, 2.0],
            "id": [f"id{i}" for i in range(40)],
            "seen": [date(2026, 1, 1 + i % 28) for i in range(40)],
            "y": [True, False, None, True] * 10,
        }
    )
    model = fit(awkward, contract("binary"), kind=kind)
    assert not np.isnan(model.predict(awkward).positive).any()
    unseen = awkward.with_columns(pl.lit(None, pl.Float64).alias("sparse"), pl.lit("new").alias("id"))
    assert not np.isnan(model.predict(unseen).positive).any()


def test_a_logarithmic_link_predicts_the_mean_of_the_target() -> None:
    random = np.random.default_rng(0)
    a = random.normal(size=2_000)
    frame = pl.DataFrame({"a": a, "y": np.exp(1 + a + random.normal(size=2_000))})
    model = fit(frame, contract("regression"), params={"scale": "log1p", "leaf": 100, "rounds": 40})
    predictions = model.predict(frame)
    assert predictions.values.mean() == pytest.approx(frame["y"].to_numpy().mean(), rel=0.02)
    assert model.link.smear > 1.2  # exp of the mean logarithm alone would be far too low
    assert Model.restore(model.state(), model.estimator).link == model.link


def test_a_pandas_frame_is_accepted() -> None:
    frame = table("binary")
    model = fit(frame.to_pandas(use_pyarrow_extension_array=False), contract("binary"), kind="linear")
    assert len(model.predict(frame)) == 300


def test_equal_arguments_give_equal_models() -> None:
    frame = table("multiclass")
    for kind in KINDS:
        one, two = (fit(frame, contract("multiclass"), kind=kind, seed=3).predict(frame).scores for _ in range(2))
        assert np.array_equal(one, two)  # type: ignore[arg-type]


def test_a_linear_model_can_keep_the_telling_few_of_many_columns() -> None:
    random = np.random.default_rng(0)
    X = random.normal(size=(300, 120))
    frame = pl.DataFrame(X, schema=[f"c{i}" for i in range(120)])
    frame = frame.with_columns(pl.Series("y", X[:, 7] - X[:, 9] + random.normal(size=300) > 0))
    model = fit(frame, contract("binary"), kind="linear", params={"kept": 0.05})
    kept = model.estimator.named_steps["select"].get_support(indices=True)
    assert len(kept) == 6
    assert {7, 9} <= set(kept)
