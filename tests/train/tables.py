"""Small tables whose truth is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mainspring.contract import Contract, ProjectSection

if TYPE_CHECKING:
    from mainspring.core.task import Task


def contract(task: Task, *, target: str = "y", **settings: Any) -> Contract:
    """A contract that declares no column: every other column is a feature."""
    section = {name: settings.pop(name) for name in ("time", "entity", "positive") if name in settings}
    return Contract(project=ProjectSection(name="test", task=task, target=target, **section), **settings)


def table(task: Task, rows: int = 300, *, seed: int = 0) -> pl.DataFrame:
    """Two informative numbers, an informative category and noise, with nulls."""
    random = np.random.default_rng(seed)
    a, b, noise = random.normal(size=(3, rows))
    level = random.integers(0, 3, rows)
    signal = 2 * a + b * b + np.array([-1.0, 0.0, 1.5])[level] + 0.4 * random.normal(size=rows)
    y: Any = signal
    if task == "binary":
        y = np.where(signal > 1, "yes", "no")
    if task == "multiclass":
        y = np.digitize(signal, [-0.5, 1.5])
    frame = pl.DataFrame({"a": a, "b": b, "noise": noise, "level": np.array(["low", "mid", "top"])[level], "y": y})
    return frame.with_columns(pl.when(pl.int_range(rows) % 11 == 0).then(None).otherwise(pl.col("b")).alias("b"))
