"""A small shop with columns of every kind, and bundles of models for it."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache
from typing import Any

import numpy as np
import polars as pl

from mainspring.contract import Contract
from mainspring.package import Bundle, build
from mainspring.train import fit

CONTRACT = """
[project]
name = "shop"
task = "binary"
target = "bought"
entity = "customer"

[monitor]
label_delay = "2d"

[columns.customer]
type = "text"
personal = true
[columns.age]
type = "integer"
minimum = 18
maximum = 120
nullable = false
[columns.spent]
type = "number"
minimum = 0.0
[columns.member]
type = "boolean"
[columns.town]
type = "category"
categories = ["bo", "ulm", "köln"]
[columns.shelf]
type = "category"
categories = ["1", "2", "3"]
[columns.code]
type = "text"
pattern = "[a-z]{2}\\\\d"
[columns.since]
type = "date"
minimum = 2020-01-01
maximum = 2030-01-01
[columns.mood]
type = "category"
on_violation = "flag"
categories = ["good", "bad"]
[columns.height]
type = "number"
maximum = 250
on_violation = "impute"
nullable = false
[columns.email]
type = "category"
personal = true
[columns."odd 'name' %s"]
type = "number"
[columns.bought]
type = "category"
categories = ["yes", "no"]
"""
ODD = "odd 'name' %s"
GOOD: dict[str, Any] = {
    "age": 40,
    "spent": 12.5,
    "member": True,
    "town": "köln",
    "shelf": 2,
    "code": "ab1",
    "since": "2024-05-17",
    "mood": "good",
    "height": 180.5,
    "email": "p3@x.org",
    ODD: 0.25,
}
"""A row that breaks no rule."""


def table(rows: int = 600, *, seed: int = 0) -> pl.DataFrame:
    """Rows that keep the contract, some values missing."""
    rng = np.random.default_rng(seed)
    spent = np.round(rng.exponential(20, rows), 2)
    town = rng.choice(["bo", "ulm", "köln"], rows)
    odd = rng.normal(size=rows)
    bought = spent / 20 + (town == "ulm") + odd + rng.normal(size=rows) / 2 > 1.5
    missing = pl.Series(rng.random(rows) < 0.1)
    frame = pl.DataFrame(
        {
            "customer": [f"c{i % 97}" for i in range(rows)],
            "age": rng.integers(18, 90, rows),
            "spent": spent,
            "member": rng.random(rows) < 0.4,
            "town": town,
            "shelf": rng.choice(["1", "2", "3"], rows),
            "code": rng.choice(["ab1", "cd2", "ef3"], rows),
            "since": [date(2021, 1, 1) + timedelta(days=int(d)) for d in rng.integers(0, 1500, rows)],
            "mood": rng.choice(["good", "bad"], rows),
            "height": np.round(rng.normal(175, 8, rows), 1),
            "email": rng.choice([f"p{i}@x.org" for i in range(9)], rows),
            ODD: odd,
            "bought": np.where(bought, "yes", "no"),
        }
    )
    return frame.with_columns(
        pl.when(missing).then(None).otherwise(pl.col(name)).alias(name) for name in ("spent", "town", "since", ODD)
    )


@cache
def contract() -> Contract:
    return Contract.parse(CONTRACT)


@cache
def bundle(kind: str = "linear", seed: int = 0) -> Bundle:
    params = {"rounds": 20} if kind in ("lightgbm", "hist_gradient_boosting") else {}
    model = fit(table(seed=seed), contract(), kind=kind, params=params, seed=seed)
    return build(model, contract=contract(), holdout=table(200, seed=seed + 1))


@cache
def regression() -> Bundle:
    """A model that predicts a number with a long tail."""
    text = CONTRACT.replace('task = "binary"', 'task = "regression"').replace('target = "bought"', 'target = "spent"')
    terms = Contract.parse(text)
    model = fit(table(), terms, kind="linear")
    return build(model, contract=terms, holdout=table(200, seed=1))
