"""Small worlds with a known truth, and contracts for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mainspring.contract import Contract, ProjectSection

if TYPE_CHECKING:
    from mainspring.core.task import Task


def contract(task: Task = "binary", **more: Any) -> Contract:
    return Contract(project=ProjectSection(name="world", task=task, target="y", time="t"), **more)


def steady(rows: int = 1_600, *, seed: int = 0) -> pl.DataFrame:
    """y follows a and b, always in the same way."""
    return turning(rows, turn=rows, seed=seed)


def turning(rows: int = 1_600, *, turn: int, seed: int = 0) -> pl.DataFrame:
    """y follows a; from row *turn* on it follows the opposite of a. Columns look the same throughout."""
    draw = np.random.default_rng(seed)
    a, b = draw.normal(size=rows), draw.normal(size=rows)
    sign = np.where(np.arange(rows) < turn, 1.0, -1.0)
    y = (sign * a + 0.3 * b + draw.normal(scale=0.3, size=rows) > 0).astype(int)
    kind = draw.choice(["red", "green", "blue"], size=rows)
    return pl.DataFrame({"t": np.arange(rows), "a": a, "b": b, "kind": kind, "y": np.where(y, "yes", "no")})


def rising(rows: int = 1_600, *, seed: int = 0) -> pl.DataFrame:
    """A number whose level rises with time: what was learned once is too low later."""
    draw = np.random.default_rng(seed)
    a = draw.normal(size=rows)
    return pl.DataFrame(
        {"t": np.arange(rows), "a": a, "y": 10 + 3 * a + np.arange(rows) / 100 + draw.normal(scale=0.2, size=rows)}
    )


def coloured(rows: int = 1_200, *, seed: int = 0) -> pl.DataFrame:
    """Three classes by two numbers."""
    draw = np.random.default_rng(seed)
    a, b = draw.normal(size=rows), draw.normal(size=rows)
    y = np.select([a + b > 0.7, a - b > 0.5], ["high", "mid"], "low")
    return pl.DataFrame({"t": np.arange(rows), "a": a, "b": b, "y": y})
