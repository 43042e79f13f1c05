"""A small model with a contract, and a table with rows that break it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from mainspring import package
from mainspring.contract import Column, Contract, ProjectSection
from mainspring.serve.batch.local import LocalScoring
from mainspring.train import fit

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mainspring.package import Bundle

COLUMNS = (
    Column(name="age", type="number", minimum=18, maximum=100),
    Column(name="town", type="category", categories=("aa", "bb"), nullable=False, on_violation="flag"),
    Column(name="height", type="number", minimum=0.5, on_violation="impute"),
    Column(name="gone", type="boolean"),
)


def table(rows: int, *, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    age, height = rng.uniform(18, 100, rows), rng.normal(1.7, 0.2, rows).clip(0.6)
    return pl.DataFrame(
        {
            "row": pl.int_range(rows, eager=True),
            "age": age,
            "town": rng.choice(["aa", "bb"], rows),
            "height": height,
            "gone": age / 50 + height + rng.normal(size=rows) / 4 > 2.8,
        }
    )


def spoilt(rows: int, *, seed: int = 0) -> pl.DataFrame:
    """A table where every seventh row is too young, every fifth of an unknown town, every eleventh too small."""
    row = pl.col("row")
    return table(rows, seed=seed).with_columns(
        pl.when(row % 7 == 3).then(5.0).otherwise("age").alias("age"),
        pl.when(row % 5 == 2).then(pl.lit("zz")).otherwise("town").alias("town"),
        pl.when(row % 11 == 4).then(0.1).otherwise("height").alias("height"),
    )


def made(kind: str = "linear", *, seed: int = 0) -> Bundle:
    contract = Contract(
        project=ProjectSection(name="demo", task="binary", target="gone"), columns={each.name: each for each in COLUMNS}
    )
    rows = table(500, seed=seed)
    return package.build(fit(rows.head(400), contract, kind=kind), contract=contract, holdout=rows.tail(100))


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    return made()


@pytest.fixture(scope="session")
def other_bundle() -> Bundle:
    return made(seed=1)


@pytest.fixture
def scoring(bundle: Bundle) -> LocalScoring:
    return LocalScoring(bundle, name="demo", version=1)


def together(folder: Path) -> pl.DataFrame:
    """The parts as any reader of the folder sees them."""
    return pl.read_parquet(folder / "part-*.parquet")


def names(folder: Path) -> Sequence[str]:
    return sorted(path.name for path in folder.iterdir())
