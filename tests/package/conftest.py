"""Small fitted models of every kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from mainspring.contract import Column, Contract, ProjectSection
from mainspring.train import fit

if TYPE_CHECKING:
    from mainspring.core.task import Task
    from mainspring.train.model import Model

KINDS = ("baseline", "linear", "forest", "hist_gradient_boosting", "lightgbm")
TASKS: tuple[Task, ...] = ("binary", "multiclass", "regression")


def table(rows: int = 600, *, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 90, rows).astype(float)
    # steps of a tenth are not exact in float32, so that thresholds fall on values the data holds
    score = np.round(rng.normal(size=rows), 1)
    town = rng.choice(["aa", "bb", "cc", "dd"], rows)
    signal = (age - 50) / 20 + score + (town == "bb") + rng.normal(size=rows) / 2
    absent = pl.Series(rng.random(rows) < 0.1)
    return pl.DataFrame(
        {
            "age": pl.Series(np.where(absent, np.nan, age)).fill_nan(None),
            "score": score,
            "town": pl.Series(town).set(absent.reverse(), None),
            "name": [f"person {i}" for i in range(rows)],
            "binary": signal > 0,
            "multiclass": np.select([signal < -1, signal < 1], ["low", "middle"], "high"),
            "regression": signal * 1000,
        }
    )


def contract(task: Task) -> Contract:
    columns = {
        "age": Column(name="age", type="number"),
        "score": Column(name="score", type="number"),
        "town": Column(name="town", type="category", personal=True),
        task: Column(name=task, type={"binary": "boolean", "multiclass": "category", "regression": "number"}[task]),  # type: ignore[arg-type]
    }
    return Contract(project=ProjectSection(name="demo", task=task, target=task), columns=columns)


@pytest.fixture(scope="session", params=[(kind, task) for kind in KINDS for task in TASKS], ids=lambda p: "-".join(p))
def model(request: pytest.FixtureRequest) -> Model:
    kind, task = request.param
    params = (
        {"rounds": 40} if kind in ("lightgbm", "hist_gradient_boosting") else {"trees": 20} if kind == "forest" else {}
    )
    return fit(table(), contract(task), kind=kind, params=params)


@pytest.fixture(scope="session")
def lightgbm() -> Model:
    return fit(table(), contract("binary"), kind="lightgbm", params={"rounds": 40})
