"""The whole evaluation on real rows, stored and read back."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mainspring.contract import Contract
from mainspring.core.errors import InputError, NotFound
from mainspring.core.predictions import Predictions
from mainspring.evaluate import Evaluation, evaluate
from mainspring.evaluate.behaviour import direction, invariance

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.core.predictions import Predictor
    from mainspring.core.task import Task


@dataclass(frozen=True)
class Fitted:
    """A scikit-learn estimator as a predictor."""

    task: Task
    target: str
    features: tuple[str, ...]
    classes: tuple[Any, ...] | None
    estimator: Any

    def predict(self, frame: pl.DataFrame) -> Predictions:
        X = frame.select(self.features).to_numpy()
        if self.classes is None:
            return Predictions(self.estimator.predict(X))
        scores = self.estimator.predict_proba(X)
        return Predictions(np.array(self.classes, dtype=object)[scores.argmax(axis=1)], scores, self.classes)


if TYPE_CHECKING:
    _fits: Predictor = Fitted("binary", "", (), None, None)


def fitted(loader: Any, task: Task, *, columns: int = 6, seed: int = 0) -> tuple[Fitted, pl.DataFrame, Contract]:
    """A model of the first *columns* of a bundled data set, its held-out half and a contract for it."""
    data = loader()
    names = tuple(f"x{i}" for i in range(columns))
    X = data.data[:, :columns]
    frame = pl.DataFrame(X, schema=list(names)).with_columns(
        group=pl.Series(np.where(X[:, 0] > np.median(X[:, 0]), "high", "low"))
    )
    target = data.target if task == "regression" else np.array([f"c{label}" for label in data.target])
    frame = frame.with_columns(y=pl.Series(target))
    order = np.random.default_rng(seed).permutation(len(frame))
    train, held = frame[order[::2].tolist()], frame[order[1::2].tolist()]
    model = LinearRegression() if task == "regression" else make_pipeline(StandardScaler(), LogisticRegression())
    model.fit(train.select(names).to_numpy(), train["y"].to_numpy())
    classes = None if task == "regression" else tuple(sorted(set(target)))
    text = f'[project]\nname = "t"\ntask = "{task}"\ntarget = "y"\n[columns.y]\n'
    text += f'type = "{"number" if task == "regression" else "category"}"\n'
    text += "".join(f'[columns.{name}]\ntype = "number"\n' for name in names)
    text += '[columns.group]\ntype = "category"\nsensitive = true\nrole = "ignore"\n'
    return Fitted(task, "y", names, classes, model), held, Contract.parse(text)


@pytest.mark.parametrize(
    ("loader", "task"), [(load_breast_cancer, "binary"), (load_wine, "multiclass"), (load_diabetes, "regression")]
)
def test_an_evaluation_is_stored_and_read_back_whole(loader: Any, task: Task) -> None:
    model, held, contract = fitted(loader, task)
    found = evaluate(model, held, contract, champion=model)
    text = json.dumps(found.as_dict(), allow_nan=False)
    assert Evaluation.from_dict(json.loads(text)).as_dict() == found.as_dict()
    assert found.rows == len(held)
    assert found.metrics[found.metric].low is not None
    assert found.gains[found.metric].value == 0.0  # the champion is the model itself
    assert found.baseline[found.metric] != found.metrics[found.metric].value
    assert [one.column for one in found.fairness] == ["group"]
    assert found.slices.looked_at >= 2
    if task != "regression":
        assert found.confusion is not None
        assert sum(map(sum, found.confusion.counts)) == len(held)
        accuracy = sum(row[i] for i, row in enumerate(found.confusion.counts)) / len(held)
        assert found.metrics["accuracy"].value == pytest.approx(accuracy)
        assert sum(quality.support for quality in found.per_class) == len(held)


def test_the_headline_is_what_the_contract_asks_for_first() -> None:
    model, held, contract = fitted(load_breast_cancer, "binary")
    assert evaluate(model, held, contract).metric == "roc_auc"
    asked = Contract.parse(
        '[project]\nname = "t"\ntask = "binary"\ntarget = "y"\n[columns.y]\ntype = "category"\n'
        '[[require]]\nmetric = "f1"\nat_least = 0.99999\n[[require]]\nmetric = "accuracy"\nat_least = 0.5\n'
    )
    found = evaluate(model, held, asked)
    assert found.metric == found.slices.metric == "f1"
    assert [verdict.result for verdict in found.verdicts] == ["fail", "pass"]
    assert not found.passed


def test_rows_without_truth_and_labels_never_seen_are_said() -> None:
    model, held, contract = fitted(load_wine, "multiclass")
    odd = held.with_columns(
        y=pl.when(pl.int_range(pl.len()) < 5)
        .then(None)
        .when(pl.int_range(pl.len()) < 7)
        .then(pl.lit("new"))
        .otherwise("y")
    )
    found = evaluate(model, odd, contract)
    assert (found.rows, found.unlabelled) == (len(held) - 5, 5)
    assert found.notes == (
        f"5 of {len(held)} rows have no known truth and were left out.",
        "The truth has labels the model never saw: new. They count as errors.",
    )


def test_rows_that_cannot_be_evaluated_are_explained() -> None:
    model, held, contract = fitted(load_breast_cancer, "binary")
    with pytest.raises(InputError, match="no column 'y', the target"):
        evaluate(model, held.drop("y"), contract)
    with pytest.raises(InputError, match="None of the 284 rows to evaluate on has a known 'y'"):
        evaluate(model, held.with_columns(y=pl.lit(None, dtype=pl.String)), contract)
    with pytest.raises(InputError, match="This is not an evaluation"):
        Evaluation.from_dict({"task": "binary"})
    with pytest.raises(InputError, match="format 99"):
        Evaluation.from_dict({"format": 99})


def test_one_class_in_the_holdout_is_evaluated_as_far_as_it_goes() -> None:
    model, held, contract = fitted(load_breast_cancer, "binary")
    found = evaluate(model, held.filter(pl.col("y") == "c1"), contract)
    assert math.isnan(found.metrics["roc_auc"].value)
    assert found.metrics["accuracy"].value > 0.8
    assert found.threshold is None
    assert found.slices.found == ()
    json.dumps(found.as_dict(), allow_nan=False)


def test_behaviour_counts_what_breaks_the_expectation() -> None:
    model, held, _ = fitted(load_diabetes, "regression")
    slopes = dict(zip(model.features, model.estimator.coef_, strict=True))
    for name in ("x2", "x4"):
        rising = "up" if slopes[name] > 0 else "down"
        kept = direction(model, held, name, by=0.01, expected=rising)  # type: ignore[arg-type]  # one of the two
        assert (kept.share, kept.rows) == (0.0, len(held))
        assert kept.mean_change == pytest.approx(abs(slopes[name]) * 0.01)
        other = direction(model, held, name, by=-0.01, expected=rising)  # type: ignore[arg-type]  # one of the two
        assert other.share == 1.0
    assert invariance(model, held, "x2").share == 1.0
    with pytest.raises(NotFound, match="No feature of the model named 'group'"):
        invariance(model, held, "group")
    with pytest.raises(InputError, match="fewer than two values"):
        invariance(model, held.with_columns(x1=pl.lit(1.0)), "x1")


@pytest.mark.slow
def test_adult_is_as_fair_as_its_baseline_says(shared_data: Path) -> None:
    """Cross-validated gradient boosting, figures of the data folder's README."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    from mainspring.evaluate.group import compare
    from mainspring.evaluate.metric import Setting
    from mainspring.evaluate.outcome import Outcome

    frame = pl.read_parquet(shared_data / "adult.parquet")
    table = frame.drop("income", "split").to_pandas()
    for name in table.columns:
        if table[name].dtype.kind not in "if":
            table[name] = table[name].astype("category")
    scores = cross_val_predict(
        HistGradientBoostingClassifier(random_state=0, categorical_features="from_dtype"),
        table,
        (frame["income"] == ">50K").to_numpy(),
        cv=StratifiedKFold(5, shuffle=True, random_state=0),
        method="predict_proba",
    )
    said = Predictions(np.where(scores[:, 1] >= 0.5, ">50K", "<=50K"), scores, ("<=50K", ">50K"))
    outcome = Outcome.of(frame["income"], said)
    by_sex = compare(outcome, frame["sex"], metric="roc_auc", setting=Setting(resamples=50))
    assert by_sex.metrics["demographic_parity_difference"].value == pytest.approx(0.1772, abs=2e-4)
    assert by_sex.metrics["demographic_parity_ratio"].value == pytest.approx(0.3124, abs=2e-4)
    assert by_sex.metrics["equalized_odds_difference"].value == pytest.approx(0.0764, abs=2e-4)
    male, female = by_sex.groups
    assert (male.name, male.rows, female.rows) == ("Male", 32_650, 16_192)
    assert male.true_positive_rate is not None
    assert male.true_positive_rate.value == pytest.approx(0.6637, abs=2e-4)
    by_race = compare(outcome, frame["race"], metric="roc_auc", setting=Setting(resamples=50))
    assert by_race.metrics["equalized_odds_difference"].value == pytest.approx(0.1699, abs=2e-4)
